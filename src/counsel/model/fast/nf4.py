"""NF4 with double quantisation back to 16 bits in one kernel, where ``bitsandbytes`` takes four.

It does the same arithmetic in the same order, so it gives the same bits: the value of the code times the block's scale,
which is itself a code times its own block's scale plus an offset, all in fp32 (QLoRA, Dettmers et al. 2023, section 3).
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

PAIRS = 2048
"""Pairs of weights, one byte each, that a program of the kernel unpacks."""


def dequantise(weight: Any, out: torch.Tensor, row: int = 0) -> torch.Tensor:
    """Rows of a double-quantised NF4 weight into ``out``.

    Args:
        weight: a ``Params4bit`` of shape (all, in) with blocks of 64.
        out: (rows, in), contiguous.
        row: the first of these rows; ``row`` x in must be a multiple of 64.
    """
    state = weight.quant_state
    if not (out.is_cuda and find_spec("triton")):
        import bitsandbytes.functional as bits

        return out.copy_(bits.dequantize_4bit(weight.data, state)[row : row + len(out)])
    from counsel.model.fast.kernels import unpack

    scales, pairs, first = state.state2, out.numel() // 2, row * out.shape[1] // state.blocksize
    unpack[(-(-pairs // PAIRS),)](
        weight.data, state.absmax, scales.code, scales.absmax, state.offset, state.code, out, first, pairs,
        BLOCK=state.blocksize, SCALES=scales.blocksize, PAIRS=PAIRS, num_warps=4, enable_fp_fusion=False,
    )  # fmt: skip
    return out
