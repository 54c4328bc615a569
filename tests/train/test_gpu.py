"""On a GPU: NF4 with fp16, which plain TRL crashes on, and with bf16; the same learning as on the CPU."""

from __future__ import annotations

import json
import math

import pytest
import torch

from .conftest import Train

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32"])
def test_every_precision_learns_in_four_bit(train: Train, precision: str) -> None:
    run = train("run", "--precision", precision, "--epochs", "6", "--max-length", "128")
    summary = json.loads((run.results / "training.json").read_text())
    losses = [m["loss"] for m in run.metrics() if "loss" in m]
    assert summary["precision"] == precision and summary["device"].startswith("cuda")
    assert all(map(math.isfinite, losses)) and losses[-1] < losses[0] - 0.1
    assert summary["peak_memory_gib"] > 0 and 0 < summary["bound_share"] < 1


def test_the_cards_recipe_runs_as_it_stands(train: Train) -> None:
    run = train("run", "--recipe", "card", "--rows", "1", "--accumulate", "4", "--learning-rate", "2e-5")
    summary = json.loads((run.results / "training.json").read_text())
    assert summary["precision"] == "fp16" and summary["stopped"] == "completed"


def test_grouping_changes_nothing_on_the_gpu(train: Train) -> None:
    flags = ("--no-four-bit", "--precision", "fp32")
    whole, parts = train("whole", *flags), train("parts", *flags, "--rows", "1", "--accumulate", "4")
    ours, theirs = ([m for m in r.metrics() if "loss" in m] for r in (whole, parts))
    assert max(abs(a["loss"] - b["loss"]) for a, b in zip(ours, theirs, strict=True)) < 1e-5
    assert max(abs(a["grad_norm"] - b["grad_norm"]) for a, b in zip(ours, theirs, strict=True)) < 1e-5


def test_a_stopped_run_goes_on(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    from counsel.train.trainer import SafeTrainer

    calm = train("calm")
    real = SafeTrainer.training_step

    def training_step(self: SafeTrainer, *rest: object) -> object:
        if self.state.global_step == 7:
            raise KeyboardInterrupt
        return real(self, *rest)

    monkeypatch.setattr(SafeTrainer, "training_step", training_step)
    train("run", expect=1)
    monkeypatch.undo()
    run = train("run", "--resume")
    ours, theirs = ([m for m in r.metrics() if "loss" in m] for r in (run, calm))
    assert [m["step"] for m in ours] == [m["step"] for m in theirs]
    assert max(abs(a["loss"] - b["loss"]) for a, b in zip(ours, theirs, strict=True)) < 1e-3
