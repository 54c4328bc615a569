"""A small MPNet that reads a message behind its context, on one CPU core: weights of 4 bits, products of 8.

Source: Song et al. 2020 (MPNet), Dettmers et al. 2023 (NF4). A test holds its vectors beside those of transformers.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear, softmax

HEADS, BUCKETS, FURTHEST = 12, 32, 128
"""Of attention; of relative places; the distance from which all places are one."""
EPSILON = 1e-5
FIRST, PAD, BETWEEN = 0, 1, 2
"""Tokens. A passage is FIRST context BETWEEN BETWEEN message BETWEEN, or FIRST message BETWEEN."""
MOST_CONTEXT, MOST_MESSAGE = 72, 176
"""Tokens; the end of a longer context is read, the beginning of a longer message."""
GROUP = 64
"""Weights that share a scale."""
STEPS = (-1.0, -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911, 0.0,
         0.0796, 0.1609, 0.2461, 0.3379, 0.4407, 0.5626, 0.7230, 1.0)  # fmt: skip
"""What the codes stand for: the quantiles of a normal distribution."""


def fine(codes: Tensor, scales: Tensor) -> Tensor:
    """The numbers behind two codes a byte, shape (rows, bytes), and a scale for each group, shape (rows, groups)."""
    steps = torch.tensor(STEPS)
    pairs = torch.stack([codes & 15, codes >> 4], -1).reshape(-1, GROUP)
    return (steps[pairs.long()] * scales.float().reshape(-1, 1)).reshape(codes.shape[0], -1)


def product(weight: Tensor, bias: Tensor) -> Callable[[Tensor], Tensor]:
    """A linear layer of 8 bits, a scale for each row; of floats where the machine has no such product."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # torch warns that this will move; pyproject holds the versions that have it
            scale = weight.abs().amax(1).clamp_min(1e-8) / 127
            zero = torch.zeros(len(scale), dtype=torch.long)
            rows = torch.quantize_per_channel(weight, scale.double(), zero, 0, torch.qint8)
            packed = torch.ops.quantized.linear_prepack(rows, None)
        torch.ops.quantized.linear_dynamic(torch.zeros(1, weight.shape[1]), packed)
    except RuntimeError:
        return lambda x: linear(x, weight, bias)

    def multiply(x: Tensor) -> Tensor:
        # Each token has its own scale: one for all would drown the small ones in the rounding of the large.
        most = x.abs().amax(1, keepdim=True)
        return torch.ops.quantized.linear_dynamic(x / most, packed) * most + bias  # type: ignore[no-any-return]

    return multiply


class Encoder:
    """The network, loaded.

    Args:
        tensors: ``NAME.codes`` and ``NAME.scales`` for matrices, by transformers' names, all others as they are.

    Raises:
        KeyError, RuntimeError: when tensors are missing or of other shapes.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._known = {n: t.float() for n, t in tensors.items() if t.dtype == torch.float16 and ".scales" not in n}
        self._words = tensors["embeddings.word_embeddings.codes"], tensors["embeddings.word_embeddings.scales"]
        names = [n.removesuffix(".codes") for n in tensors if n.startswith("encoder.layer.") and n.endswith(".codes")]
        self._products = {}
        for n in names:
            weight, bias = fine(tensors[f"{n}.codes"], tensors[f"{n}.scales"]), self._known[f"{n}.bias"]
            # What attention passes on is the one place where 8 bits cost: 0.09 in the logit, all others together 0.04.
            self._products[n] = partial(linear, weight=weight, bias=bias) if n.endswith(".v") else product(weight, bias)
        self._layers = 1 + max(int(n.split(".")[2]) for n in names)

    def __call__(self, context: list[int], message: list[int]) -> Tensor:
        """The mean over the message's own tokens, shape (width,); passages are read one by one, so alike beside any."""
        message, context = message[:MOST_MESSAGE], context[-MOST_CONTEXT:]
        head = [FIRST, *context, BETWEEN, BETWEEN] if context else [FIRST]
        with torch.inference_mode():
            states = self._states(torch.tensor([*head, *message, BETWEEN]))
            return states[len(head) : len(head) + max(1, len(message))].mean(0)

    def _states(self, ids: Tensor) -> Tensor:
        codes, scales = self._words
        places = self._known["embeddings.position_embeddings.weight"][PAD + 1 : PAD + 1 + len(ids)]
        states = self._normal("embeddings.LayerNorm", fine(codes[ids], scales[ids]) + places)
        near = self._known["encoder.relative_attention_bias.weight"][_buckets(len(ids))].permute(2, 0, 1)
        for i in range(self._layers):
            name = f"encoder.layer.{i}"
            q, k, v = (self._parted(f"{name}.attention.attn.{x}", states) for x in "qkv")
            seen = softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + near, -1) @ v
            told = self._products[f"{name}.attention.attn.o"](seen.transpose(0, 1).reshape(len(ids), -1))
            states = self._normal(f"{name}.attention.LayerNorm", states + told)
            inner = gelu(self._products[f"{name}.intermediate.dense"](states))
            states = self._normal(f"{name}.output.LayerNorm", states + self._products[f"{name}.output.dense"](inner))
        return states

    def _parted(self, name: str, states: Tensor) -> Tensor:
        """Shape (heads, tokens, width of a head)."""
        return self._products[name](states).reshape(len(states), HEADS, -1).transpose(0, 1)

    def _normal(self, name: str, states: Tensor) -> Tensor:
        weight = self._known[f"{name}.weight"]
        return layer_norm(states, weight.shape, weight, self._known[f"{name}.bias"], EPSILON)


def _buckets(length: int) -> Tensor:
    """The bucket of each place seen from each, shape (length, length): T5's, both ways."""
    place = torch.arange(length)
    away = place[:, None] - place[None, :]
    half, exact = BUCKETS // 2, BUCKETS // 4
    far = (
        exact
        + (torch.log(away.abs().clamp_min(1).float() / exact) / math.log(FURTHEST / exact) * (half - exact)).long()
    )
    return (away < 0) * half + torch.where(away.abs() < exact, away.abs(), far.clamp_max(half - 1))
