"""The training tokens: generates conversations in a pool of processes, tokenizes, drops doubles, packs rows.

The shards are fixed by seed and number, so that the corpus does not depend on the number of processes.
"""

import hashlib
import multiprocessing
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from generate import Generator
from tokenizers import Tokenizer
from vocabulary import BOS, END_INST, EOS, INST, PAD
from world import load_world, survey

SHARD = 5000  # conversations
USER, ASSISTANT = 1, 2  # kinds of token; 0 is what no loss is taken on: <s> and padding
Ints = npt.NDArray[Any]
_generator: Generator | None = None


@dataclass(frozen=True)
class Tokens:
    """Conversations as tokens, one after the other."""

    ids: Ints  # uint16, one a token
    kinds: Ints  # uint8, one a token
    lengths: Ints  # int32, one a conversation
    digests: Ints  # uint64, one a conversation


@dataclass(frozen=True)
class Rows:
    """Packed rows of one width; position 0 marks where a conversation begins, and each padding token."""

    ids: Ints  # int16, rows x width
    kinds: Ints  # uint8, rows x width
    positions: Ints  # int16, rows x width


def make_generator(world: Path, draft: bool) -> Generator:
    """The grammar over `world`; a draft world may still have problems."""
    return Generator(survey(world)[0] if draft else load_world(world))


def plain_texts(generator: Generator, seed: int, count: int) -> Iterator[str]:
    """Messages of `count` conversations, for the tokenizer's training."""
    rng = Random(f"{seed}:vocabulary")
    for _ in range(count):
        for text in generator.conversation(rng).texts:
            yield " " + text


def encode(tokenizer: Tokenizer, conversations: list[list[str]]) -> Tokens:
    """Tokens of `conversations` as the chat template renders them; the texts alternate between user and assistant."""
    flat = [" " + text for texts in conversations for text in texts]
    encoded = iter(tokenizer.encode_batch(flat, add_special_tokens=False))
    ids: list[int] = []
    kinds: list[int] = []
    lengths: list[int] = []
    digests: list[int] = []
    for texts in conversations:
        start = len(ids)
        ids.append(BOS)
        kinds.append(0)
        for turn, _ in enumerate(texts):
            piece = next(encoded).ids
            ids += [*piece, EOS] if turn % 2 else [INST, *piece, END_INST]
            kinds += [ASSISTANT] * (len(piece) + 1) if turn % 2 else [USER] * (len(piece) + 2)
        lengths.append(len(ids) - start)
        digest = hashlib.blake2b("\n".join(texts).encode(), digest_size=8).digest()
        digests.append(int.from_bytes(digest, "little"))
    return Tokens(
        np.array(ids, np.uint16),
        np.array(kinds, np.uint8),
        np.array(lengths, np.int32),
        np.array(digests, np.uint64),
    )


def _shard(tokenizer_json: str, seed: int, held_out: bool, job: tuple[int, int]) -> Tokens:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    assert _generator is not None
    number, count = job
    rng = Random(f"{seed}:{'held out' if held_out else 'train'}:{number}")
    conversations = [_generator.conversation(rng, held_out=held_out).texts for _ in range(count)]
    return encode(Tokenizer.from_str(tokenizer_json), conversations)


def generate_tokens(
    generator: Generator, tokenizer: Tokenizer, *, seed: int, count: int, held_out: bool, processes: int
) -> Tokens:
    """`count` conversations less the doubles, tokenized."""
    global _generator
    _generator = generator  # the forked processes inherit it
    jobs = [(number, min(SHARD, count - start)) for number, start in enumerate(range(0, count, SHARD))]
    work = partial(_shard, tokenizer.to_str(), seed, held_out)
    with multiprocessing.get_context("fork").Pool(max(1, min(processes, len(jobs)))) as pool:
        shards = pool.map(work, jobs, chunksize=1)
    return _without_doubles(
        Tokens(*(np.concatenate([getattr(s, name) for s in shards]) for name in ("ids", "kinds", "lengths", "digests")))
    )


def _without_doubles(tokens: Tokens) -> Tokens:
    first = np.unique(tokens.digests, return_index=True)[1]
    keep = np.zeros(len(tokens.lengths), bool)
    keep[first] = True
    each = np.repeat(keep, tokens.lengths)
    return Tokens(tokens.ids[each], tokens.kinds[each], tokens.lengths[keep], tokens.digests[keep])


def _best_fit(lengths: Ints, width: int) -> tuple[Ints, Ints]:
    """For each conversation its row and its offset in it: longest first, then the longest that still fits."""
    order = np.argsort(lengths, kind="stable")
    bounds = np.searchsorted(lengths[order], np.arange(width + 2))
    waiting = [order[bounds[n] : bounds[n + 1]].tolist() for n in range(width + 1)]
    shorter = list(range(width + 1))  # the greatest length up to n that still has conversations waiting

    def longest(room: int) -> int:
        path = []
        while room and not waiting[room]:
            path.append(room)
            room = shorter[room] if shorter[room] < room else room - 1
        for step in path:
            shorter[step] = room
        return room

    rows = np.zeros(len(lengths), np.int64)
    offsets = np.zeros(len(lengths), np.int64)
    row = 0
    while longest(width):
        room = width
        while room and (length := longest(room)):
            index = waiting[length].pop()
            rows[index], offsets[index] = row, width - room
            room -= length
        row += 1
    return rows, offsets


def pack(tokens: Tokens, width: int) -> Rows:
    """The conversations of at most `width` tokens, packed whole into rows of `width`."""
    fits = tokens.lengths <= width
    each = np.repeat(fits, tokens.lengths)
    lengths = tokens.lengths[fits].astype(np.int64)
    rows, offsets = _best_fit(lengths, width)
    count = int(rows.max()) + 1
    position = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    place = np.repeat(rows * width + offsets, lengths) + position
    ids = np.full(count * width, PAD, np.int16)
    kinds = np.zeros(count * width, np.uint8)
    positions = np.zeros(count * width, np.int16)
    ids[place] = tokens.ids[each]
    kinds[place] = tokens.kinds[each]
    positions[place] = position
    return Rows(ids.reshape(count, width), kinds.reshape(count, width), positions.reshape(count, width))
