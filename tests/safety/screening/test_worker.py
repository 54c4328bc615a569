"""The sentence model computes on one core, and nobody else notices."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import torch

from counsel.safety.screening.classifier import Classifier, classifier
from counsel.safety.screening.worker import _worker, on_one_core


@pytest.fixture(autouse=True)
def two_threads() -> Any:
    """Torch set to two threads, a worker not yet begun."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    _worker.cache_clear()
    yield
    torch.set_num_threads(before)


def threads(_: Any = None) -> int:
    torch.ones(100_000).sum()  # a parallel region: threads take torch's number at their first
    return torch.get_num_threads()


def test_work_runs_on_one_core_and_the_callers_setting_stays() -> None:
    assert threads() == 2
    assert on_one_core(threads, None) == 1
    assert threads() == 2
    assert on_one_core(threads, None) == 1


def test_threads_that_begin_later_keep_the_callers_setting_too() -> None:
    on_one_core(threads, None)
    with ThreadPoolExecutor(1) as later:
        assert later.submit(threads).result() == 2


def test_the_classifier_computes_there(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = classifier()
    seen: list[int] = []
    real = Classifier._judge

    def spy(self: Classifier, texts: Any) -> Any:
        seen.append(torch.get_num_threads())
        return real(self, texts)

    monkeypatch.setattr(Classifier, "_judge", spy)
    judge(["a message that nobody has read before, about a bicycle"])
    assert seen == [1]


def test_what_the_work_raises_reaches_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        on_one_core(lambda x: 1 / x, 0)


def test_a_forked_process_gets_a_worker_of_its_own() -> None:
    on_one_core(threads, None)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(20)  # were it to wait for its parent's thread, it would wait for ever
        os.write(write, str(on_one_core(len, "four")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1) == b"4"
