"""The same learning, however it is grouped, and the same as plain TRL's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from counsel.data.prepared import Prepared
from counsel.model.adapter import ALL_LINEAR, lora_config
from counsel.model.load import load_base
from counsel.model.render import Renderer, load_tokenizer
from counsel.records import Run
from counsel.train.rows import Rows, make_rows

from .conftest import Train


def steps(run: Run) -> list[dict[str, Any]]:
    return [m for m in run.metrics() if "loss" in m]


def furthest(a: list[dict[str, Any]], b: list[dict[str, Any]], key: str) -> float:
    assert len(a) == len(b) > 5
    return max(abs(x[key] - y[key]) for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def rows(tiny_base: Path, prepared: Path) -> Rows:
    renderer = Renderer(load_tokenizer(str(tiny_base)))
    return make_rows(Prepared.open(prepared).train(), renderer, 1024, "x")


@pytest.mark.parametrize("grouping", [("1", "4"), ("2", "2")])
def test_grouping_changes_nothing(train: Train, grouping: tuple[str, str]) -> None:
    whole = train("whole", "--no-four-bit")
    parts = train("parts", "--no-four-bit", "--rows", grouping[0], "--accumulate", grouping[1])
    assert furthest(steps(whole), steps(parts), "loss") < 1e-5
    assert furthest(steps(whole), steps(parts), "grad_norm") < 1e-5


def test_padding_to_the_full_length_changes_nothing(train: Train) -> None:
    short = train("short", "--no-four-bit", "--max-length", "128")
    padded = train("padded", "--no-four-bit", "--max-length", "128", "--padding", "max-length")
    assert furthest(steps(short), steps(padded), "loss") < 1e-5


@pytest.mark.parametrize("memory", ["plain", "fast", "balanced"])
def test_plain_trl_learns_the_same(
    train: Train, tiny_base: Path, rows: Rows, trl_steps: list[dict[str, Any]], memory: str
) -> None:
    flags = ("--no-four-bit", "--recipe", "tiny", "--schedule", "linear", "--warmup-share", "0", "--memory", memory)
    ours = steps(train("ours", *flags, "--precision", "fp32"))
    assert furthest(ours, trl_steps, "loss") < 1e-5
    # An H100 sums in another order for each way: 1.2e-5 was measured there.
    assert furthest(ours, trl_steps, "grad_norm") < (2e-5 if torch.cuda.is_available() else 1e-5)


@pytest.mark.usefixtures("reads_late")
@pytest.mark.parametrize("memory", ["fast", "balanced"])
def test_a_step_that_is_read_later_is_recorded_as_it_was(train: Train, memory: str) -> None:
    plain, fast = (train(m, "--memory", m, "--schedule", "linear", "--save-steps", "4") for m in ("plain", memory))
    ours, theirs = (
        [[m.get(k) for k in ("step", "epoch", "learning_rate", "tokens", "valid_tokens")] for m in run.metrics()]
        for run in (fast, plain)
    )
    assert ours == theirs and len(ours) > 8


@pytest.fixture(scope="module")
def trl_steps(tiny_base: Path, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The log of TRL's own trainer on the same rows."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    labels = [[i if m else -100 for i, m in zip(r.ids, r.mask, strict=True)] for r in rows.rendered]
    config = SFTConfig(
        output_dir=str(tmp_path_factory.mktemp("trl")),
        per_device_train_batch_size=4,
        num_train_epochs=1.5,
        learning_rate=5e-3,
        lr_scheduler_type="linear",
        bf16=False,
        max_length=None,
        seed=0,
        logging_steps=1,
        report_to=[],
        gradient_checkpointing=False,
        save_strategy="no",
        use_cpu=not torch.cuda.is_available(),
        optim="adamw_torch",
        disable_tqdm=True,
    )
    trainer = SFTTrainer(
        model=load_base(str(tiny_base), "fp32", four_bit=False),
        args=config,
        train_dataset=Dataset.from_dict({"input_ids": [r.ids for r in rows.rendered], "labels": labels}),
        processing_class=load_tokenizer(str(tiny_base)),
        peft_config=lora_config(16, 32, 0.0, ALL_LINEAR),
    )
    trainer.train()
    return [e for e in trainer.state.log_history if "loss" in e]


@pytest.mark.usefixtures("reads_late")
@pytest.mark.parametrize("memory", ["fast", "balanced"])
def test_a_stopped_fast_run_goes_on_to_the_same_adapter(
    train: Train, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    from counsel.train.trainer import SafeTrainer

    calm = train("calm", "--memory", memory)
    real = SafeTrainer.training_step

    def training_step(self: SafeTrainer, *rest: Any) -> Any:
        if self.state.global_step == 7:
            raise KeyboardInterrupt
        return real(self, *rest)

    monkeypatch.setattr(SafeTrainer, "training_step", training_step)
    train("run", "--memory", memory, expect=1)
    monkeypatch.undo()
    run = train("run", "--memory", memory, "--resume")
    ours, theirs = (r.adapter / "adapter_model.safetensors" for r in (run, calm))
    assert ours.read_bytes() == theirs.read_bytes()
    assert [m["valid_loss"] for m in run.metrics() if "valid_loss" in m] == [
        m["valid_loss"] for m in calm.metrics() if "valid_loss" in m
    ]


def test_the_fast_valid_loss_is_the_plain_one(train: Train) -> None:
    plain, fast = (
        train("plain", "--memory", "plain", "--no-four-bit", "--precision", "fp32"),
        train("fast", "--memory", "fast", "--no-four-bit", "--precision", "fp32"),
    )
    ours, theirs = ([m for m in run.metrics() if "valid_loss" in m] for run in (fast, plain))
    for a, b in zip(ours, theirs, strict=True):
        assert a["valid_tokens"] == b["valid_tokens"]
        assert a["valid_loss"] == pytest.approx(b["valid_loss"], abs=1e-5)


def test_the_valid_loss_is_the_mean_over_trained_tokens(train: Train, tiny_base: Path, prepared: Path) -> None:
    run = train("run", "--precision", "fp32")
    measured = [m for m in run.metrics() if "valid_loss" in m][-1]
    from counsel.model.load import load_tuned

    tokenizer = load_tokenizer(str(tiny_base))
    model = load_tuned(str(tiny_base), run.adapter, "fp32")
    valid = make_rows(Prepared.open(prepared).valid(), Renderer(tokenizer), 1024, "x")
    total, tokens = 0.0, 0
    for row in valid.rendered:  # one by one: no padding, no batch means
        ids, kept = torch.tensor(row.ids), torch.tensor(row.mask[1:])
        with torch.no_grad():
            logits = model(ids[None].to(model.device)).logits[0, :-1].double().cpu()
        total += float(torch.nn.functional.cross_entropy(logits[kept], ids[1:][kept], reduction="sum"))
        tokens += int(kept.sum())
    assert measured["valid_tokens"] == tokens
    assert min(m["valid_loss"] for m in run.metrics() if "valid_loss" in m) == pytest.approx(total / tokens, abs=1e-5)
