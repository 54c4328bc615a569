"""Our Triton kernels beside their slow twins, on fresh random inputs: forward and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from counsel.model.fast import formulas, fused
from counsel.model.fast.nf4 import dequantise

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]

TOLERANCE = {torch.float32: 1e-6, torch.bfloat16: 4e-3, torch.float16: 5e-4}
"""Relative, of a whole tensor: a formula of torch rounds to 16 bits after every operation, a kernel once."""
dtypes = pytest.mark.parametrize("dtype", list(TOLERANCE))
widths = pytest.mark.parametrize("width", [96, 4096, 5000])


def near(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Relative distance of two tensors, within what their type allows; nothing that is not a number passes."""
    return bool((ours.double() - theirs.double()).norm() <= TOLERANCE[ours.dtype] * theirs.double().norm())


def both(function: str, tensors: list[torch.Tensor], *rest: Any) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Results and gradients of the kernel, and of the formula on the same inputs."""
    found: list[list[torch.Tensor]] = []
    slopes: list[torch.Tensor] = []
    for module in (fused, formulas):
        inputs = [t.clone().requires_grad_() for t in tensors]
        run: Callable[..., Any] = getattr(module, function)
        out = run(*[i * 1 for i in inputs], *rest)
        outs = out if isinstance(out, tuple) else (out,)
        slopes = slopes or [torch.randn_like(o) for o in outs]
        found.append([*(o.detach() for o in outs), *torch.autograd.grad(outs, inputs, slopes)])
    return [*zip(*found, strict=True)]


@dtypes
@widths
def test_norms(dtype: torch.dtype, width: int) -> None:
    x, change = (torch.randn(37, width, device="cuda", dtype=dtype) for _ in range(2))
    weight = torch.randn(width, device="cuda", dtype=dtype)
    assert all(near(*pair) for pair in both("norm", [x], weight, 1e-5))
    assert all(near(*pair) for pair in both("add_norm", [x, change], weight, 1e-5))


@dtypes
@pytest.mark.parametrize(("heads", "kv_heads", "size"), [(32, 8, 128), (3, 1, 16)])
def test_rotation(dtype: torch.dtype, heads: int, kv_heads: int, size: int) -> None:
    qkv = torch.randn(41, (heads + 2 * kv_heads) * size, device="cuda", dtype=dtype)
    angles = torch.rand(41, size // 2, device="cuda").repeat(1, 2)
    cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
    assert all(near(*pair) for pair in both("split_and_rotate", [qkv], cos, sin, heads, kv_heads))


@dtypes
@pytest.mark.parametrize("width", [96, 14336])
def test_swiglu(dtype: torch.dtype, width: int) -> None:
    assert all(near(*pair) for pair in both("swiglu", [torch.randn(29, 2 * width, device="cuda", dtype=dtype)]))


@dtypes
@pytest.mark.parametrize("vocabulary", [4096, 5000, 32768])
def test_cross_entropy(dtype: torch.dtype, vocabulary: int) -> None:
    logits = (3 * torch.randn(70, vocabulary, device="cuda")).to(dtype)
    targets, scale = torch.randint(0, vocabulary, (70,), device="cuda"), torch.tensor(0.3, device="cuda")
    expected = formulas.cross_entropy(logits, targets, scale)
    loss, slope = fused.cross_entropy(logits.clone(), targets, scale)
    assert near(loss, expected[0]) and near(slope, expected[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(256, 64), (192, 4096)])
def test_nf4_gives_the_bits_of_bitsandbytes(dtype: torch.dtype, shape: tuple[int, int]) -> None:
    from bitsandbytes import functional
    from bitsandbytes.nn import Params4bit

    plain = torch.randn(*shape, dtype=dtype)
    weight = Params4bit(plain, requires_grad=False, quant_type="nf4", compress_statistics=True).to("cuda")
    expected = functional.dequantize_4bit(weight.data, weight.quant_state)
    for first, rows in ((0, shape[0]), (64, 64)):
        out = torch.full((rows, shape[1]), float("nan"), device="cuda", dtype=dtype)
        assert torch.equal(dequantise(weight, out, first), expected[first : first + rows])
