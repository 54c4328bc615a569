"""``formulas`` for a GPU: the same functions, forward and gradient, in one kernel each (``kernels``)."""

from __future__ import annotations

from typing import Any

import torch


def norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """See ``formulas.norm``."""
    return _Norm.apply(x, weight, eps)  # type: ignore[no-any-return, no-untyped-call]


def add_norm(
    x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """See ``formulas.add_norm``."""
    return _AddNorm.apply(x, change, weight, eps)  # type: ignore[no-any-return, no-untyped-call]


def split_and_rotate(
    qkv: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, kv_heads: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See ``formulas.split_and_rotate``."""
    return _Rotate.apply(qkv, cos, sin, heads, kv_heads)  # type: ignore[no-any-return, no-untyped-call]


def swiglu(both: torch.Tensor) -> torch.Tensor:
    """See ``formulas.swiglu``; ``both`` cannot be used again."""
    return _SwiGLU.apply(both)  # type: ignore[no-any-return, no-untyped-call]


def cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """See ``formulas.cross_entropy``; the gradient takes the memory of the logits."""
    from counsel.model.fast.kernels import cross_entropy as kernel

    losses = torch.empty(len(logits), device=logits.device)
    kernel[(len(logits),)](logits, targets, scale, losses, logits.shape[1], 4096, num_warps=8)
    return losses.sum(), logits


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        _, normed, inverse = _normalise(x, None, weight, eps)
        ctx.save_for_backward(x, inverse, weight)
        return normed

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return _norm_gradient(ctx.saved_tensors, slope, None), None, None


class _AddNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, change: torch.Tensor, weight: torch.Tensor, eps: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        stream, normed, inverse = _normalise(x, change, weight, eps)
        ctx.save_for_backward(stream, inverse, weight)
        ctx.set_materialize_grads(False)
        return stream, normed

    @staticmethod
    def backward(ctx: Any, stream: torch.Tensor | None, normed: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        slope = _norm_gradient(ctx.saved_tensors, normed, stream)
        return slope, slope, None, None


def _normalise(
    x: torch.Tensor, change: torch.Tensor | None, weight: torch.Tensor, eps: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The stream, its RMSNorm, and one over its root mean square."""
    from counsel.model.fast.kernels import add_norm as kernel

    tokens, width = x.shape
    stream, normed = x if change is None else torch.empty_like(x), torch.empty_like(x)
    inverse = torch.empty(tokens, device=x.device)
    adds = change is not None
    kernel[(tokens,)](x, change, weight, stream, normed, inverse, width, eps, adds, _block(width), num_warps=8)
    return stream, normed, inverse


def _norm_gradient(saved: tuple[torch.Tensor, ...], normed: torch.Tensor, stream: torch.Tensor | None) -> torch.Tensor:
    """The gradient for the stream, from that for its RMSNorm and the one it has of its own."""
    from counsel.model.fast.kernels import norm_gradient as kernel

    values, inverse, weight = saved
    (tokens, width), out = values.shape, torch.empty_like(values)
    normed, stream = normed.contiguous(), None if stream is None else stream.contiguous()
    kernel[(tokens,)](
        values, inverse, weight, normed, stream, out, width, stream is not None, _block(width), num_warps=8
    )
    return out


def _block(width: int) -> int:
    """The power of two that holds so many columns."""
    return 1 << (width - 1).bit_length()


class _Rotate(torch.autograd.Function):
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

    most, half = _block(heads), cos.shape[-1] // 2
    rotate[(len(x),)](x, out, cos, sin, x.stride(0), out.stride(0), heads, turned, sign, most, half, num_warps=4)


class _SwiGLU(torch.autograd.Function):
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
