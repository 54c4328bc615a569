"""What goes wrong inside a run: a loss that explodes, a memory that is full."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from counsel.train.trainer import SafeTrainer

from .conftest import Train


@pytest.mark.usefixtures("reads_late")
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e6])
def test_a_run_that_went_wrong_stops_with_its_last_good_checkpoint(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: float
) -> None:
    real = SafeTrainer.training_step
    trained: list[str] = []

    def training_step(self: SafeTrainer, *rest: Any) -> Any:
        loss = real(self, *rest)
        if self.state.global_step != 4:
            return loss
        trained[:] = self.names(self.batch_rows)
        self.step_loss = loss * value
        return loss

    monkeypatch.setattr(SafeTrainer, "training_step", training_step)
    run = train("run", expect=1)
    error = capsys.readouterr().err
    assert "training went wrong at step 5" in error and "lower --learning-rate" in error
    named = error.split("on the conversations ")[1].split(" (")[0].split("; fix")[0].split(", ")
    lines = (Path(run.settings["data"][0]) / "train.jsonl").read_text().splitlines()
    assert named == trained and set(named) <= {json.loads(line)["id"] for line in lines} and len(named) == 4
    assert [p.name for p in run.checkpoints.iterdir()] == ["checkpoint-3"]
    assert not run.is_finished
    monkeypatch.undo()
    assert train("run", "--resume").is_finished


@pytest.mark.parametrize("memory", ["plain", "fast"])
def test_out_of_memory_halves_the_rows_and_learns_the_same(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], memory: str
) -> None:
    calm = train("calm", "--no-four-bit")
    real = SafeTrainer.training_step

    def training_step(self: SafeTrainer, model: Any, inputs: Any, *rest: Any) -> Any:
        if self.state.global_step >= 5 and self.args.per_device_train_batch_size > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(self, model, inputs, *rest)

    monkeypatch.setattr(SafeTrainer, "training_step", training_step)
    run = train("run", "--no-four-bit", "--memory", memory)
    assert (
        f"going on with --memory {memory} --rows 2 --accumulate 2 (the same effective batch)" in capsys.readouterr().err
    )
    ours, theirs = ([m for m in r.metrics() if "loss" in m] for r in (run, calm))
    assert [m["step"] for m in ours] == [m["step"] for m in theirs]
    assert max(abs(a["loss"] - b["loss"]) for a, b in zip(ours, theirs, strict=True)) < 1e-5


def test_memory_too_small_for_one_conversation_is_told(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def training_step(self: SafeTrainer, *rest: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(SafeTrainer, "training_step", training_step)
    train("run", expect=2)
    error = capsys.readouterr().err
    assert "--memory balanced --rows 4 --accumulate 1" in error
    assert "--memory balanced --rows 1 --accumulate 4" in error
    assert "--memory plain --rows 1 --accumulate 4 --checkpointing" in error
    assert "one conversation does not fit" in error
