"""What a run learns, apart from how it is kept safe. A new kind of training is a new ``Task``, not a new trainer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator
    from peft import PeftModel

    from counsel.data.prepared import Prepared
    from counsel.model.render import Renderer
    from counsel.train.mode import Mode
    from counsel.train.rows import Rows
    from counsel.train.settings import TrainSettings

Say = Callable[[str], None]


class Objective(Protocol):
    """A loss over batches of rows: a sum of terms (trained tokens, say), of which a step takes the mean.

    ``Packs`` is one for whatever ``FastStep`` minimises; ``sft.ThroughModel`` is one through the model itself.
    """

    @property
    def ruinous(self) -> float:
        """If the mean of the terms is above this, training has gone wrong."""
        ...

    @property
    def reads_late(self) -> bool:
        """Whether a step may still be under way on a GPU when its loss is handed over."""
        ...

    def collate(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Make a batch from ``Rows.examples``; its list ``row`` says which rows they are."""
        ...

    def count(self, batch: dict[str, Any]) -> int | torch.Tensor:
        """How many terms a batch has."""
        ...

    def learn(self, batch: dict[str, Any], total: int | torch.Tensor, accelerator: Accelerator) -> torch.Tensor:
        """Add a batch's gradient to the adapters' ``grad``.

        Args:
            batch: from ``collate``.
            total: terms in all batches of this optimizer step.
            accelerator: of the trainer; it scales the gradients of fp16.

        Returns:
            The batch's sum over ``total``, a scalar on the model's device that need not be computed yet.
        """
        ...

    def measure(self, rows: Rows, accelerator: Accelerator) -> tuple[float, int]:
        """Sum and number of the terms of held-out rows; the model is in evaluation mode and learns nothing."""
        ...


@dataclass(frozen=True)
class Task:
    """A kind of training.

    Attributes:
        rows: from prepared data to rows to train on and rows of the valid loss.
        objective: over rows, for a PEFT model and the padding token of its base.
    """

    rows: Callable[[TrainSettings, Prepared, Renderer, Say], tuple[Rows, Rows]]
    objective: Callable[[PeftModel, TrainSettings, Mode, int, Rows, Say], Objective]
