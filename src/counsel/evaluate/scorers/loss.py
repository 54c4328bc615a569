"""Cross-entropy on the trained tokens of held-out conversations: how well a model foresees a counselor's reply.

It is 0 or more, in nats per token; lower is better. It measures the manner of the conversations, and says nothing about
whether the model's own replies are good, safe or true.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from counsel.errors import CheckFailed
from counsel.evaluate.suite import Answers, Probes, Score, Scores, Suite
from counsel.report.wording import change, percent
from counsel.statistics import (
    LEVEL,
    Bootstrap,
    Floats,
    Statistic,
    ratio,
    ratio_difference,
    relative_fall,
    wilson,
)


@dataclass(frozen=True)
class Losses:
    """What was measured on each conversation, in the order given."""

    base: Floats
    """Shape (conversations,): the summed cross-entropy, in nats, of each one's trained tokens before tuning."""
    tuned: Floats
    """The same after tuning."""
    tokens: Floats
    """Shape (conversations,): how many trained tokens each one has."""


@dataclass(frozen=True)
class Loss:
    """Loss and perplexity before and after tuning, over the same conversations."""

    suite: Suite
    name = "loss"
    validated = True  # validated, because the tests compare it with its exact definition, token by token

    def probes(self) -> Probes:
        """Every held-out conversation, to be foreseen."""
        return Probes(examples=self.suite.held_out.examples)

    def score(self, answers: Answers) -> Scores:
        """The table, the losses of each conversation, and the change in a sentence.

        Raises:
            CheckFailed: when a loss is not a finite number.
        """
        held_out, suite = self.suite.held_out, self.suite
        base, tuned = answers.foreseen["base"], answers.foreseen["tuned"]
        assert base is not None and tuned is not None, "a run's own models can be asked"
        if not (np.isfinite(base.losses).all() and np.isfinite(tuned.losses).all()):
            raise CheckFailed(
                "the loss is not finite, so the model's numbers overflow",
                fix="train again with --precision bf16 or fp32",
            )
        # the first token cannot be foreseen, because nothing comes before it
        tokens = np.array([sum(e.mask[1:]) for e in held_out.examples], dtype=np.float64)
        losses = Losses(base.losses, tuned.losses, tokens)
        table = summary(losses, held_out.groups, suite.seed, suite.resamples)
        details = table | {
            "dropped": held_out.dropped,
            "cut": held_out.cut,
            "max_length": held_out.max_length,
            "leak": dict(held_out.leak),
            "blind": math.log(base.vocabulary),
            "level": LEVEL,
            "resamples": suite.resamples,
            "precision": base.precision,
        }
        each = [
            {"id": c.id, "group": c.group, "tokens": int(t), "base": float(b), "tuned": float(a)}
            for c, b, a, t in zip(held_out.conversations, losses.base, losses.tuned, losses.tokens, strict=True)
        ]
        return Scores(list(self._scores(table)), details, {"loss_by_conversation": each}, told(table))

    def _scores(self, table: dict[str, Any]) -> Iterator[Score]:
        dropped, every = self.suite.held_out.dropped, len(self.suite.held_out.conversations)
        for system in self.suite.systems:
            for kind, ends in (("loss", "interval"), ("perplexity", "perplexity_interval")):
                if system not in ("base", "tuned"):
                    yield Score.none(kind, system, every + dropped)  # this system gives words, but no probabilities
                    continue
                low, high = table[system][ends] or (None, None)
                yield Score(kind, system, table[system][kind], low, high, every, dropped)


def told(table: dict[str, Any]) -> str:
    """The change in a sentence."""
    base, tuned, share = table["base"], table["tuned"], table["relative"]
    said = (
        f"loss {base['loss']:.3f} before, {tuned['loss']:.3f} after (perplexity {base['perplexity']:.2f} and "
        f"{tuned['perplexity']:.2f}): {percent(abs(share['share']))} {'lower' if share['share'] >= 0 else 'higher'}"
    )
    if share["interval"] is None:
        return f"{said}; no interval, because all conversations share one prompt"
    return f"{said}, 95 % interval {change(share)}"


def summary(losses: Losses, groups: Sequence[str], seed: int, resamples: int) -> dict[str, Any]:
    """The table of ``results/loss.json``: before, after and their difference, with 95 % intervals by group.

    The means are over tokens. Intervals come from drawing groups of prompts with replacement, the same groups
    for both models; with one group there is nothing to draw, and they are null.
    """
    columns = np.stack([losses.base, losses.tuned, losses.tokens], axis=1)
    draws = Bootstrap.of(groups, columns, seed=seed, resamples=resamples)
    better = int((draws.sums[:, 1] < draws.sums[:, 0]).sum())
    result: dict[str, Any] = {
        "base": _with_perplexity(draws, ratio(0, 2)),
        "tuned": _with_perplexity(draws, ratio(1, 2)),
        "difference": _value(draws, ratio_difference(0, 1, 2), "loss"),
        "relative": _value(draws, relative_fall(0, 1), "share"),
        "groups_better": {
            "count": better,
            "share": better / len(draws.sums),
            "interval": wilson(better, len(draws.sums)),
        },
        "conversations": len(losses.tokens),
        "groups": len(draws.sums),
        "trained_tokens": int(losses.tokens.sum()),
    }
    return result


def _value(draws: Bootstrap, statistic: Statistic, name: str) -> dict[str, Any]:
    return {name: draws.estimate(statistic), "interval": draws.interval(statistic)}


def _with_perplexity(draws: Bootstrap, loss: Statistic) -> dict[str, Any]:
    measured = _value(draws, loss, "loss")
    interval = measured["interval"]
    return measured | {
        "perplexity": float(np.exp(measured["loss"])),
        "perplexity_interval": interval and tuple(float(np.exp(x)) for x in interval),
    }
