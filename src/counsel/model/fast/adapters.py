"""Every adapter matrix of a PEFT model in one flat tensor: one cast to 16 bits a step, one addition of gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from counsel.model.fast.linear import Adapter


class FlatAdapters:
    """The adapters' fp32 masters end to end, with a working copy and gradients of the same layout.

    The model's parameters become views of the masters, so the trainer, the optimizer and PEFT see what they always
    see. All A matrices come first, those of one input side by side, so that one matmul serves them; then all B, which
    the working copy holds times alpha / r.

    Args:
        groups: for each group of projections of one input, its PEFT layers.
        dtype: of the computing.
    """

    def __init__(self, groups: Sequence[Sequence[Any]], dtype: torch.dtype) -> None:
        a = [[layer.lora_A["default"].weight for layer in layers] for layers in groups]
        b = [[layer.lora_B["default"].weight for layer in layers] for layers in groups]
        self.scale = float(groups[0][0].scaling["default"])
        self.parameters: list[nn.Parameter] = [p for side in (a, b) for group in side for p in group]
        self.first_b = sum(p.numel() for group in a for p in group)
        self.masters = torch.cat([p.detach().to(torch.float32).flatten() for p in self.parameters])
        self.working = torch.empty_like(self.masters, dtype=dtype)
        self.fresh = torch.zeros_like(self.working)
        self.gradients = torch.zeros_like(self.masters)
        self._views = self._cut(self.gradients)
        for parameter, view in zip(self.parameters, self._cut(self.masters), strict=True):
            parameter.data = view
        working, fresh = (_stacked(a, self._cut(flat)) for flat in (self.working, self.fresh))
        self.groups = [Adapter(*one, *other) for one, other in zip(working, fresh, strict=True)]

    def _cut(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """Each parameter's part of a flat tensor."""
        parts = torch.split(flat, [p.numel() for p in self.parameters])
        return [part.view(p.shape) for part, p in zip(parts, self.parameters, strict=True)]

    def begin(self) -> None:
        """Take the masters as they are now; part of every forward pass."""
        self.working.copy_(self.masters)
        self.working[self.first_b :].mul_(self.scale)

    def collect(self) -> None:
        """Add what the last backward pass found to the gradients; part of every backward pass."""
        self.gradients[: self.first_b].add_(self.fresh[: self.first_b])
        self.gradients[self.first_b :].add_(self.fresh[self.first_b :], alpha=self.scale)

    def offer(self) -> None:
        """Give every parameter its gradient; zero when the trainer has cleared them since.

        Raises:
            RuntimeError: when something has given a parameter other memory, so that it would no longer be trained.
        """
        if self.parameters[0].data_ptr() != self.masters.data_ptr():
            raise RuntimeError("the adapter's parameters were moved; the fast path trains them where they were")
        if self.parameters[0].grad is None:
            self.gradients.zero_()
            for parameter, gradient in zip(self.parameters, self._views, strict=True):
                parameter.grad = gradient


def _stacked(groups: list[list[Any]], parts: list[torch.Tensor]) -> list[tuple[torch.Tensor, tuple[torch.Tensor, ...]]]:
    """For each group its A matrices as one, and its B matrices."""
    found, at, behind = [], 0, len(parts) // 2
    for group in groups:
        first, rows = parts[at], sum(p.shape[0] for p in group)
        stack = first.as_strided((rows, first.shape[1]), (first.shape[1], 1))
        found.append((stack, tuple(parts[behind + at : behind + at + len(group)])))
        at += len(group)
    return found
