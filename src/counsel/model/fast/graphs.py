"""A forward and a backward pass captured as CUDA graphs: two launches for the CPU instead of thousands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from counsel.model.fast.attention import Bounds

Forward = Callable[[torch.Tensor, torch.Tensor, Bounds], torch.Tensor]


@dataclass(frozen=True)
class Buffers:
    """The memory in which every graph reads and writes, made once for the longest pack (T tokens, D wide).

    Attributes:
        x: (T, D) embeddings.
        positions: (T).
        bounds: of the pack.
        end: (T, D) the hidden states that the forward pass gives; then, in the same memory, the gradient for them.
    """

    x: torch.Tensor
    positions: torch.Tensor
    bounds: Bounds
    end: torch.Tensor

    @classmethod
    def make(cls, size: int, rows: int, width: int, like: torch.Tensor) -> Buffers:
        """Zeros for packs of up to ``size`` tokens."""
        x = torch.zeros(size, like.shape[-1], dtype=like.dtype, device=like.device)
        places = torch.zeros(size, dtype=torch.long, device=like.device)
        starts = torch.zeros(rows + 2, dtype=torch.int32, device=like.device)
        bounds = Bounds(starts, places.clone(), width)
        return cls(x, places, bounds, torch.zeros_like(x))

    def cut(self, size: int) -> Buffers:
        """The same memory, for a shorter pack."""
        bounds = Bounds(self.bounds.starts, self.bounds.place[:size], self.bounds.width)
        return Buffers(self.x[:size], self.positions[:size], bounds, self.end[:size])


class Memory:
    """What the graphs of all lengths share: a stream, and a pool, because only one of them runs at a time."""

    def __init__(self) -> None:
        self.pool = torch.cuda.graph_pool_handle()
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def capture(self, graph: torch.cuda.CUDAGraph) -> torch.cuda.graph:
        """The context in which everything launched goes into ``graph``."""
        return torch.cuda.graph(graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local")


def warm_up(buffers: Buffers, forward: Forward, memory: Memory) -> None:
    """Run both passes once uncaptured, because what is compiled or loaded on first use cannot be captured."""
    x = buffers.x.detach().requires_grad_()
    memory.stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(memory.stream):
        torch.autograd.grad(forward(x, buffers.positions, buffers.bounds), x, torch.zeros_like(x))
    torch.cuda.current_stream().wait_stream(memory.stream)
    torch.cuda.empty_cache()


class Passes:
    """The two graphs of one pack length.

    Args:
        buffers: cut to that length, and filled with a pack.
        forward: embeddings, positions and bounds to hidden states.
        collect: what ends a backward pass.
        memory: shared by all lengths.
    """

    def __init__(self, buffers: Buffers, forward: Forward, collect: Callable[[], None], memory: Memory) -> None:
        x = buffers.x.detach().requires_grad_()
        self.forward, self.backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with memory.capture(self.forward):
            hidden = forward(x, buffers.positions, buffers.bounds)
            buffers.end.copy_(hidden.detach())
        with memory.capture(self.backward):
            torch.autograd.grad(hidden, x, buffers.end)
            collect()
