"""The speed of a run: steps alone count."""

from __future__ import annotations

import pytest

from counsel.train import progress
from counsel.train.progress import Speed


def test_only_steps_after_the_first_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now)
    speed = Speed()
    speed.begin()
    now = 100.0  # the first step compiles
    speed.end(10)
    assert speed.steps_per_s is None
    speed.begin()
    now = 102.0
    speed.end(30)
    speed.pause()
    now = 150.0  # a valid loss
    speed.begin()
    now = 152.0
    speed.end(50)
    assert speed.steps_per_s == 2 / 4 and speed.tokens_per_s == 80 / 4
