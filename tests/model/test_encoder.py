"""The screen's encoder: codes to numbers, 8-bit products beside floats, and its states beside those of transformers."""

from __future__ import annotations

import pytest
import torch

from counsel.model import encoder as room
from counsel.model.encoder import GROUP, STEPS, Encoder, fine, product

WIDTH = 12 * 16


def coarse(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    groups = weight.reshape(-1, GROUP)
    scales = groups.abs().amax(1, keepdim=True).half()
    codes = (groups[..., None] / scales.float()[..., None] - torch.tensor(STEPS)).abs().argmin(-1).to(torch.uint8)
    codes = codes.reshape(-1, 2)
    return (codes[:, 0] | codes[:, 1] << 4).reshape(len(weight), -1), scales.reshape(len(weight), -1)


def test_codes_come_back_as_the_nearest_steps() -> None:
    torch.manual_seed(0)
    weight = torch.randn(8, 2 * GROUP)
    once = fine(*coarse(weight))
    assert torch.equal(fine(*coarse(once)), once)
    assert (once - weight).abs().mean() < 0.1


def test_a_product_of_8_bits_keeps_small_tokens_beside_large_ones() -> None:
    torch.manual_seed(0)
    weight, bias = torch.randn(32, 64), torch.randn(32)
    x = torch.cat([torch.randn(1, 64), 1000 * torch.randn(1, 64)])
    exact = torch.nn.functional.linear(x, weight, bias)
    found = product(weight, bias)(x)
    assert ((found - exact).norm(dim=1) / exact.norm(dim=1)).max() < 0.03


def test_floats_stand_in_where_there_is_no_such_product(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no engine")

    monkeypatch.setattr(torch, "quantize_per_channel", refuse)
    weight, bias, x = torch.randn(4, 64), torch.randn(4), torch.randn(2, 64)
    assert torch.equal(product(weight, bias)(x), torch.nn.functional.linear(x, weight, bias))


def tiny() -> tuple[dict[str, torch.Tensor], torch.nn.Module]:
    """A random network, as the encoder takes it and as transformers does."""
    from transformers import MPNetConfig, MPNetModel

    torch.manual_seed(0)
    config = MPNetConfig(vocab_size=2000, hidden_size=WIDTH, intermediate_size=2 * WIDTH, num_hidden_layers=2)
    model = MPNetModel(config, add_pooling_layer=False).eval()
    tensors = {}
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.ndim == 2 and len(value) >= WIDTH and "position" not in name:
                base = name.removesuffix(".weight")
                tensors[f"{base}.codes"], tensors[f"{base}.scales"] = coarse(value)
                value.copy_(fine(tensors[f"{base}.codes"], tensors[f"{base}.scales"]))
            elif value.is_floating_point():
                tensors[name] = value.half()
                value.copy_(value.half())
    return tensors, model


@pytest.mark.parametrize("length", [1, 9, 170])
def test_its_states_are_those_of_transformers(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "product", lambda weight, bias: lambda x: torch.nn.functional.linear(x, weight, bias))
    tensors, model = tiny()
    context, message = list(range(10, 10 + length // 2)), list(range(20, 20 + length))
    found = Encoder(tensors)(context, message)
    head = [0, *context[-room.MOST_CONTEXT :], 2, 2] if context else [0]
    with torch.inference_mode():
        states = model(input_ids=torch.tensor([[*head, *message, 2]])).last_hidden_state[0]
    assert torch.allclose(found, states[len(head) : -1].mean(0), atol=1e-4)


def test_the_end_of_a_context_and_the_beginning_of_a_message_are_read() -> None:
    encode = Encoder(tiny()[0])
    long = list(range(5, 1005))
    short = encode(long[-room.MOST_CONTEXT :], long[: room.MOST_MESSAGE])
    assert torch.equal(encode(long, long), short)
