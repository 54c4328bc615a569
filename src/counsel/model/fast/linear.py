"""A frozen projection with its adapter, forward and backward, in the fewest matmuls.

``y = x Wᵀ + (x Aᵀ) (s B)ᵀ`` (LoRA, Hu et al. 2021). W is frozen, so its gradient is never formed. The gradients of A
and B are written where they belong instead of travelling through autograd, which saves hundreds of small additions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from counsel.model.fast.weights import Kept, Unpacked


@dataclass(frozen=True)
class Adapter:
    """The adapter of k projections of one input, in the computing precision.

    Attributes:
        a: (k r, in) their A matrices, one under the other.
        b: (out, k r) their B matrices block-diagonal, times alpha / r.
        grad_a: where the gradient of ``a`` is written.
        grad_b: where that of ``b`` is; outside the blocks it means nothing.
    """

    a: torch.Tensor
    b: torch.Tensor
    grad_a: torch.Tensor
    grad_b: torch.Tensor


@dataclass(frozen=True)
class Projection:
    """Projections of one input, side by side in the output."""

    weights: Kept | Unpacked
    out: int
    adapter: Adapter | None

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(T, in) to (T, out)."""
        return _Project.apply(x, self)  # type: ignore[no-any-return, no-untyped-call]


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, projection: Projection) -> torch.Tensor:
        y = x.new_empty(len(x), projection.out)
        for columns, weight in projection.weights:
            torch.mm(x, weight.T, out=y[:, columns])
        ctx.projection, adapter = projection, projection.adapter
        if adapter:
            low = x @ adapter.a.T
            y.addmm_(low, adapter.b.T)
            ctx.save_for_backward(x, low)
        return y

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor) -> tuple[torch.Tensor, None]:
        projection, adapter = ctx.projection, ctx.projection.adapter
        dx = None
        for columns, weight in projection.weights:
            dx = dy[:, columns] @ weight if dx is None else dx.addmm_(dy[:, columns], weight)
        assert dx is not None
        if adapter:
            x, low = ctx.saved_tensors
            dlow = dy @ adapter.b
            torch.mm(dy.T, low, out=adapter.grad_b)
            torch.mm(dlow.T, x, out=adapter.grad_a)
            dx.addmm_(dlow, adapter.a)
        return dx, None
