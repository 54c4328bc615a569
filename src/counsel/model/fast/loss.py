"""The loss and its gradient for the hidden states, over trained tokens only, a few hundred at a time.

The head is frozen, so the gradient for the hidden states is all there is to find: it is found in the forward pass,
and the logits of more than ``CHUNK`` tokens never exist at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

CHUNK = 256
"""Trained tokens whose logits exist at once: 16 MiB at a vocabulary of 32,768 in 16 bits."""


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
