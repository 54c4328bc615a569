"""The loss against its slow twin, whatever the batches, the pieces and the output layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from counsel.errors import CounselError
from counsel.model import loss
from counsel.model.render import Rendered

from .slow_loss import SIZE, examples, slow_loss


@pytest.fixture(scope="module")
def model() -> MistralForCausalLM:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    return MistralForCausalLM(MistralConfig(**SIZE, num_key_value_heads=2)).eval()


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_it_is_the_slow_loss(model: MistralForCausalLM, rows: int) -> None:
    expected = [slow_loss(model, e) for e in examples()]
    heard: list[int] = []
    assert loss.summed_losses(model, examples(), 0, rows, heard.append) == pytest.approx(expected, rel=1e-5)
    assert heard[-1] == len(expected)


def test_pieces_of_the_output_layer_change_nothing(model: MistralForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    widest = 0
    head = model.lm_head.forward

    def watched(states: torch.Tensor) -> torch.Tensor:
        nonlocal widest
        widest = max(widest, len(states))
        return head(states)

    whole = loss.summed_losses(model, examples(), 0, 4)
    monkeypatch.setattr(loss, "LOGITS_AT_ONCE", 3 * 97)
    monkeypatch.setattr(loss, "_head_is_all", lambda *a: True)
    monkeypatch.setattr(model.lm_head, "forward", watched)
    assert loss.summed_losses(model, examples(), 0, 4) == pytest.approx(whole)
    assert widest == 3, "no more logits at once than allowed"


def test_a_model_that_caps_its_logits_is_measured_whole() -> None:
    torch.manual_seed(0)
    config = Gemma2Config(**SIZE, num_key_value_heads=2, head_dim=8, final_logit_softcapping=0.2)
    capped = Gemma2ForCausalLM(config).eval()
    assert not loss._head_is_all(capped, examples()[0])
    expected = [slow_loss(capped, e) for e in examples()]
    assert loss.summed_losses(capped, examples(), 0, 4) == pytest.approx(expected, rel=1e-4)


def test_the_quick_way_is_taken_where_it_may_be(model: MistralForCausalLM) -> None:
    assert loss._head_is_all(model, examples()[0])


def test_a_first_token_is_never_asked_for(model: MistralForCausalLM) -> None:
    first = Rendered([7, 8, 9], [True, False, True])
    assert loss.summed_losses(model, [first], 0, 1) == pytest.approx([slow_loss(model, first)], rel=1e-5)


def test_too_little_memory_halves_the_rows(model: MistralForCausalLM, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tried = loss._batch, []

    def tight(chosen: list[Rendered], *rest: Any) -> Any:
        tried.append(len(chosen))
        if len(chosen) > limit:
            raise torch.cuda.OutOfMemoryError
        return real(chosen, *rest)

    monkeypatch.setattr(loss, "_head_is_all", lambda *a: True)
    whole = loss.summed_losses(model, examples(), 0, 8)
    monkeypatch.setattr(loss, "_batch", tight)
    limit = 2
    assert loss.summed_losses(model, examples(), 0, 8) == pytest.approx(whole)
    assert tried[:3] == [8, 4, 2]
    limit = 0
    with pytest.raises(CounselError, match="one conversation does not fit"):
        loss.summed_losses(model, examples(), 0, 8)
