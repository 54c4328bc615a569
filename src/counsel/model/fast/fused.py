"""What stands between the matmuls: plain functions, and for a GPU the same as one kernel each.

The formulas are those of ``transformers``' Mistral and Llama (RMSNorm in fp32, rotation by halves, SwiGLU). Norms and
cross-entropy are compiled by torch; rotation and SwiGLU have kernels of our own (``kernels``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.nn import functional


def add_norm(
    x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The residual stream with a change added, and its RMSNorm. All (T, D)."""
    x = x + change
    wide = x.float()
    normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return x, weight * normed.to(x.dtype)


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """RMSNorm of the first layer's input."""
    wide = x.float()
    return weight * (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


def split_and_rotate(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values, (T, heads, head size) each, from one (T, all) matrix; queries and keys rotated."""
    size = cos.shape[-1]
    every = qkv.view(-1, heads + 2 * kv_heads, size)
    turned, values = every[:, : heads + kv_heads], every[:, heads + kv_heads :]
    half = size // 2
    across = torch.cat((-turned[..., half:], turned[..., :half]), -1)
    turned = turned * cos[:, None] + across * sin[:, None]
    return turned[:, :heads], turned[:, heads:], values


def swiglu(both: torch.Tensor) -> torch.Tensor:
    """(T, 2 F), gate beside up, to (T, F)."""
    gate, up = both.chunk(2, -1)
    return functional.silu(gate) * up


def cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The summed loss of (n, V) logits, and its gradient times ``scale`` in the logits' dtype.

    Args:
        logits: (n, V), any float dtype; computed on in fp32.
        targets: (n) token ids.
        scale: a scalar tensor.
    """
    wide = logits.float()
    most = wide.amax(-1, keepdim=True)
    total = (wide - most).exp().sum(-1, keepdim=True)
    chosen = wide.gather(-1, targets[:, None])
    loss = (most + total.log() - chosen).sum()
    hit = torch.arange(wide.shape[-1], device=wide.device) == targets[:, None]
    slope = ((wide - most).exp() / total - hit.float()) * scale
    return loss, slope.to(logits.dtype)


@cache
def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as one or two fused kernels, for any number of tokens."""
    warnings.filterwarnings("ignore", message=r"\s*Online softmax is disabled")  # advice to torch's own developers
    return torch.compile(function, dynamic=True, fullgraph=True)


class Rotate(torch.autograd.Function):
    """``split_and_rotate`` in one kernel."""

    @staticmethod
    def forward(
        ctx: Any, qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, kv_heads: int
    ) -> tuple[torch.Tensor, ...]:
        """See ``split_and_rotate``."""
        ctx.save_for_backward(cos, sin)
        out = torch.empty_like(qkv)
        _turn(qkv, out, cos, sin, heads + 2 * kv_heads, heads + kv_heads, 1)
        every = out.view(len(qkv), -1, cos.shape[-1])
        return torch.split(every, [heads, kv_heads, kv_heads], 1)

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """The gradient for the whole matrix, from those of queries, keys and values."""
        cos, sin = ctx.saved_tensors
        widths = [s.shape[1] * s.shape[2] for s in slopes]
        whole = slopes[0].new_empty(len(cos), sum(widths))
        for part, slope, turn in zip(torch.split(whole, widths, 1), slopes, (1, 1, 0), strict=True):
            _turn(slope.contiguous().flatten(1), part, cos, sin, slope.shape[1], slope.shape[1] * turn, -1)
        return whole, None, None, None, None


def _turn(
    x: torch.Tensor, out: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, turned: int, sign: int
) -> None:
    from counsel.model.fast.kernels import rotate

    most, half = 1 << (heads - 1).bit_length(), cos.shape[-1] // 2
    rotate[(len(x),)](x, out, cos, sin, x.stride(0), out.stride(0), heads, turned, sign, most, half, num_warps=4)


class SwiGLU(torch.autograd.Function):
    """``swiglu`` in one kernel; its gradient takes the memory of its input."""

    @staticmethod
    def forward(ctx: Any, both: torch.Tensor) -> torch.Tensor:
        """See ``swiglu``."""
        from counsel.model.fast.kernels import swiglu

        ctx.save_for_backward(both)
        width = both.shape[1] // 2
        out = both.new_empty(len(both), width)
        swiglu[(len(both), -(-width // 2048))](both, out, width, 2048, num_warps=4)
        return out

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> torch.Tensor:
        """Gate and up are read for the last time here, so the gradient may lie where they lay."""
        from counsel.model.fast.kernels import swiglu_gradient

        (both,) = ctx.saved_tensors
        width = slope.shape[1]
        swiglu_gradient[(len(both), -(-width // 2048))](both, slope.contiguous(), width, 2048, num_warps=4)
        return both  # type: ignore[no-any-return]
