"""Conversations end to end, without padding; exact, because attention and positions start anew in each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Packed:
    """The conversations of one pass, filled up to one of a few lengths: T tokens, S conversations, n trained tokens.

    Attributes:
        ids: (T) token ids.
        positions: (T) each token's place in its conversation.
        starts: (S + 2) where each conversation starts, int32; what fills the pack up is a conversation of its own.
        rows: (T) which conversation a token belongs to; S for the filling.
        where: (n) the places whose next token is trained.
        targets: (n) those next tokens.
        tokens: how many of the T are conversation.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    starts: torch.Tensor
    rows: torch.Tensor
    where: torch.Tensor
    targets: torch.Tensor
    tokens: int

    @property
    def size(self) -> int:
        """T."""
        return len(self.ids)


@dataclass(frozen=True)
class Sizes:
    """The few lengths that packs have, so that few CUDA graphs serve every batch.

    Attributes:
        rows: conversations in a pack, at most.
        max_length: tokens of a conversation, at most.
        step: packs are filled up to a multiple of this many tokens.
    """

    rows: int
    max_length: int
    step: int

    @classmethod
    def of(cls, rows: int, max_length: int) -> Sizes:
        """Eight lengths, in whole tiles of 128 tokens: between these a matmul is no faster (H100)."""
        step = -(-rows * max_length // 8 // 128) * 128
        return cls(rows, max_length, step)

    @property
    def longest(self) -> int:
        """The length of the fullest pack."""
        return self.fill(self.rows * self.max_length)

    @property
    def width(self) -> int:
        """The longest conversation in a pack, what fills up included."""
        return max(self.max_length, self.step)

    def fill(self, tokens: int) -> int:
        """The length of a pack of so many tokens."""
        return -(-tokens // self.step) * self.step


def pack(ids: Sequence[Sequence[int]], masks: Sequence[Sequence[bool]], sizes: Sizes, pad_id: int) -> Packed:
    """Put conversations into one pack.

    Args:
        ids: of each conversation.
        masks: whether each token is trained.
        sizes: the lengths to fill up to, and how many conversations there may be.
        pad_id: the token that fills up; nothing attends to it and it is not trained.
    """
    tokens = sum(map(len, ids))
    size = sizes.fill(tokens)
    fill = size - tokens
    lengths = [*map(len, ids)] + [0] * (sizes.rows - len(ids)) + [fill]
    ends = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    flat = torch.tensor([i for row in ids for i in row] + [pad_id] * fill)
    next_is_trained = [mark for row in masks for mark in (*row[1:], False)] + [False] * fill
    where = torch.tensor(next_is_trained).nonzero()[:, 0]
    each = torch.tensor(lengths)
    return Packed(
        ids=flat,
        positions=torch.cat([torch.arange(n) for n in lengths]),
        starts=ends,
        rows=torch.arange(len(lengths)).repeat_interleave(each),
        where=where,
        targets=flat[where + 1],
        tokens=tokens,
    )


def full(size: int, sizes: Sizes) -> Packed:
    """A pack of this length in which every token is trained, to try a pass with."""
    lengths = [min(sizes.max_length, max(0, size - i * sizes.max_length)) for i in range(sizes.rows)]
    kept = [n for n in lengths if n]
    return pack([[0] * n for n in kept], [[True] * n for n in kept], sizes, 0)
