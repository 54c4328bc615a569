"""Every adapter matrix of a PEFT model in one flat tensor: few casts a step, few additions of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import nn

from counsel.model.fast.linear import Adapter


class FlatAdapters:
    """The adapters' fp32 masters end to end, with a working copy and gradients.

    The model's parameters become views of the masters, so nothing changes for the trainer, the optimizer and PEFT.
    All A come first, then all B; within them, each kind of group (q, k and v; o; ...) has its layers together. The
    working copy holds each group's A one under the other and its B block-diagonal, times alpha / r, so that one
    matmul serves all projections of the group.

    Args:
        kinds: for each kind of group, for each decoder layer, its PEFT layers.
        dtype: the number format of the working copy.
    """

    def __init__(self, kinds: Sequence[Sequence[Sequence[Any]]], dtype: torch.dtype) -> None:
        def matrices(side: str) -> list[nn.Parameter]:
            return [getattr(one, side)["default"].weight for kind in kinds for group in kind for one in group]

        self.scale, self.kinds = float(kinds[0][0][0].scaling["default"]), [_Kind(kind) for kind in kinds]
        a = matrices("lora_A")
        self.parameters = [*a, *matrices("lora_B")]
        self.first_b = sum(p.numel() for p in a)
        self.masters = torch.cat([p.detach().to(torch.float32).flatten() for p in self.parameters])
        self.gradients = torch.zeros_like(self.masters)
        self.views = self._views(self.gradients)
        for parameter, view in zip(self.parameters, self._views(self.masters), strict=True):
            parameter.data = view
        self.working, self.fresh = (_Copy(self.kinds, self.masters[: self.first_b], dtype) for _ in range(2))
        self.adapters = [
            [Adapter(*matrices) for matrices in zip(*of_kind, strict=True)]
            for of_kind in zip(self.working.a, self.working.b, self.fresh.a, self.fresh.b, strict=True)
        ]
        """For each kind, for each layer, its adapter."""

    def _views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Each parameter's part of a flat tensor."""
        parts = torch.split(flat, [p.numel() for p in self.parameters])
        return [part.view(p.shape) for part, p in zip(parts, self.parameters, strict=True)]

    def _blocks(self, flat: torch.Tensor, copy: _Copy) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Of each projection of a kind, its B in every layer (layers, out, r): in the flat tensor, and in the copy."""
        parts = torch.split(flat[self.first_b :], [kind.layers * kind.out * kind.rank for kind in self.kinds])
        found = []
        for kind, part, blocks in zip(self.kinds, parts, copy.b, strict=True):
            every = part.view(kind.layers, kind.out, kind.rank)
            found += [(every[:, rows], blocks[:, rows, columns]) for rows, columns in kind.blocks()]
        return found

    def begin(self) -> None:
        """Copy the masters as they are now; part of every forward pass."""
        self.working.flat_a.copy_(self.masters[: self.first_b])
        for master, block in self._blocks(self.masters, self.working):
            torch.mul(master, self.scale, out=block)

    def collect(self) -> None:
        """Add what the last backward pass found to the gradients; part of every backward pass."""
        self.gradients[: self.first_b].add_(self.fresh.flat_a)
        for gradient, block in self._blocks(self.gradients, self.fresh):
            gradient.add_(block, alpha=self.scale)

    def offer(self) -> None:
        """Give every parameter its gradient; zero when the trainer has cleared them since.

        Raises:
            RuntimeError: when something has given a parameter other memory, so that it would no longer be trained.
        """
        if self.parameters[0].data_ptr() != self.masters.data_ptr():
            raise RuntimeError("the adapter's parameters were moved; the fast path trains them where they were")
        if self.parameters[0].grad is None:
            self.gradients.zero_()
            for parameter, gradient in zip(self.parameters, self.views, strict=True):
                parameter.grad = gradient


class _Kind:
    """The shapes of one kind of group, the same in every layer."""

    def __init__(self, groups: Sequence[Sequence[Any]]) -> None:
        self.layers = len(groups)
        self.rank, self.width = groups[0][0].lora_A["default"].weight.shape
        self.outs = [one.lora_B["default"].weight.shape[0] for one in groups[0]]
        self.out, self.ranks = sum(self.outs), self.rank * len(self.outs)

    def blocks(self) -> list[tuple[slice, slice]]:
        """Rows and columns of each projection's B in the block-diagonal matrix."""
        bounds = pairwise([0, *accumulate(self.outs)])
        return [(slice(*rows), slice(i * self.rank, (i + 1) * self.rank)) for i, rows in enumerate(bounds)]


class _Copy:
    """Each kind's matrices, to compute with: ``a`` (layers, ranks, in), one flat tensor; ``b`` (layers, out, ranks)."""

    def __init__(self, kinds: Sequence[_Kind], a: torch.Tensor, dtype: torch.dtype) -> None:
        self.flat_a = torch.zeros_like(a, dtype=dtype)
        parts = torch.split(self.flat_a, [k.layers * k.ranks * k.width for k in kinds])
        self.a = [part.view(k.layers, k.ranks, k.width) for part, k in zip(parts, kinds, strict=True)]
        self.b = [a.new_zeros(k.layers, k.out, k.ranks, dtype=dtype) for k in kinds]
