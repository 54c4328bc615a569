"""What this process computes on: which GPU, or the CPU; how much memory it took; how many threads are worth using."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING, Literal

from counsel.errors import CounselError

if TYPE_CHECKING:
    import torch

SMALL = 50_000_000
"""Below so many parameters one thread is used on a CPU: on matrices this small, threads mostly wait for each other,
and on a busy machine training ran 20 times slower with two than with one."""

Precision = Literal["fp32", "bf16", "fp16"]


def rank() -> int:
    """This process's number among those that a launcher (torchrun, accelerate) started here; 0 without a launcher."""
    given = os.environ.get("LOCAL_RANK", "0")
    return max(0, int(given)) if given.lstrip("-").isdigit() else 0  # some launchers say -1 for "alone"


def on_gpu() -> bool:
    """Whether there is a GPU to compute on."""
    import torch

    return torch.cuda.is_available()


def device() -> torch.device:
    """This process's GPU, by its rank, or the CPU where there is none.

    Raises:
        CounselError: when there are fewer GPUs than processes.
    """
    import torch

    if not on_gpu():
        return torch.device("cpu")
    if rank() >= torch.cuda.device_count():
        raise CounselError(
            f"this is process {rank()}, counted from 0, and the machine has only {torch.cuda.device_count()} GPUs",
            where="LOCAL_RANK",
            fix="start at most one process for each GPU",
        )
    return torch.device("cuda", rank())


def take_device() -> torch.device:
    """``device``, made the one that CUDA's streams, graphs and kernels use in this process."""
    import torch

    mine = device()
    if mine.type == "cuda":
        torch.cuda.set_device(mine)
    return mine


def capability() -> tuple[int, int]:
    """The GPU's compute capability: (8, 0) is Ampere."""
    import torch

    return torch.cuda.get_device_capability()


def best_precision() -> Precision:
    """bf16 on a GPU that has it, fp16 on an older GPU, fp32 on a CPU."""
    import torch

    if not on_gpu():
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def dtype_of(precision: Precision) -> torch.dtype:
    """The torch type of a precision."""
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def wait() -> None:
    """Wait until everything that was given to the GPU is done; without a GPU, return at once."""
    import torch

    if on_gpu():
        torch.cuda.synchronize()


def give_back() -> None:
    """Give unused memory back to the GPU, so that other streams and other programs can use it."""
    import torch

    if on_gpu():
        gc.collect()
        torch.cuda.empty_cache()


def peak_memory_gib() -> float | None:
    """The most GPU memory reserved so far, in GiB; None without a GPU."""
    import torch

    return torch.cuda.max_memory_reserved() / 2**30 if on_gpu() else None


def settle_threads(parameters: int) -> None:
    """Let this process use one thread from now on, if its model of this many parameters is small and on a CPU."""
    import torch

    if not on_gpu() and parameters < SMALL:
        torch.set_num_threads(1)
