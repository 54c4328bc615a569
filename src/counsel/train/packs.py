"""An objective over packed conversations, near the GPU's bound: ``model.fast.FastStep`` does the work."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel

from counsel.model import machine
from counsel.model.fast.pack import Packed, Sizes, full, pack
from counsel.model.fast.step import FastStep, MakeLoss
from counsel.train.mode import Mode
from counsel.train.rows import Rows
from counsel.train.settings import TrainSettings

Say = Callable[[str], None]


class Packs:
    """An ``Objective`` whose batches are packs.

    Args:
        fast: computes them, and minimises what it was given.
        pad_id: the token that fills a pack up.
    """

    conversations = 1
    """How many conversations one example holds; a pair of replies would be two."""

    def __init__(self, fast: FastStep, pad_id: int) -> None:
        self.fast, self.pad_id = fast, pad_id

    @property
    def ruinous(self) -> float:
        """See ``Objective``."""
        return self.fast.objective.ruinous

    @property
    def reads_late(self) -> bool:
        """On a CPU a step has been computed when it is handed over; on a GPU it may still be in the queue."""
        return self.fast.graphs

    def pack(self, examples: Sequence[dict[str, Any]]) -> Packed:
        """Examples end to end."""
        return pack([e["ids"] for e in examples], [e["mask"] for e in examples], self.fast.sizes, self.pad_id)

    def collate(self, examples: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The ``pack`` and the list ``row``."""
        return {"pack": self.pack(examples), "row": [e["row"] for e in examples]}

    def count(self, batch: dict[str, Any]) -> int:
        """See ``Objective``."""
        return self.fast.objective.count(batch["pack"])

    def learn(self, batch: dict[str, Any], total: int | torch.Tensor, accelerator: Accelerator) -> torch.Tensor:
        """See ``Objective``; never waits for the GPU."""
        scale = torch.full((), 1 / max(1, int(total)), device=self.fast.head.device)
        scaler = accelerator.scaler
        return self.fast(batch["pack"], scaler.scale(scale) if scaler else scale) * scale

    def measure(self, rows: Rows, accelerator: Accelerator) -> tuple[float, int]:
        """See ``Objective``; rows of like length go together."""
        losses, terms = [], 0
        for packed in self._of_like_length(rows):
            losses.append(self.fast.loss(packed))
            terms += self.fast.objective.count(packed)
        return float(torch.stack(losses).double().sum()), terms

    def _of_like_length(self, rows: Rows) -> Iterator[Packed]:
        examples = sorted(rows.examples(), key=lambda e: rows.lengths[e["row"]])
        most = self.fast.sizes.rows // self.conversations
        for at in range(0, len(examples), most):
            yield self.pack(examples[at : at + most])


def ready_step(
    model: PeftModel, settings: TrainSettings, mode: Mode, lengths: Sequence[int], loss: MakeLoss, say: Say
) -> FastStep:
    """A step that is ready to train.

    On a GPU every pass is captured, and a step at the longest batch is measured, so that a lack of memory shows now.

    Args:
        model: the PEFT model.
        settings: of the run.
        mode: ``fast`` or ``balanced``.
        lengths: the number of tokens of each conversation to come.
        loss: what is minimised.
        say: is told how long this took.

    Raises:
        torch.cuda.OutOfMemoryError: when the longest batch does not fit.
    """
    started = time.perf_counter()
    on_gpu = machine.on_gpu()
    sizes = Sizes.of(settings.rows, settings.max_length) if on_gpu else Sizes(settings.rows, settings.max_length, 1)
    if on_gpu:
        say(f"preparing the {mode} way by compiling and capturing a step")
    fast = FastStep(model, sizes, resident=mode == "fast", graphs=on_gpu, objective=loss)
    if not on_gpu:
        return fast
    machine.give_back()  # give back what loading and the former weights took, because other streams cannot use it
    found = likely(sizes, lengths)
    fast.prepare([sizes.longest, *(size for size in found if size != sizes.longest)])
    seconds = seconds_of_longest(fast)
    say(
        f"ready after {time.perf_counter() - started:.0f} s: {len(fast.passes)} lengths of up to {sizes.longest:,} "
        f"tokens; the longest takes {1000 * seconds:.0f} ms, {machine.peak_memory_gib():.2f} GiB"
    )
    return fast


def seconds_of_longest(fast: FastStep) -> float:
    """Seconds of one pass over the longest batch, with every token trained and the optimizer's memory taken."""
    longest, device = full(fast.sizes.longest, fast.sizes), fast.head.device
    nothing = torch.zeros((), device=device)
    room = torch.empty(2, *fast.decoder.adapters.masters.shape, device=device)  # AdamW's two moments
    fast(longest, nothing)
    machine.wait()
    started = time.perf_counter()
    fast(longest, nothing)
    machine.wait()
    seconds = time.perf_counter() - started
    del room
    for parameter in fast.decoder.adapters.parameters:
        parameter.grad = None
    return seconds


def likely(sizes: Sizes, lengths: Sequence[int], draws: int = 2000) -> list[int]:
    """The common pack lengths of shuffled batches, longest first; rarer ones are captured when they come."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(lengths), (draws, sizes.rows), generator=generator)
    found = {sizes.fill(int(n)) for n in torch.tensor(lengths)[chosen].sum(1)}
    return sorted(found, reverse=True)
