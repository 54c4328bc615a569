"""The fast path beside its slow twin, the model itself: the same loss and gradients on fresh random conversations."""

from __future__ import annotations

import gc
import random
import weakref
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import get_peft_model
from torch.nn import functional

from counsel.model.adapter import ALL_LINEAR, ATTENTION, lora_config
from counsel.model.fast.attention import Bounds, _each, _padded
from counsel.model.fast.loss import NextToken
from counsel.model.fast.pack import Sizes, full, pack
from counsel.model.fast.step import FastStep
from counsel.model.fast.supported import unsupported
from counsel.model.load import load_base

on_gpu = torch.cuda.is_available()
DEVICE = "cuda" if on_gpu else "cpu"
SIZES = Sizes.of(4, 128) if on_gpu else Sizes(4, 128, 1)

Rows = tuple[list[list[int]], list[list[bool]]]


def tuned(four_bit: bool, targets: Any, dropout: float = 0.0) -> Any:
    model = get_peft_model(load_base("counsel-tiny", "fp32", four_bit), lora_config(8, 24, dropout, targets))
    for parameter in model.parameters():
        if parameter.requires_grad:  # B starts at zero, which would hide half of what can go wrong
            parameter.data.normal_(0, 0.02)
    return model


def conversations(seed: int, lengths: tuple[int, ...]) -> Rows:
    draw = random.Random(seed)
    ids = [[draw.randrange(6, 4000) for _ in range(n)] for n in lengths]
    return ids, [[draw.random() < 0.5 for _ in row] for row in ids]


def slow(model: Any, rows: Rows, scale: float) -> tuple[float, dict[str, torch.Tensor]]:
    """Summed loss and scaled gradients through the model, one conversation at a time."""
    total = torch.zeros((), device=DEVICE)
    for ids, mask in zip(*rows, strict=True):
        logits = model(input_ids=torch.tensor([ids], device=DEVICE)).logits[0, :-1]
        wanted, trained = torch.tensor(ids[1:], device=DEVICE), torch.tensor(mask[1:], device=DEVICE)
        total = total + functional.cross_entropy(logits[trained], wanted[trained], reduction="sum")
    (total * scale).backward()
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return float(total.detach()), found


@pytest.mark.parametrize("four_bit", [True, False])
@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("targets", [ATTENTION, ALL_LINEAR])
def test_loss_and_gradients_are_the_models(four_bit: bool, resident: bool, targets: Any) -> None:
    torch.manual_seed(3)
    model = tuned(four_bit, targets)
    batches = [conversations(i, lengths) for i, lengths in enumerate([(50, 33, 7, 120), (128,) * 4, (2, 90), (19,)])]
    expected = [slow(model, rows, 1 / 7) for rows in batches]
    fast = FastStep(model, SIZES, resident=resident, graphs=on_gpu, objective=NextToken)
    for rows, (loss, gradients) in zip(batches, expected, strict=True):
        packed = pack(*rows, SIZES, 5)
        assert float(fast(packed, torch.tensor(1 / 7, device=DEVICE))) == pytest.approx(loss, rel=1e-5)
        assert float(fast.loss(packed)) == pytest.approx(loss, rel=1e-5)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                assert (parameter.grad - gradients[name]).norm() < 1e-4 * gradients[name].norm(), name
        model.zero_grad()


def test_attention_through_a_grid_is_attention_one_by_one() -> None:
    torch.manual_seed(9)
    packed = pack(*conversations(10, (50, 1, 33)), Sizes(4, 64, 32), 5)
    bounds = Bounds(packed.starts, packed.rows * 64 + packed.positions, 64)
    found = []
    for attention in (_each, _padded):
        torch.manual_seed(11)
        heads = [torch.randn(packed.size, n, 16, requires_grad=True) for n in (6, 2, 2)]
        out = attention(*heads, bounds)
        found.append([out, *torch.autograd.grad(out, heads, torch.randn(out.shape))])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_add_up_until_they_are_cleared() -> None:
    torch.manual_seed(4)
    model = tuned(True, ATTENTION)
    one, other = conversations(1, (30, 40)), conversations(2, (60,))
    expected = [slow(model, rows, 1.0)[1] for rows in (one, other)]
    fast = FastStep(model, SIZES, resident=True, graphs=on_gpu, objective=NextToken)
    for rows in (one, other):
        fast(pack(*rows, SIZES, 5), torch.ones((), device=DEVICE))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            both = expected[0][name] + expected[1][name]
            assert (parameter.grad - both).norm() < 1e-4 * both.norm()


def test_the_model_itself_stays_usable() -> None:
    torch.manual_seed(5)
    model = tuned(True, ATTENTION)
    rows = conversations(6, (40, 20))
    before, _ = slow(model, rows, 1.0)
    FastStep(model, SIZES, resident=True, graphs=on_gpu, objective=NextToken)
    assert slow(model, rows, 1.0)[0] == pytest.approx(before, rel=1e-5)


def test_what_enters_a_layer_is_kept_by_the_host_alone() -> None:
    torch.manual_seed(7)
    model = tuned(True, ATTENTION)
    rows = conversations(8, (40, 20))
    expected, gradients = slow(model, rows, 1.0)
    fast = FastStep(model, Sizes(4, 128, 1), resident=False, graphs=False, objective=NextToken)
    decoder, packed = fast.decoder, pack(*rows, Sizes(4, 128, 1), 5)
    width = decoder.config.hidden_size
    decoder.hosts = [torch.empty(packed.size, width, device=DEVICE) for _ in decoder.layers]
    kept: list[Any] = []
    whole = decoder._whole

    def watched(layer: Any, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        out = whole(layer, x, *rest)
        if len(kept) < len(decoder.layers):
            kept.append(weakref.ref(out.untyped_storage()))
        return out

    decoder._whole = watched  # type: ignore[method-assign]
    real = fast.objective
    alive: list[int] = []

    class Watched(NextToken):  # between the passes: what is still held then is held for the backward pass
        def __call__(self, *rest: Any, **how: Any) -> torch.Tensor:
            gc.collect()
            alive.append(sum(reference() is not None for reference in kept))
            return real(*rest, **how)

    fast.objective = Watched(fast.head, fast.ops)
    assert float(fast(packed, torch.ones((), device=DEVICE))) == pytest.approx(expected, rel=1e-5)
    assert alive[0] <= 1  # the last stream is the final norm's
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert (parameter.grad - gradients[name]).norm() < 1e-4 * gradients[name].norm(), name


def test_a_parameter_that_was_moved_is_noticed() -> None:
    model = tuned(True, ATTENTION)
    fast = FastStep(model, SIZES, resident=True, graphs=on_gpu, objective=NextToken)
    fast.decoder.adapters.parameters[0].data = fast.decoder.adapters.parameters[0].data.clone()
    with pytest.raises(RuntimeError, match="moved"):
        fast(full(128, SIZES), torch.ones((), device=DEVICE))


def test_what_the_fast_path_cannot_do_is_named() -> None:
    assert unsupported(tuned(False, ATTENTION), 1024) is None
    assert "dropout" in str(unsupported(tuned(False, ATTENTION, dropout=0.1), 1024))
    windowed = tuned(False, ATTENTION)
    windowed.get_base_model().config.sliding_window = 64
    assert "64 tokens" in str(unsupported(windowed, 1024))
    assert unsupported(windowed, 64) is None


def test_what_the_kernels_cannot_do_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tuned(False, ATTENTION)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    assert "Ampere" in str(unsupported(model, 1024))
    for layer in model.get_base_model().model.layers:
        layer.self_attn.head_dim = 80
    assert "80 wide" in str(unsupported(model, 1024))


@given(
    st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=64), min_size=1, max_size=4),
    st.integers(1, 130),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_a_pack_holds_each_conversation_and_trains_each_next_token(
    ids: list[list[int]], step: int, draw: random.Random
) -> None:
    sizes = Sizes(4, 64, step)
    masks = [[draw.random() < 0.5 for _ in row] for row in ids]
    packed = pack(ids, masks, sizes, 7)
    assert packed.size % step == 0 and packed.size - packed.tokens < step and len(packed.starts) == sizes.rows + 2
    wanted = []
    for row, (these, marks) in enumerate(zip(ids, masks, strict=True)):
        start, end = int(packed.starts[row]), int(packed.starts[row + 1])
        assert packed.ids[start:end].tolist() == these
        assert packed.positions[start:end].tolist() == list(range(len(these)))
        assert set(packed.rows[start:end].tolist()) == {row}
        wanted += [(start + i, these[i + 1]) for i in range(len(these) - 1) if marks[i + 1]]
    assert list(zip(packed.where.tolist(), packed.targets.tolist(), strict=True)) == wanted
    assert int(packed.starts[-1]) == packed.size and packed.ids[packed.tokens :].tolist() == [7] * (
        packed.size - packed.tokens
    )
