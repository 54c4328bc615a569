"""A frozen projection with its adapter, forward and backward, in the fewest matmuls.

``y = x Wᵀ + (x Aᵀ) (s B)ᵀ`` (LoRA, Hu et al. 2021). W is frozen, so its gradient is never formed. The gradients of A
and B are written where they belong instead of travelling through autograd: hundreds of small additions less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from counsel.model.fast.weights import Kept, Unpacked


@dataclass(frozen=True)
class Adapter:
    """The adapter of several projections of one input, in the computing precision.

    Attributes:
        a: (k r, in) the A matrices of all k projections, one under the other.
        b: k matrices (out, r), times alpha / r.
        grad_a: where the gradient of ``a`` is written.
        grad_b: where those of ``b`` are.
    """

    a: torch.Tensor
    b: tuple[torch.Tensor, ...]
    grad_a: torch.Tensor
    grad_b: tuple[torch.Tensor, ...]

    def parts(self) -> list[tuple[slice, slice, torch.Tensor, torch.Tensor]]:
        """Of each projection: its columns of the output and of x Aᵀ, its B, and where B's gradient goes."""
        found, out, rank = [], 0, 0
        for b, grad in zip(self.b, self.grad_b, strict=True):
            found.append((slice(out, out + b.shape[0]), slice(rank, rank + b.shape[1]), b, grad))
            out, rank = out + b.shape[0], rank + b.shape[1]
        return found


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
            for columns, ranks, b, _ in adapter.parts():
                y[:, columns].addmm_(low[:, ranks], b.T)
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
            dlow = torch.empty_like(low)
            for columns, ranks, b, grad in adapter.parts():
                torch.mm(dy[:, columns], b, out=dlow[:, ranks])
                torch.mm(dy[:, columns].T, low[:, ranks], out=grad)
            dx.addmm_(dlow, adapter.a)
            torch.mm(dlow.T, x, out=adapter.grad_a)
        return dx, None
