"""Causal attention within each conversation of a pack: FlashAttention for 16-bit on a GPU, torch's own elsewhere.

A CPU takes one conversation after the other. fp32 on a GPU goes through a padded grid, whose shape a graph can hold.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional


@dataclass(frozen=True)
class Bounds:
    """Which tokens belong together.

    Attributes:
        starts: (S + 2) where each conversation starts, int32.
        place: (T) a token's place in a grid of S + 1 conversations, each ``width`` wide.
        width: the longest conversation, in tokens.
    """

    starts: torch.Tensor
    place: torch.Tensor
    width: int

    @property
    def rows(self) -> int:
        """The number of conversations, the filling included."""
        return len(self.starts) - 1


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """Causal attention over a pack.

    Args:
        q: (T, H, E); ``k`` and ``v`` (T, K, E), where K divides H.
        k: keys.
        v: values.
        bounds: which tokens belong together.

    Returns:
        (T, H E).
    """
    if q.is_cuda and q.dtype != torch.float32:
        return _varlen(q, k, v, bounds).flatten(1)
    return (_padded if q.is_cuda else _each)(q, k, v, bounds).flatten(1)


def _varlen(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    # Newer versions of torch must be told about grouped heads; older ones take them as they come.
    grouped: Any = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}
    starts, width = bounds.starts, bounds.width
    out: Any = varlen_attn(q, k, v, starts, starts, width, width, window_size=(-1, 0), **grouped)
    return out  # type: ignore[no-any-return]


def _each(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """No padding at all."""
    lengths = bounds.starts.diff().tolist()
    grids = (torch.split(x.transpose(0, 1)[None], lengths, 2) for x in (q, k, v))
    found = [_causal(*parts) for parts in zip(*grids, strict=True) if parts[0].shape[2]]
    return torch.cat(found, 2)[0].transpose(0, 1)


def _padded(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, bounds: Bounds) -> torch.Tensor:
    """Put tokens into a grid, one conversation per row; padding stands at the end, where no causal query looks."""

    def grid(x: torch.Tensor) -> torch.Tensor:
        wide = x.new_zeros(bounds.rows * bounds.width, *x.shape[1:])
        return wide.index_copy(0, bounds.place, x).view(bounds.rows, bounds.width, *x.shape[1:]).transpose(1, 2)

    return _causal(grid(q), grid(k), grid(v)).transpose(1, 2).flatten(0, 1)[bounds.place]


def _causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """(rows, heads, tokens, E); fewer heads in ``k`` and ``v``."""
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
