"""Supervised fine-tuning: the cross-entropy of every assistant token, through packs or through the model itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel
from trl.trainer.utils import add_fused_lm_head

from counsel.data.prepared import Prepared
from counsel.model.fast.loss import NextToken
from counsel.model.loss import summed_losses
from counsel.model.render import Renderer
from counsel.train.mode import Mode
from counsel.train.objective import Objective, Task
from counsel.train.packs import Packs, ready_step
from counsel.train.rows import Rows, make_rows
from counsel.train.settings import TrainSettings

Say = Callable[[str], None]

IGNORED = -100
"""The library's mark for a token that is not trained; only the call to the library uses it."""


class ThroughModel:
    """An ``Objective`` for any model, and the slow twin of ``Packs``: TRL's loss, which never makes all logits at once.

    Args:
        model: a PEFT model.
        pad_id: the padding token.
        width: pad every batch to this many tokens; None for its longest row.
        held_out: how many held-out rows pass together.
    """

    reads_late = False

    def __init__(self, model: PeftModel, pad_id: int, width: int | None, held_out: int) -> None:
        self.model, self.pad_id, self.width, self.held_out = model, pad_id, width, held_out
        add_fused_lm_head(model.get_base_model(), outputs=("log_probs",))
        config = model.config.get_text_config()
        self.ruinous = 3 * math.log(config.vocab_size)  # three times the loss of guessing evenly
        routed = hasattr(config, "output_router_logits")  # a mixture of experts, whose load has to stay balanced
        self.balance = getattr(config, "router_aux_loss_coef", 0.0) if routed else 0.0

    def collate(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Tensors ``ids``, ``attention`` and ``mask``, (rows, tokens) padded on the right, and the list ``row``."""
        width = self.width or max(len(e["ids"]) for e in examples)

        def padded(values: list[list[Any]], filler: Any) -> torch.Tensor:
            return torch.tensor([v + [filler] * (width - len(v)) for v in values])

        return {
            "ids": padded([e["ids"] for e in examples], self.pad_id),
            "attention": padded([[1] * len(e["ids"]) for e in examples], 0),
            "mask": padded([e["mask"] for e in examples], False),
            "row": [e["row"] for e in examples],
        }

    def count(self, batch: dict[str, Any]) -> torch.Tensor:
        """See ``Objective``. It counts trained tokens, but not a first one, which has nothing before it."""
        return batch["mask"][:, 1:].sum()  # type: ignore[no-any-return]

    def learn(self, batch: dict[str, Any], total: int | torch.Tensor, accelerator: Accelerator) -> torch.Tensor:
        """See ``Objective``."""
        self.model.train()
        ids, attention, mask = (batch[name].to(self.model.device) for name in ("ids", "attention", "mask"))
        outputs = self.model(
            input_ids=ids,
            attention_mask=attention,
            labels=ids.masked_fill(~mask, IGNORED),
            use_cache=False,
            fused_lm_head=True,
            **({"output_router_logits": True} if self.balance else {}),
        )
        loss = -outputs.log_probs.sum()
        if self.balance:
            loss = loss + self.balance * outputs.aux_loss * self.count(batch)
        loss = loss / torch.as_tensor(total).clamp(min=1)
        accelerator.backward(loss)
        return loss.detach()  # type: ignore[no-any-return]

    def measure(self, rows: Rows, accelerator: Accelerator) -> tuple[float, int]:
        """See ``Objective``."""
        with accelerator.autocast():
            losses = summed_losses(self.model, rows.rendered, self.pad_id, self.held_out)
        return float(losses.sum()), sum(row.foreseen for row in rows.rendered)


def training_rows(settings: TrainSettings, data: Prepared, renderer: Renderer, say: Say) -> tuple[Rows, Rows]:
    """The rows to train on and those of the valid loss; says what the cut costs."""
    rows = make_rows(data.train(), renderer, settings.max_length, str(data.path / "train.jsonl"))
    say(f"{len(rows):,} conversations, {rows.trained_tokens:,} trained tokens of {sum(rows.lengths):,}")
    if rows.cut:
        say(
            f"cut at {settings.max_length} tokens: {rows.cut:,} conversations lose text, {rows.ends_lost:,} of them "
            f"their end; {rows.dropped:,} are left out because no trained token is left"
        )
    valid = data.valid()
    if not valid:
        say("valid.jsonl is empty: without a valid loss, the last checkpoint is taken and the run never stops early")
        return rows, Rows([], [], 0, 0, 0)
    return rows, make_rows(valid, renderer, settings.max_length, str(data.path / "valid.jsonl"))


def next_token(model: PeftModel, settings: TrainSettings, mode: Mode, pad_id: int, rows: Rows, say: Say) -> Objective:
    """The objective for the way to train that was chosen."""
    if mode != "plain":
        return Packs(ready_step(model, settings, mode, rows.lengths, NextToken, say), pad_id)
    if settings.checkpointing:
        model.enable_input_require_grads()  # else a recomputed layer of a frozen base passes no gradient on
    width = settings.max_length if settings.padding == "max-length" else None
    return ThroughModel(model, pad_id, width, held_out=max(settings.rows, 8))


SFT = Task(training_rows, next_token)
