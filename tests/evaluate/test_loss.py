"""The loss before and after tuning, and what is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from transformers import MistralConfig, MistralForCausalLM

from counsel.errors import CheckFailed
from counsel.evaluate import loss

from ..model.slow_loss import SIZE, examples, slow_loss


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
