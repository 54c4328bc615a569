"""Rows to a batch: padded for the model itself, packed for the fast path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from counsel.model.fast.pack import Sizes, pack


class Collator:
    """Pads rows on the right.

    Args:
        pad_id: the padding token.
        width: pad every batch to this many tokens; None for the longest row of each batch.
    """

    def __init__(self, pad_id: int, width: int | None = None) -> None:
        self.pad_id, self.width = pad_id, width

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Tensors ``input_ids``, ``attention_mask`` and ``labels`` (rows, tokens), and the list ``row``."""
        width = self.width or max(len(r["input_ids"]) for r in rows)

        def padded(values: list[list[int]], filler: int) -> torch.Tensor:
            return torch.tensor([v + [filler] * (width - len(v)) for v in values])

        ids = [r["input_ids"] for r in rows]
        return {
            "input_ids": padded(ids, self.pad_id),
            "attention_mask": padded([[1] * len(v) for v in ids], 0),
            "labels": padded([r["labels"] for r in rows], -100),
            "row": [r["row"] for r in rows],
        }


class PackCollator:
    """Packs rows end to end.

    Args:
        pad_id: the token that fills a pack up.
        sizes: the lengths that packs have.
    """

    def __init__(self, pad_id: int, sizes: Sizes) -> None:
        self.pad_id, self.sizes = pad_id, sizes

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The ``pack`` and the list ``row``."""
        ids, labels = [r["input_ids"] for r in rows], [r["labels"] for r in rows]
        return {"pack": pack(ids, labels, self.sizes, self.pad_id), "row": [r["row"] for r in rows]}
