"""What a pass minimises, from the hidden states of a pack; today the cross-entropy of the next token.

The head is frozen, so only the gradient for the hidden states is needed. It is computed in the forward pass,
and the logits of more than ``CHUNK`` tokens never exist at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import torch

from counsel.model.fast.pack import Packed

CHUNK = 256
"""How many trained tokens have their logits at once: 16 MiB at a vocabulary of 32,768 in 16 bits."""


class PackLoss(Protocol):
    """A sum over what a pack holds: tokens here, pairs of replies for a preference. ``FastStep`` minimises it.

    It runs between the captured passes, so it may do what it likes on the current stream. It must not wait for the
    GPU, which has to have the next pass queued while it works. Before training it is tried on packs of ``pack.full``.
    """

    ruinous: float
    """If the mean of the terms is above this, training has gone wrong."""

    def count(self, pack: Packed) -> int:
        """How many terms the sum has; a step's loss is the mean over those of all its packs."""
        ...

    def __call__(self, pack: Packed, hidden: torch.Tensor, scale: torch.Tensor, learn: bool) -> torch.Tensor:
        """The sum.

        Args:
            pack: as it was filled in.
            hidden: (T, D) last hidden states. Where something is learned, their gradient takes their place.
            scale: a scalar tensor that the gradient is multiplied with.
            learn: whether a gradient is wanted.

        Returns:
            A scalar in fp32, not scaled.
        """
        ...


class NextToken:
    """Cross-entropy, summed over trained tokens.

    Args:
        head: (V, D) the frozen output layer.
        ops: ``formulas``, or on a GPU ``fused``.
    """

    def __init__(self, head: torch.Tensor, ops: Any) -> None:
        self.head, self.cross_entropy = head, ops.cross_entropy
        self.ruinous = 3 * math.log(len(head))  # three times the loss of guessing evenly

    def count(self, pack: Packed) -> int:
        """Trained tokens."""
        return len(pack.where)

    def __call__(self, pack: Packed, hidden: torch.Tensor, scale: torch.Tensor, learn: bool) -> torch.Tensor:
        """See ``PackLoss``."""
        device = self.head.device
        where = sent(pack.where, device)
        slope = self.head.new_empty(len(where), self.head.shape[1]) if learn else None
        loss = head_loss(hidden[where], self.head, sent(pack.targets, device), scale, self.cross_entropy, slope)
        if slope is not None:
            hidden.zero_().index_copy_(0, where, slope)
        return loss


def head_loss(
    hidden: torch.Tensor,
    head: torch.Tensor,
    targets: torch.Tensor,
    scale: torch.Tensor,
    cross_entropy: Callable[..., Any],
    slope: torch.Tensor | None,
) -> torch.Tensor:
    """The summed loss.

    Args:
        hidden: (n, D) of the trained places.
        head: (V, D).
        targets: (n) token ids.
        scale: a scalar tensor that the gradient is multiplied with.
        cross_entropy: ``formulas.cross_entropy`` or ``fused.cross_entropy``.
        slope: (n, D) filled with the gradient for ``hidden``; None where none is wanted.

    Returns:
        A scalar in fp32.
    """
    total = torch.zeros((), device=hidden.device)
    for at in range(0, len(hidden), CHUNK):
        part = slice(at, at + CHUNK)
        loss, logits_slope = cross_entropy(hidden[part] @ head.T, targets[part], scale)
        total += loss
        if slope is not None:
            torch.mm(logits_slope, head, out=slope[part])
        del logits_slope  # before the next are made
    return total


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Send it to the device, without waiting for it to arrive."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
