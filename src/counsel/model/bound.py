"""How fast this GPU could train at best: its matmul rate, and the arithmetic that LoRA needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from counsel.model import machine

if TYPE_CHECKING:
    from torch import nn

FLOP_PER_PARAMETER_AND_TOKEN = 4
"""2 forward and 2 backward, because frozen weights have no gradient of their own (LitGPT counts the same)."""


def frozen_parameters(model: nn.Module) -> int:
    """The number of frozen weights that multiply a token: every linear layer and the head, but not the embeddings."""
    import torch

    count = 0
    for module in model.modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, torch.nn.Linear) and weight is not None and not weight.requires_grad:
            state = getattr(weight, "quant_state", None)
            count += state.shape.numel() if state is not None else weight.numel()
    return count


@cache
def matmul_rate() -> float:
    """This GPU's bf16 matmul rate in FLOP/s, measured once on random 8,192 x 8,192 matrices."""
    import torch

    n, repeats = 8192, 10
    a, b = (torch.randn(n, n, device=machine.device(), dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    start.record()
    for _ in range(repeats):
        a @ b
    end.record()
    machine.wait()
    rate = float(2 * n**3 * repeats / (start.elapsed_time(end) / 1000))
    del a, b
    machine.give_back()
    torch.cuda.reset_peak_memory_stats()
    return rate


def share_of_bound(model: nn.Module) -> Callable[[float], float] | None:
    """From tokens a second to the share of the bound; None without a GPU."""
    if not machine.on_gpu():
        return None
    most = matmul_rate() / (FLOP_PER_PARAMETER_AND_TOKEN * frozen_parameters(model))
    return lambda tokens_per_s: tokens_per_s / most
