"""The loss before and after tuning, and what is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from counsel.conversation import Conversation
from counsel.errors import CheckFailed
from counsel.evaluate.held_out import HeldOut
from counsel.evaluate.scorers import loss
from counsel.evaluate.suite import Answers, Scores, Suite
from counsel.evaluate.systems import Foreseen
from counsel.model.render import Rendered


def scored(base: list[float], tuned: list[float], groups: str = "aba", **more: Any) -> Scores:
    """The scorer's word on conversations of 3 trained tokens each, of which one foresees nothing before it."""
    said = [Conversation.of([{"role": "user", "content": f"{i}"}], group=g) for i, g in enumerate(groups)]
    examples = [Rendered([5, 6, 7, 8], [True, False, True, True])] * len(said)
    held_out = HeldOut(said, examples, dropped=2, max_length=128)
    suite = Suite(held_out, ("base", "tuned", "guarded"), resamples=500)
    foreseen = {
        "base": Foreseen(np.array(base), 100, "float32"),
        "tuned": Foreseen(np.array(tuned), 100, "float32"),
        "guarded": None,
    }
    return loss.Loss(suite).score(Answers(foreseen=foreseen))


def test_a_system_that_only_gives_words_is_unscored_and_not_zero() -> None:
    found = {(s.name, s.system): s for s in scored([6.0, 2.0, 4.0], [3.0, 3.0, 2.0]).scores}
    assert found["loss", "base"].value == pytest.approx(12 / 6)
    assert found["perplexity", "tuned"].value == pytest.approx(np.exp(8 / 6))
    assert (found["loss", "tuned"].n, found["loss", "tuned"].unscored) == (3, 2)
    low, high = found["loss", "base"].low, found["loss", "base"].high
    assert low is not None and high is not None and low < 2 < high
    nothing = found["loss", "guarded"]
    assert (nothing.value, nothing.low, nothing.n, nothing.unscored) == (None, None, 0, 5)


def test_one_group_has_a_value_without_an_interval() -> None:
    found = scored([6.0, 4.0, 2.0], [3.0, 3.0, 2.0], groups="aaa")
    assert found.scores[0].value is not None and found.scores[0].low is None
    assert found.told.endswith("no interval, because all conversations share one prompt")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_infinite_loss_is_no_result(bad: float) -> None:
    with pytest.raises(CheckFailed, match="not finite"):
        scored([6.0, 4.0, 2.0], [3.0, bad, 2.0])


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
