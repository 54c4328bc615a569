"""How long conversations are in tokens, and what a limit would cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counsel.conversation import Conversation
from counsel.model.render import Rendered, Renderer

LENGTHS = (256, 512, 1024, 2048)
"""The limits in tokens whose cuts the audit always reports."""
MEASURED = 10_000
"""At most this many conversations are tokenised for the audit; if there are more, this many are drawn at random."""
PERCENTILES = (5, 25, 50, 75, 95, 99)
_BATCH = 256


@dataclass(frozen=True)
class Lengths:
    """How long conversations are, and where their replies lie."""

    total: NDArray[np.int64]
    """Tokens of each conversation, shape (conversations,)."""
    trained: NDArray[np.int64]
    """Trained tokens of each."""
    last: NDArray[np.int64]
    """Where each one's last trained token, the end of its last reply, stands."""
    kept: dict[int, NDArray[np.int64]]
    """For each limit, how many trained tokens each one keeps."""


def measure(conversations: Sequence[Conversation], renderer: Renderer, max_length: int) -> Lengths:
    """Tokenise conversations and measure them under every limit."""
    limits = sorted({*LENGTHS, max_length})
    total, trained, last = [], [], []
    kept: dict[int, list[int]] = {limit: [] for limit in limits}
    for i in range(0, len(conversations), _BATCH):
        for rendered in renderer.render_many(conversations[i : i + _BATCH]):
            total.append(len(rendered.ids))
            trained.append(rendered.trained)
            last.append(_last(rendered))
            for limit in limits:
                kept[limit].append(sum(rendered.mask[:limit]))
    return Lengths(
        np.array(total, np.int64),
        np.array(trained, np.int64),
        np.array(last, np.int64),
        {limit: np.array(counts, np.int64) for limit, counts in kept.items()},
    )


def drawn(rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """The rows to measure: all of them, or a random 10,000 in their order if there are more."""
    if len(rows) <= MEASURED:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, MEASURED, replace=False))


def figures(lengths: Lengths, of: int, tokenizer: str, max_length: int) -> dict[str, Any]:
    """What the audit says about lengths, by the names of its fields.

    Args:
        lengths: as they were measured.
        of: how many conversations there are.
        tokenizer: whose tokens were counted.
        max_length: the limit that was chosen.
    """
    return {
        "tokens": tokens(lengths, of, tokenizer),
        "truncation": {"max_length": max_length, **truncation(lengths, max_length)},
        "truncation_at": {str(n): truncation(lengths, n) for n in LENGTHS},
    }


def _last(rendered: Rendered) -> int:
    return max((i for i, m in enumerate(rendered.mask) if m), default=-1)


def tokens(lengths: Lengths, of: int, tokenizer: str) -> dict[str, Any]:
    """Percentiles of the lengths in tokens, with what they were measured on."""
    return {
        "tokenizer": tokenizer,
        "measured": len(lengths.total),
        "of": of,
        "conversation": _percentiles(lengths.total),
        "reply": _percentiles(lengths.trained),
    }


def _percentiles(values: NDArray[np.int64]) -> dict[str, float]:
    named = {f"p{p}": round(float(np.percentile(values, p)), 1) for p in PERCENTILES}
    return {"mean": round(float(values.mean()), 1), **named, "max": int(values.max())}


def truncation(lengths: Lengths, limit: int) -> dict[str, float]:
    """What cutting at ``limit`` tokens does, as shares: of examples, of reply tokens, of ends, of whole examples."""
    kept = lengths.kept[limit]
    return {
        "examples_cut": _share((lengths.total > limit).sum(), len(kept)),
        "reply_tokens_lost": _share((lengths.trained - kept).sum(), lengths.trained.sum()),
        "ends_lost": _share((lengths.last >= limit).sum(), len(kept)),
        "without_reply": _share((kept == 0).sum(), len(kept)),
    }


def _share(part: Any, whole: Any) -> float:
    return round(float(part) / float(whole), 4) if whole else 0.0
