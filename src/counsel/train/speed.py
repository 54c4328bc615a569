"""Which way a run trains, and making the fast ones ready before the first step."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from counsel.model.fast.pack import Sizes, full
from counsel.model.fast.step import FastStep
from counsel.model.load import SMALL, device
from counsel.train.progress import peak_memory_gib
from counsel.train.settings import TrainSettings
from counsel.train.trainer import CounselTrainer

Say = Callable[[str], None]
Mode = Literal["fast", "balanced", "plain"]


def choose_mode(asked: str, obstacle: str | None, parameters: int, say: Say) -> Mode:
    """The way to train.

    Args:
        asked: ``--memory``.
        obstacle: why the fast path cannot take this model here, or None.
        parameters: of the model.
        say: told when the way asked for cannot be taken.
    """
    # On a CPU a dequantised copy of a large model may not fit, and finding out would take the machine down.
    too_large = device().type == "cpu" and parameters >= SMALL
    if asked == "plain" or (asked == "auto" and too_large):
        return "plain"
    if obstacle:
        say(f"training the plain way, several times slower: {obstacle}")
        return "plain"
    return "balanced" if asked == "balanced" else "fast"


def go_fast(trainer: CounselTrainer, settings: TrainSettings, mode: Mode, say: Say) -> float:
    """Put the fast path under a trainer and make it ready.

    On a GPU every pass is captured and a step at the longest batch measured, so that a lack of memory shows now.

    Returns:
        Seconds spent.

    Raises:
        torch.cuda.OutOfMemoryError: when that step does not fit.
    """
    started = time.perf_counter()
    on_gpu = device().type == "cuda"
    sizes = Sizes.of(settings.rows, settings.max_length) if on_gpu else Sizes(settings.rows, settings.max_length, 1)
    if on_gpu:
        say(f"preparing the {mode} way: compiling and capturing a step")
    fast = FastStep(trainer.model, sizes, resident=mode == "fast", graphs=on_gpu)
    trainer.go_fast(fast)
    if not on_gpu:
        return time.perf_counter() - started
    gc.collect()
    torch.cuda.empty_cache()  # what loading and the weights' former home took: other streams cannot use it
    lengths = likely(sizes, [len(ids) for ids in trainer.rows.ids])
    fast.prepare([sizes.longest, *(size for size in lengths if size != sizes.longest)])
    seconds = measured(fast)
    spent = time.perf_counter() - started
    say(
        f"ready after {spent:.0f} s: {len(fast.passes)} lengths of up to {sizes.longest:,} tokens; "
        f"the longest takes {1000 * seconds:.0f} ms, {peak_memory_gib():.2f} GiB"
    )
    return spent


def measured(fast: FastStep) -> float:
    """Seconds of one pass over the longest batch, with every token trained and the optimizer's memory taken."""
    longest = full(fast.sizes.longest, fast.sizes)
    nothing = torch.zeros((), device="cuda")
    room = torch.empty(2, *fast.decoder.adapters.masters.shape, device="cuda")  # AdamW's two moments
    fast(longest, nothing)
    torch.cuda.synchronize()
    started = time.perf_counter()
    fast(longest, nothing)
    torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    del room
    for parameter in fast.decoder.adapters.parameters:
        parameter.grad = None
    return seconds


def likely(sizes: Sizes, lengths: Sequence[int], draws: int = 2000) -> list[int]:
    """The pack lengths that shuffled batches will have, longest first; rarer ones are captured when they come."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randint(len(lengths), (draws, sizes.rows), generator=generator)
    found = {sizes.fill(int(n)) for n in torch.tensor(lengths)[chosen].sum(1)}
    return sorted(found, reverse=True)
