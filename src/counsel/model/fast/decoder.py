"""A Mistral or Llama decoder over packed conversations, computing what ``transformers`` computes in fewer kernels.

It owns no weights: it reads those of a PEFT model, which stays whole and usable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from counsel.model import machine
from counsel.model.fast import fused
from counsel.model.fast.adapters import FlatAdapters
from counsel.model.fast.attention import Bounds, attend
from counsel.model.fast.linear import Adapter, Projection
from counsel.model.fast.weights import Kept, Unpacked, keep, room

GROUPS = (
    ("self_attn", ("q_proj", "k_proj", "v_proj")),
    ("self_attn", ("o_proj",)),
    ("mlp", ("gate_proj", "up_proj")),
    ("mlp", ("down_proj",)),
)
"""The projections of a decoder layer; those with the same input are grouped."""


@dataclass(frozen=True)
class Layer:
    """One decoder layer."""

    qkv: Projection
    o: Projection
    gate_up: Projection
    down: Projection
    before_attention: torch.Tensor
    before_mlp: torch.Tensor


class Decoder:
    """From embeddings to the last normalised hidden states.

    Args:
        model: a PEFT model over ``MistralForCausalLM`` or ``LlamaForCausalLM``.
        resident: keep every weight dequantised; otherwise dequantise when needed, compute activations anew
            in the backward pass, and keep what enters each layer in the host's memory.
        ops: what stands between the matmuls: ``formulas``, or on a GPU ``fused``.
        longest: how many tokens the longest pack has.
    """

    def __init__(self, model: Any, resident: bool, ops: Any, longest: int) -> None:
        base = model.get_base_model()
        self.base, self.config, self.resident, self.ops = base, base.config, resident, ops
        self.dtype = base.get_input_embeddings().weight.dtype
        layers = base.model.layers
        named = [[[getattr(getattr(one, part), n) for n in names] for part, names in GROUPS] for one in layers]
        kinds = [*zip(*named, strict=True)]
        self.adapters = FlatAdapters([kind for kind in kinds if _tuned(kind[0])], self.dtype)
        given = iter(self.adapters.adapters)
        adapters = [next(given) if _tuned(kind[0]) else [None] * len(layers) for kind in kinds]
        buffer = None if resident else room([_plain(p).weight for group in named[0] for p in group], self.dtype)
        self.layers: list[Layer] = []
        for one, groups, theirs in zip(layers, named, zip(*adapters, strict=True), strict=True):
            made = []
            for (part, names), group, adapter in zip(GROUPS, groups, theirs, strict=True):
                weights = Unpacked(tuple(_plain(p).weight for p in group), buffer) if buffer is not None else None
                made.append(_projection(weights or _settle(getattr(one, part), names, self.dtype), group, adapter))
            qkv, o, gate_up, down = made
            norms = one.input_layernorm.weight, one.post_attention_layernorm.weight
            self.layers.append(Layer(qkv, o, gate_up, down, *norms))
        self.hosts: Sequence[torch.Tensor | None] = [None] * len(self.layers)
        if ops is fused and not resident:
            width = self.config.hidden_size
            self.hosts = [*torch.empty(len(self.layers), longest, width, dtype=self.dtype, pin_memory=True)]
        if resident:
            del named, kinds, groups, group
            machine.give_back()  # give back what the 4-bit weights took

    def __call__(self, x: torch.Tensor, positions: torch.Tensor, bounds: Bounds) -> torch.Tensor:
        """Hidden states (T, D) that the head reads.

        Args:
            x: (T, D) embeddings.
            positions: (T) of each token in its conversation.
            bounds: which tokens belong together.
        """
        self.adapters.begin()
        cos, sin = (part[0] for part in self.base.model.rotary_emb(x, positions[None]))
        last, eps = self.base.model.norm.weight, self.config.rms_norm_eps
        if not self.resident:
            for layer, host in zip(self.layers, self.hosts, strict=True):
                with saved_tensors_hooks(partial(_to_host, x.data_ptr(), host), partial(_from_host, x.device)):
                    x = checkpoint(
                        self._whole, layer, x, cos, sin, bounds, use_reentrant=False, preserve_rng_state=False
                    )  # fmt: skip
            normed: torch.Tensor = self.ops.norm(x, last, eps)
            return normed
        normed = self.ops.norm(x, self.layers[0].before_attention, eps)
        after = [layer.before_attention for layer in self.layers[1:]] + [last]
        for layer, weight in zip(self.layers, after, strict=True):
            x, change = self._layer(layer, x, normed, cos, sin, bounds)
            x, normed = self.ops.add_norm(x, change, weight, eps)
        return normed

    def _whole(
        self, layer: Layer, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, bounds: Bounds
    ) -> torch.Tensor:
        """A layer from stream to stream, so that only one tensor of it is kept."""
        normed = self.ops.norm(x, layer.before_attention, self.config.rms_norm_eps)
        x, change = self._layer(layer, x, normed, cos, sin, bounds)
        return x + change

    def _layer(
        self,
        layer: Layer,
        x: torch.Tensor,
        normed: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        bounds: Bounds,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The stream after the attention, and what the MLP adds to it."""
        c = self.config
        q, k, v = self.ops.split_and_rotate(layer.qkv(normed), cos, sin, c.num_attention_heads, c.num_key_value_heads)
        x, normed = self.ops.add_norm(x, layer.o(attend(q, k, v, bounds)), layer.before_mlp, c.rms_norm_eps)
        return x, layer.down(self.ops.swiglu(layer.gate_up(normed)))


def _to_host(stream: int, host: torch.Tensor | None, tensor: torch.Tensor) -> torch.Tensor:
    """Send what enters a layer to the host's memory; everything else that a checkpoint keeps is small and stays.

    ``stream`` is the address of what enters, not the tensor: autograd keeps this hook and would keep the tensor too.
    """
    if host is None or tensor.data_ptr() != stream:
        return tensor
    return host[: len(tensor)].copy_(tensor, non_blocking=True)


def _from_host(device: torch.device, tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(device, non_blocking=True)


def _tuned(group: Sequence[Any]) -> bool:
    """Whether these projections have adapters."""
    return hasattr(group[0], "lora_A")


def _plain(layer: Any) -> Any:
    """A projection without its adapter."""
    return getattr(layer, "base_layer", layer)


def _settle(part: nn.Module, names: tuple[str, ...], dtype: torch.dtype) -> Kept:
    """Keep a group's weights resident, and let the model's own layers use the same memory."""
    layers = [getattr(part, name) for name in names]
    kept, plain = keep([_plain(p) for p in layers], dtype)
    for name, layer, linear in zip(names, layers, plain, strict=True):
        if hasattr(layer, "base_layer"):
            layer.base_layer = linear
        else:
            setattr(part, name, linear)
    return kept


def _projection(weights: Kept | Unpacked, group: list[Any], adapter: Adapter | None) -> Projection:
    return Projection(weights, sum(p.out_features for p in group), adapter)
