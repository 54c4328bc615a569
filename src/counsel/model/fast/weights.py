"""The frozen weights: dequantised once and kept in 16 bits, or dequantised each time they are used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from counsel.model.fast.nf4 import dequantise

MOST = 2**24
"""A weight with more elements than this is dequantised in halves, so that it needs half the buffer."""


@dataclass(frozen=True)
class Kept:
    """Several projections of one input as one (out, in) matrix, resident: the fewest and largest matmuls."""

    weight: torch.Tensor

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Where an output stands, and the matrix that makes it."""
        yield slice(0, len(self.weight)), self.weight


@dataclass(frozen=True)
class Unpacked:
    """Several projections of one input: 4-bit ones are dequantised into a small buffer, as many rows as it holds."""

    weights: tuple[Any, ...]
    buffer: torch.Tensor

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor]]:
        """Where an output stands, and the rows that make it; they hold until the next are asked for."""
        at = 0
        for weight in self.weights:
            if not hasattr(weight, "quant_state"):
                yield slice(at, at + len(weight)), weight.detach()
                at += len(weight)
                continue
            out, width = weight.quant_state.shape
            step = max(64, len(self.buffer) // width // 64 * 64)
            for row in range(0, out, step):
                rows = min(step, out - row)
                part = self.buffer[: rows * width].view(rows, width)
                yield slice(at + row, at + row + rows), dequantise(weight, part, row)
            at += out


def room(weights: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
    """A buffer for the largest of these weights, in halves when it has more than ``MOST`` elements."""
    shapes = [w.quant_state.shape if hasattr(w, "quant_state") else w.shape for w in weights]
    most = max(shape.numel() for shape in shapes)
    most = max(-(-most // 2), 64 * max(shape[1] for shape in shapes)) if most > MOST else most
    return torch.empty(most, dtype=dtype, device=weights[0].device)


def keep(layers: Sequence[nn.Linear], dtype: torch.dtype) -> tuple[Kept, list[nn.Linear]]:
    """Projections of one input as one resident matrix, and the same projections as plain layers that use its memory.

    Dequantised once or each time, NF4 gives the same bits.
    """
    parts = [dequantised(layer.weight, dtype) for layer in layers]
    whole = parts[0] if len(parts) == 1 else torch.cat(parts)
    plain, at = [], 0
    for part in parts:
        linear = nn.Linear(part.shape[1], part.shape[0], bias=False, device="meta")
        linear.weight = nn.Parameter(whole[at : at + len(part)], requires_grad=False)
        plain.append(linear)
        at += len(part)
    return Kept(whole), plain


def dequantised(weight: Any, dtype: torch.dtype) -> torch.Tensor:
    """A layer's weight in ``dtype``, 4-bit or not."""
    if not hasattr(weight, "quant_state"):
        return weight.data.to(dtype)  # type: ignore[no-any-return]
    import bitsandbytes.functional as bits

    return bits.dequantize_4bit(weight.data, weight.quant_state).to(dtype)  # type: ignore[no-any-return]
