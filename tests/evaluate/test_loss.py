"""The loss against its slow twin, whatever the batches, the pieces and the output layer."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from counsel.errors import CheckFailed, CounselError
from counsel.evaluate import loss
from counsel.model.render import Rendered


def slow_loss(model: Any, example: Rendered) -> float:
    """One conversation at a time, every logit, no padding: the definition."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([example.ids])).logits[0].double()
    chances = torch.log_softmax(logits, dim=-1)
    return -sum(float(chances[at - 1, example.ids[at]]) for at in range(1, len(example.ids)) if example.mask[at])


def examples(count: int = 11) -> list[Rendered]:
    draw = random.Random(0)
    made = []
    for _ in range(count):
        length = draw.randint(3, 40)
        mask = [draw.random() < 0.5 for _ in range(length - 1)] + [True]
        made.append(Rendered([draw.randrange(5, 90) for _ in range(length)], mask))
    return made


SIZE = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


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


def test_an_infinite_loss_is_no_result() -> None:
    class Off:
        def __enter__(self) -> None: ...
        def __exit__(self, *error: object) -> None: ...

    broken = MistralForCausalLM(MistralConfig(**SIZE, num_key_value_heads=2)).eval()
    broken.lm_head.weight.data.fill_(float("nan"))
    broken.disable_adapter = Off  # type: ignore[method-assign]
    with pytest.raises(CheckFailed, match="not finite"):
        loss.measure(broken, examples(3), 0, 2)


def test_the_summary_weighs_tokens_and_pairs_groups() -> None:
    losses = loss.Losses(
        base=np.array([30.0, 10.0, 8.0]), tuned=np.array([20.0, 11.0, 6.0]), tokens=np.array([10.0, 5.0, 4.0])
    )
    table = loss.summary(losses, ["a", "b", "a"], seed=0, resamples=500)
    assert table["base"]["loss"] == pytest.approx(48 / 19)
    assert table["tuned"]["perplexity"] == pytest.approx(np.exp(37 / 19))
    assert table["difference"]["loss"] == pytest.approx(-11 / 19)
    assert table["relative"]["share"] == pytest.approx(11 / 48)
    assert table["groups_better"] | {"interval": None} == {"count": 1, "share": 0.5, "interval": None}
    assert (table["conversations"], table["groups"], table["trained_tokens"]) == (3, 2, 19)
    alone = loss.summary(losses, ["a", "a", "a"], seed=0, resamples=500)
    assert alone["relative"]["interval"] is None
    assert alone["base"]["perplexity_interval"] is None


def test_the_base_is_the_same_model_with_its_adapter_off(finished: Any) -> None:
    from counsel.model.load import load_base, load_tuned
    from counsel.model.render import Renderer, load_tokenizer

    base = str(finished.path.parent / "base")
    tokenizer = load_tokenizer(base)
    from counsel.data.prepared import Prepared

    rendered = Renderer(tokenizer).render_many(Prepared.open(finished.path.parent / "data").valid())[:6]
    tuned = load_tuned(base, finished.adapter)
    both = loss.measure(tuned, rendered, tokenizer.pad_token_id, rows=4)
    alone = load_base(base)
    assert both.base == pytest.approx([slow_loss(alone, r) for r in rendered], rel=1e-4)
    assert both.tuned == pytest.approx([slow_loss(tuned, r) for r in rendered], rel=1e-4)
    assert both.tuned.sum() < both.base.sum()
    assert both.tokens.tolist() == [r.trained for r in rendered]
