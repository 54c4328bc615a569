"""Cross-entropy on the trained tokens of held-out conversations: how well a model foresees a counselor's reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from counsel.errors import CheckFailed
from counsel.model.loss import summed_losses
from counsel.model.render import Rendered
from counsel.statistics import (
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
    """Shape (conversations,): how many tokens that were."""


def measure(
    model: Any,
    examples: Sequence[Rendered],
    pad: int,
    rows: int,
    done: Callable[[int], None] = lambda n: None,
) -> Losses:
    """Losses of a tuned model with its adapter off and on, over the same batches.

    Args:
        model: a PEFT model in evaluation mode.
        examples: each with at least one trained token.
        pad: the padding token's id.
        rows: how many pass through together.
        done: hears how many of the two passes' conversations are done.
    """
    parts: list[Floats] = []
    for adapter_off in (True, False):
        off: AbstractContextManager[Any] = model.disable_adapter() if adapter_off else nullcontext()
        before = len(parts) * len(examples)
        with off:
            parts.append(summed_losses(model, examples, pad, rows, lambda n, b=before: done(b + n)))  # type: ignore[misc]
    tokens = np.array([e.foreseen for e in examples], dtype=np.float64)
    if not all(np.isfinite(p).all() for p in parts):
        raise CheckFailed(
            "the loss is not finite, so the model's numbers overflow",
            fix="train again with --precision bf16 or fp32",
        )
    return Losses(parts[0], parts[1], tokens)


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
