"""Cleaned rows on disk, what is needed to compare them in memory: about 60 bytes a row."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counsel.conversation import Conversation
from counsel.text import NearDuplicates, key, words

_BATCH = 512


class Spool:
    """Rows in the order they came, each with four keys by which it is compared.

    ``prompts`` and ``pairs`` say which words the first prompt and the whole conversation have *as they came*
    (markup aside); ``clean_prompts`` and ``clean_pairs`` say it of what is kept.

    Args:
        folder: where the rows are kept until the end.
        similarity: from which Jaccard similarity two first prompts are near-equal.
    """

    def __init__(self, folder: Path, similarity: float) -> None:
        self.path = folder / "rows.spool"
        self._file = open(self.path, "w+b")  # noqa: SIM115 - closed by close()
        self._offsets = array("q", [0])
        self._keys = tuple(array("Q") for _ in range(4))
        self._digests = array("Q")
        self._near = NearDuplicates(similarity)
        self._seen: set[int] = set()
        self._first = array("q")
        self._waiting: list[str] = []

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, conversation: Conversation, came: tuple[str, str], now: tuple[str, str]) -> None:
        """Keep a cleaned conversation.

        Args:
            conversation: what is kept.
            came: the words of its first prompt and of the whole, before cleaning.
            now: the same of what is kept.
        """
        prompt, clean_prompt = now[0], key(now[0])
        # Run together, as markup or a lost line break may have parted or joined two words.
        keys = key(came[0]), key(came[1]), clean_prompt, key(now[1].replace(" ", ""))
        for column, value in zip(self._keys, keys, strict=True):
            column.append(value)
        if clean_prompt not in self._seen:
            self._seen.add(clean_prompt)
            self._first.append(len(self))
            self._waiting.append(prompt)
            if len(self._waiting) == _BATCH:
                self._sign()
        self._digests.append(int(conversation.digest[:16], 16))
        body = conversation.to_json()
        messages = json.dumps(body["messages"], ensure_ascii=False).encode()
        record = messages + b"\x00" + json.dumps(conversation.source, ensure_ascii=False).encode()
        self._offsets.append(self._offsets[-1] + self._file.write(record))

    def _sign(self) -> None:
        self._near.add(self._waiting)
        self._waiting = []

    @property
    def prompts(self) -> NDArray[np.uint64]:
        """The key of each row's first prompt as it came."""
        return _array(self._keys[0])

    @property
    def pairs(self) -> NDArray[np.uint64]:
        """The key of each row's whole conversation as it came."""
        return _array(self._keys[1])

    @property
    def clean_prompts(self) -> NDArray[np.uint64]:
        """The key of each row's first prompt as kept."""
        return _array(self._keys[2])

    @property
    def clean_pairs(self) -> NDArray[np.uint64]:
        """The key of each row's whole conversation as kept, by letters alone."""
        return _array(self._keys[3])

    @property
    def digests(self) -> NDArray[np.uint64]:
        """The first 64 bits of each kept conversation's digest."""
        return _array(self._digests)

    def near_groups(self) -> tuple[NDArray[np.uint64], NDArray[np.int64], int]:
        """The distinct first prompts' keys, the number of the group of each, and how many pairs were checked."""
        self._sign()
        self._file.flush()
        firsts = self._first

        def text_of(i: int) -> str:
            return words(self.conversation(firsts[i]).prompt)

        roots = self._near.groups(text_of)
        keys = self.clean_prompts[np.frombuffer(firsts, np.int64)] if len(firsts) else np.empty(0, np.uint64)
        return keys, roots, self._near.pairs_checked

    def record(self, row: int) -> tuple[bytes, bytes]:
        """The JSON of a row's messages and of its source."""
        self._file.seek(self._offsets[row])
        messages, source = self._file.read(self._offsets[row + 1] - self._offsets[row]).split(b"\x00")
        return messages, source

    def conversation(self, row: int) -> Conversation:
        """A row as a conversation."""
        messages, source = self.record(row)
        return Conversation.of(json.loads(messages), source=json.loads(source))

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """``record`` of every row, in order, without jumping about the file."""
        self._file.seek(0)
        for row in range(len(self)):
            messages, source = self._file.read(self._offsets[row + 1] - self._offsets[row]).split(b"\x00")
            yield messages, source

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def _array(values: array[Any]) -> NDArray[np.uint64]:
    # A copy: a view would forbid the array to grow.
    return np.array(values, dtype=np.uint64)
