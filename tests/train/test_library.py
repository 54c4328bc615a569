"""What the safe run needs of the Hugging Face trainer and of TRL: fails when a new version of them changes it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import Trainer
from trl.trainer.utils import add_fused_lm_head

from counsel.train.trainer import SafeTrainer

from .conftest import Train

OVERRIDDEN = {
    "__init__": None,
    "get_batch_samples": ["self", "epoch_iterator", "num_batches", "device"],
    "training_step": ["self", "model", "inputs", "num_items_in_batch"],
    "floating_point_ops": ["self", "inputs"],
    "_maybe_log_save_evaluate": [
        "self", "tr_loss", "grad_norm", "model", "trial", "epoch", "ignore_keys_for_eval", "start_time",
        "learning_rate",
    ],
}  # fmt: skip


def parameters(function: Callable[..., object]) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_nothing_else_of_the_trainer_is_overridden() -> None:
    ours = {name for name, value in vars(SafeTrainer).items() if callable(value) and hasattr(Trainer, name)}
    assert ours == set(OVERRIDDEN)


def test_what_is_overridden_is_still_called_like_that() -> None:
    for name, expected in OVERRIDDEN.items():
        assert expected is None or parameters(getattr(Trainer, name)) == expected, name


def test_the_trainer_asks_for_the_overridden_ones_in_its_loop() -> None:
    loop = inspect.getsource(Trainer._run_epoch)
    for name in OVERRIDDEN.keys() - {"__init__"}:
        assert f"self.{name}(" in loop, name


def test_a_checkpoint_is_written_where_the_settings_say_and_holds_all_that_a_resumed_run_reads(train: Train) -> None:
    assert parameters(Trainer._save_checkpoint) == ["self", "model", "trial"]
    run = train("run", "--max-steps", "3")
    assert [p.name for p in run.checkpoints.iterdir()] == ["checkpoint-3"]
    (place,) = run.checkpoints.iterdir()
    needed = {"adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}
    assert needed <= {p.name for p in place.iterdir()}
    assert json.loads((place / "trainer_state.json").read_text())["global_step"] == 3


def test_a_failed_checkpoint_leaves_the_place_of_the_others_as_it_was(train: Train) -> None:
    real = SafeTrainer._save_checkpoint
    places: list[str] = []

    def full(self: SafeTrainer, *rest: object) -> None:
        places.append(self.args.output_dir)
        if self.state.global_step == 6:
            raise OSError(28, "No space left on device")
        real(self, *rest)

    SafeTrainer._save_checkpoint = full
    try:
        run = train("run", expect=2)
    finally:
        del SafeTrainer._save_checkpoint
    assert places == [str(run.checkpoints / ".part-3"), str(run.checkpoints / ".part-6")]
    assert [p.name for p in run.checkpoints.iterdir()] == ["checkpoint-3"]


def test_trl_scores_the_trained_tokens_alone(tiny_base: Path) -> None:
    from counsel.model.load import load_base

    assert {"model", "outputs"} <= set(parameters(add_fused_lm_head))
    model = load_base(str(tiny_base), "fp32", four_bit=False)
    ids = torch.tensor([[5, 6, 7, 8]])
    chances = torch.log_softmax(model(input_ids=ids).logits[0].float(), -1)
    add_fused_lm_head(model, outputs=("log_probs",))
    found = model(input_ids=ids, labels=torch.tensor([[-100, -100, 7, 8]]), fused_lm_head=True).log_probs
    torch.testing.assert_close(found, torch.stack([chances.new_zeros(()), chances[1, 7], chances[2, 8]])[None])
