"""A step that the GPU may still be computing. Its loss is read later, so that the next step can be queued first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerState


@dataclass(frozen=True)
class Unread:
    """One optimizer step.

    Attributes:
        number: its number, from 1.
        epoch: how far the run was then.
        learning_rate: the learning rate that it was taken with.
        tokens: how many this process has read so far.
        rows: the rows that it trained on.
        values: its loss and gradient norm, on their way to the host.
        arrived: tells when they have arrived; None without a GPU.
    """

    number: int
    epoch: float
    learning_rate: float
    tokens: int
    rows: list[int]
    values: torch.Tensor
    arrived: torch.cuda.Event | None

    @classmethod
    def of(
        cls, loss: torch.Tensor, norm: Any, state: TrainerState, learning_rate: float, tokens: int, rows: list[int]
    ) -> Unread:
        """The step that ``state`` has just counted; both values are sent on their way."""
        values, arrived = torch.stack([loss, torch.as_tensor(norm, device=loss.device)]).float(), None
        if values.is_cuda:
            values = torch.empty(2, pin_memory=True).copy_(values, non_blocking=True)
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record()
        return cls(state.global_step, state.epoch or 0.0, learning_rate, tokens, rows, values, arrived)

    def read(self) -> tuple[float, float]:
        """Loss and gradient norm; waits for them."""
        if self.arrived:
            self.arrived.synchronize()
        loss, norm = self.values.tolist()
        return loss, norm
