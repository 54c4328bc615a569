"""One pass of a training step, or the loss alone, over packed conversations. The caller says what is minimised."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

from counsel.model.fast import formulas, fused
from counsel.model.fast.decoder import Decoder
from counsel.model.fast.graphs import Buffers, Memory, Passes, warm_up
from counsel.model.fast.loss import PackLoss, sent
from counsel.model.fast.pack import Packed, Sizes, full

MakeLoss = Callable[[torch.Tensor, Any], PackLoss]


class FastStep:
    """Forward and backward of a PEFT model over packs.

    Args:
        model: a PEFT model that ``supported.unsupported`` has nothing against.
        sizes: the packs to come.
        resident: keep the dequantised weights (more memory, faster); the model itself stays usable. Otherwise its
            embeddings move to the host's memory, and only this object can run it.
        graphs: capture the passes; needs a GPU.
        objective: makes what is minimised from the head (V, D) and the operations that this step uses.
    """

    def __init__(self, model: Any, sizes: Sizes, resident: bool, graphs: bool, objective: MakeLoss) -> None:
        self.sizes, self.graphs = sizes, graphs
        self.ops = fused if graphs else formulas
        self.decoder = Decoder(model, resident, self.ops, sizes.longest)
        base = self.decoder.base
        self.head = base.get_output_embeddings().weight.detach()
        self.objective = objective(self.head, self.ops)
        self.embeddings = _embeddings(base, to_host=graphs and not resident)
        self.passes: dict[int, Passes] = {}
        self.warm: set[int] = set()
        if graphs:
            self.memory, self.buffers = Memory(), self._make_buffers(sizes.longest)

    def _make_buffers(self, size: int) -> Buffers:
        return Buffers.make(size, self.sizes.rows, self.sizes.width, self.head)

    def __call__(self, pack: Packed, scale: torch.Tensor) -> torch.Tensor:
        """The objective's sum over a pack; adds the gradient of ``scale`` times it to the adapters' ``grad``.

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
            loss = self.objective(pack, buffers.end, scale, learn=True)
            passes.backward.replay()
            return loss
        x = buffers.x.detach().requires_grad_()
        hidden = self.decoder(x, buffers.positions, buffers.bounds)
        buffers.end.copy_(hidden.detach())
        loss = self.objective(pack, buffers.end, scale, learn=True)
        torch.autograd.grad(hidden, x, buffers.end)
        adapters.collect()
        return loss

    def loss(self, pack: Packed) -> torch.Tensor:
        """The objective's sum over a pack; no gradient."""
        buffers = self._fill(pack)
        if self.graphs:
            self._passes(buffers).forward.replay()
        else:
            with torch.no_grad():
                buffers.end.copy_(self.decoder(buffers.x, buffers.positions, buffers.bounds))
        return self.objective(pack, buffers.end, torch.ones((), device=self.head.device), learn=False)

    def prepare(self, sizes: Iterable[int]) -> None:
        """Capture these lengths. All are tried uncaptured first, so that the memory for that is given back before."""
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
            torch.index_select(self.embeddings, 0, sent(pack.ids, device), out=buffers.x)
        else:
            buffers.x.copy_(sent(self.embeddings[pack.ids], device))
        buffers.positions.copy_(sent(pack.positions, device))
        buffers.bounds.starts.copy_(sent(pack.starts, device))
        buffers.bounds.place.copy_(sent(pack.rows * width + pack.positions, device))
        return buffers


def _embeddings(base: Any, to_host: bool) -> torch.Tensor:
    """The embeddings, looked up where they lie: sending a few rows per step costs less than keeping them all there."""
    weight = base.get_input_embeddings().weight
    table: torch.Tensor = weight.detach()
    if to_host and table.data_ptr() != base.get_output_embeddings().weight.data_ptr():
        table = table.cpu().pin_memory()
        weight.data = weight.data.new_empty(0, table.shape[1])
    return table
