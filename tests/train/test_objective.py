"""The same safe run around another objective: which of two conversations is the better one, a toy of a preference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import MixtralConfig, MixtralForCausalLM

from counsel.data.prepared import Prepared
from counsel.model.fast.loss import NextToken, sent
from counsel.model.fast.pack import Packed, pack
from counsel.model.render import Rendered, Renderer
from counsel.records import Run
from counsel.train.objective import Task
from counsel.train.packs import Packs, ready_step
from counsel.train.rows import Rows
from counsel.train.run import train
from counsel.train.settings import Asked, TrainSettings
from counsel.train.sft import ThroughModel
from counsel.train.trainer import SafeTrainer


@dataclass(frozen=True)
class Pairs(Rows):
    """Rows of which each has a worse one beside it."""

    worse: Sequence[Rendered] = ()

    @cached_property
    def lengths(self) -> list[int]:
        return [len(a.ids) + len(b.ids) for a, b in zip(self.rendered, self.worse, strict=True)]

    def examples(self) -> list[dict[str, Any]]:
        return [e | {"worse": worse} for e, worse in zip(super().examples(), self.worse, strict=True)]


class PairPacks(Packs):
    conversations = 2

    def pack(self, examples: Sequence[dict[str, Any]]) -> Packed:
        ids = [half for e in examples for half in (e["ids"], e["worse"].ids)]
        masks = [half for e in examples for half in (e["mask"], e["worse"].mask)]
        return pack(ids, masks, self.fast.sizes, self.pad_id)


class Margin:
    """By how much the better conversation of a pair is more likely, through a sigmoid."""

    ruinous = 1000.0

    def __init__(self, head: torch.Tensor, ops: Any) -> None:
        self.head = head

    def count(self, pack: Packed) -> int:
        return int(pack.rows[pack.where].max()) // 2 + 1

    def __call__(self, pack: Packed, hidden: torch.Tensor, scale: torch.Tensor, learn: bool) -> torch.Tensor:
        where, targets, rows = (sent(t, hidden.device) for t in (pack.where, pack.targets, pack.rows[pack.where]))
        states = hidden.detach().clone().requires_grad_()
        with torch.enable_grad():
            each = -functional.cross_entropy((states[where] @ self.head.T).float(), targets, reduction="none")
            sums = each.new_zeros(2 * self.count(pack)).index_add(0, rows, each)
            loss = -functional.logsigmoid((sums[0::2] - sums[1::2]) / 10).sum()
        if learn:
            hidden.copy_(torch.autograd.grad(loss, states)[0] * scale)
        return loss.detach()


def pair_rows(settings: TrainSettings, data: Prepared, renderer: Renderer, say: Any) -> tuple[Rows, Rows]:
    def pairs(conversations: Sequence[Any]) -> Pairs:
        rendered = renderer.render_many(conversations)
        names = [c.id for c in conversations]
        return Pairs(rendered[0:-1:2], names[0:-1:2], 0, 0, 0, rendered[1::2])

    return pairs(data.train()), pairs(data.train()[:8])


def pair_objective(model: Any, settings: TrainSettings, mode: Any, pad_id: int, rows: Rows, say: Any) -> PairPacks:
    wide = replace(settings, rows=2 * settings.rows)
    return PairPacks(ready_step(model, wide, mode, rows.lengths, Margin, say), pad_id)


PREFERENCE = Task(pair_rows, pair_objective)


def asked(base: Path, prepared: Path, run: Path, resume: bool = False) -> Asked:
    return Asked(
        TrainSettings(
            run=run, data=(str(prepared),), base=str(base), rows=4, epochs=3, learning_rate=2e-2, save_steps=3,
            valid_steps=4, memory="fast", resume=resume,
        )
    )  # fmt: skip


def test_another_objective_is_learned_and_goes_on_after_a_stop(
    tiny_base: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    calm = train(asked(tiny_base, prepared, tmp_path / "calm"), said.append, PREFERENCE)
    valid = [m["valid_loss"] for m in calm.metrics() if "valid_loss" in m]
    assert len(valid) > 2 and min(valid) < 0.9 * valid[0], "it prefers the better ones more and more"
    assert {m["valid_tokens"] for m in calm.metrics() if "valid_tokens" in m} == {4}, "its terms are pairs"

    real = SafeTrainer.training_step

    def stopped(self: SafeTrainer, *rest: Any) -> Any:
        if self.state.global_step == 7:
            raise KeyboardInterrupt
        return real(self, *rest)

    monkeypatch.setattr(SafeTrainer, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(asked(tiny_base, prepared, tmp_path / "run"), said.append, PREFERENCE)
    monkeypatch.undo()
    run = train(asked(tiny_base, prepared, tmp_path / "run", resume=True), said.append, PREFERENCE)
    assert "going on from step 6" in said
    assert weights(run) == weights(calm)


def weights(run: Run) -> bytes:
    return (run.adapter / "adapter_model.safetensors").read_bytes()


def test_a_step_may_minimise_whatever_it_is_given(tiny_base: Path) -> None:
    from peft import get_peft_model

    from counsel.model.adapter import ATTENTION, lora_config
    from counsel.model.load import load_base

    class Twice(NextToken):
        def __call__(self, pack: Packed, hidden: torch.Tensor, scale: torch.Tensor, learn: bool) -> torch.Tensor:
            return 2 * super().__call__(pack, hidden, 2 * scale, learn)

    found = []
    for objective in (NextToken, Twice):
        torch.manual_seed(0)
        model = get_peft_model(load_base(str(tiny_base), "fp32", False), lora_config(4, 8, 0.0, ATTENTION))
        settings = TrainSettings(run=Path("x"), data=("x",), max_length=64)
        fast = ready_step(model, settings, "fast", [3, 3], objective, lambda line: None)
        packs = Packs(fast, 0)
        packed = packs.pack([{"ids": [5, 6, 7], "mask": [False, True, True], "row": 0}])
        loss = fast(packed, torch.ones((), device=fast.head.device))
        found.append((loss, fast.decoder.adapters.gradients.clone()))
    torch.testing.assert_close(found[1][0], 2 * found[0][0])
    torch.testing.assert_close(found[1][1], 2 * found[0][1])
    assert found[0][1].abs().max() > 0


def test_a_mixture_of_experts_is_kept_balanced_as_its_library_does() -> None:
    """The router's own loss counts once a step, however the step is split."""
    from accelerate import Accelerator
    from peft import get_peft_model

    from counsel.model.adapter import lora_config

    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=97, hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, num_local_experts=4, router_aux_loss_coef=0.5,
    )  # fmt: skip
    model = get_peft_model(MixtralForCausalLM(config), lora_config(4, 8, 0.0, ("q_proj",)))
    objective = ThroughModel(model, 0, None, 2)
    rows = [Rendered([5, 6, 7, 8], [False, True, True, True]), Rendered([9, 8, 7], [False, True, True])]
    batch = objective.collate(Rows(rows, ["a", "b"], 0, 0, 0).examples())
    ours = objective.learn(batch, objective.count(batch), Accelerator(cpu=True))
    labels = batch["ids"].masked_fill(~batch["mask"], -100)
    whole = model(input_ids=batch["ids"], attention_mask=batch["attention"], labels=labels, output_router_logits=True)
    torch.testing.assert_close(ours, whole.loss.detach())
    assert whole.aux_loss > 0
