"""One pass of a training step, and the loss alone, over packed conversations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from counsel.model.fast import formulas, fused
from counsel.model.fast.decoder import Decoder
from counsel.model.fast.graphs import Buffers, Memory, Passes, warm_up
from counsel.model.fast.loss import head_loss
from counsel.model.fast.pack import Packed, Sizes, full


class FastStep:
    """Forward and backward of a PEFT model over packs.

    Args:
        model: a PEFT model that ``supported.unsupported`` has nothing against.
        sizes: the packs to come.
        resident: keep the dequantised weights (more memory, faster); the model itself stays usable. Otherwise its
            embeddings move to the host's memory, and only this can run it.
        graphs: capture the passes; needs a GPU.
    """

    def __init__(self, model: Any, sizes: Sizes, resident: bool, graphs: bool) -> None:
        self.sizes, self.graphs = sizes, graphs
        self.ops = fused if graphs else formulas
        self.decoder = Decoder(model, resident, self.ops, sizes.longest)
        base = self.decoder.base
        self.head = base.get_output_embeddings().weight.detach()
        self.embeddings = _embeddings(base, to_host=graphs and not resident)
        self.passes: dict[int, Passes] = {}
        self.warm: set[int] = set()
        if graphs:
            self.memory, self.buffers = Memory(), self._make_buffers(sizes.longest)

    def _make_buffers(self, size: int) -> Buffers:
        return Buffers.make(size, self.sizes.rows, self.sizes.width, self.head)

    def __call__(self, pack: Packed, scale: torch.Tensor) -> torch.Tensor:
        """The summed loss of a pack; adds the gradient of ``scale`` times it to the adapters' ``grad``.

        Args:
            pack: from ``pack.pack`` with this step's sizes.
            scale: a scalar tensor on the model's device.

        Returns:
            A scalar, not scaled.
        """
        buffers, adapters = self._fill(pack), self.decoder.adapters
        adapters.offer()
        if self.graphs:
            passes = self._passes(buffers)
            passes.forward.replay()
            loss = self._loss(pack, buffers, scale)
            passes.backward.replay()
            return loss
        x = buffers.x.detach().requires_grad_()
        hidden = self.decoder(x, buffers.positions, buffers.bounds)
        buffers.end.copy_(hidden.detach())
        loss = self._loss(pack, buffers, scale)
        torch.autograd.grad(hidden, x, buffers.end)
        adapters.collect()
        return loss

    def loss(self, pack: Packed) -> torch.Tensor:
        """The summed loss of a pack; no gradient."""
        buffers = self._fill(pack)
        if self.graphs:
            self._passes(buffers).forward.replay()
        else:
            with torch.no_grad():
                buffers.end.copy_(self.decoder(buffers.x, buffers.positions, buffers.bounds))
        return self._head(pack, buffers, torch.ones((), device=self.head.device), None)

    def prepare(self, sizes: Iterable[int]) -> None:
        """Capture these lengths. All are tried uncaptured first, so that the memory for it is given back before."""
        packs = [full(size, self.sizes) for size in sizes]
        for pack in packs:
            warm_up(self._fill(pack), self.decoder, self.memory)
            self.warm.add(pack.size)
        for pack in packs:
            self._passes(self._fill(pack))

    def _passes(self, buffers: Buffers) -> Passes:
        """The graphs of this length, captured when it is met for the first time."""
        size = len(buffers.x)
        if size not in self.passes:
            if size not in self.warm:
                warm_up(buffers, self.decoder, self.memory)
            self.passes[size] = Passes(buffers, self.decoder, self.decoder.adapters.collect, self.memory)
        return self.passes[size]

    def _fill(self, pack: Packed) -> Buffers:
        """The pack in the buffers that passes read."""
        buffers = self.buffers.cut(pack.size) if self.graphs else self._make_buffers(pack.size)
        device, width = self.head.device, buffers.bounds.width
        if self.embeddings.device == device:
            torch.index_select(self.embeddings, 0, _sent(pack.ids, device), out=buffers.x)
        else:
            buffers.x.copy_(_sent(self.embeddings[pack.ids], device))
        buffers.positions.copy_(_sent(pack.positions, device))
        buffers.bounds.starts.copy_(_sent(pack.starts, device))
        buffers.bounds.place.copy_(_sent(pack.rows * width + pack.positions, device))
        return buffers

    def _loss(self, pack: Packed, buffers: Buffers, scale: torch.Tensor) -> torch.Tensor:
        """The loss; ``buffers.end`` then holds its gradient for every hidden state."""
        slope = self.head.new_empty(len(pack.where), self.head.shape[1])
        loss = self._head(pack, buffers, scale, slope)
        buffers.end.zero_().index_copy_(0, _sent(pack.where, self.head.device), slope)
        return loss

    def _head(self, pack: Packed, buffers: Buffers, scale: torch.Tensor, slope: torch.Tensor | None) -> torch.Tensor:
        device = self.head.device
        chosen = buffers.end[_sent(pack.where, device)]
        return head_loss(chosen, self.head, _sent(pack.targets, device), scale, self.ops.cross_entropy, slope)


def _embeddings(base: Any, to_host: bool) -> torch.Tensor:
    """The embeddings, looked up where they lie: a few rows a step are sent faster than all of them are kept."""
    weight = base.get_input_embeddings().weight
    table: torch.Tensor = weight.detach()
    if to_host and table.data_ptr() != base.get_output_embeddings().weight.data_ptr():
        table = table.cpu().pin_memory()
        weight.data = weight.data.new_empty(0, table.shape[1])
    return table


def _sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """On its way to the device, without waiting for it."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor
