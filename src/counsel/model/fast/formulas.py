"""What stands between the matmuls, as plain functions: those of ``transformers``' Mistral and Llama.

RMSNorm in fp32, rotation by halves, SwiGLU. ``fused`` has the same for a GPU, one kernel each.
"""

from __future__ import annotations

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
    """RMSNorm of (T, D)."""
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
