"""Cleaned rows on disk; in memory only what is needed to compare them, about 60 bytes a row."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counsel.conversation import Conversation
from counsel.data.cleaning.conversations import Cleaned
from counsel.data.splitting.parts import Keys
from counsel.text import NearDuplicates, key, words

_BATCH = 512


class Spool(AbstractContextManager["Spool"]):
    """Rows in the order they came, each with four keys by which it is compared. The file is deleted at the end.

    ``prompts`` and ``pairs`` say which words the first prompt and the whole conversation have *as they came*
    (markup aside); ``clean_prompts`` and ``clean_pairs`` say it of what is kept.

    Args:
        folder: where the rows are kept until the end.
        similarity: from which Jaccard similarity two first prompts are near-equal.
    """

    def __init__(self, folder: Path, similarity: float) -> None:
        self.path = folder / "rows.spool"
        self._file = open(self.path, "w+b")  # noqa: SIM115 - closed by __exit__
        self._offsets = array("q", [0])
        self._keys = tuple(array("Q") for _ in range(4))
        self._digests = array("Q")
        self._near = NearDuplicates(similarity)
        self._seen: set[int] = set()
        self._earlier = array("Q")
        self._first = array("q")
        self._waiting: list[str] = []

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __len__(self) -> int:
        return len(self._digests)

    def keep_earlier(self, prompt: str) -> bool:
        """Keep the words of an earlier preparation's prompt, before any row, so that rows are compared with it too.

        Returns:
            whether it is not one that was kept already; those that are get numbered in the order they come.
        """
        prompt_key = key(prompt)
        if not self._is_new(prompt_key, prompt, -1 - len(self._earlier)):
            return False
        self._earlier.append(prompt_key)
        self._write(prompt.encode("utf-8", "surrogatepass"))
        return True

    def add(self, cleaned: Cleaned) -> None:
        """Keep a row."""
        conversation, came, kept = cleaned.conversation, cleaned.came, cleaned.kept
        # The words are run together, because markup or a lost line break may have separated or joined two of them.
        keys = key(came.prompt), key(came.whole), key(kept.prompt), letters_key(kept.whole)
        for column, value in zip(self._keys, keys, strict=True):
            column.append(value)
        self._is_new(keys[2], kept.prompt, len(self))
        self._digests.append(int(conversation.digest[:16], 16))
        messages = json.dumps(conversation.to_json()["messages"], ensure_ascii=False).encode()
        self._write(messages + b"\x00" + json.dumps(conversation.source, ensure_ascii=False).encode())

    def _is_new(self, prompt_key: int, prompt: str, first: int) -> bool:
        """Number a prompt that was not seen before; ``first`` is its row, or -1, -2, … for an earlier prompt."""
        if prompt_key in self._seen:
            return False
        self._seen.add(prompt_key)
        self._first.append(first)
        self._waiting.append(prompt)
        if len(self._waiting) == _BATCH:
            self._sign()
        return True

    def _write(self, record: bytes) -> None:
        self._offsets.append(self._offsets[-1] + self._file.write(record))

    def _read(self, at: int) -> bytes:
        self._file.seek(self._offsets[at])
        return self._file.read(self._offsets[at + 1] - self._offsets[at])

    def _sign(self) -> None:
        self._near.add(self._waiting)
        self._waiting = []

    @property
    def prompts(self) -> Keys:
        """The key of each row's first prompt as it came."""
        return _array(self._keys[0])

    @property
    def pairs(self) -> Keys:
        """The key of each row's whole conversation as it came."""
        return _array(self._keys[1])

    @property
    def clean_prompts(self) -> Keys:
        """The key of each row's first prompt as kept."""
        return _array(self._keys[2])

    @property
    def clean_pairs(self) -> Keys:
        """The key of each row's whole conversation as kept, by letters alone."""
        return _array(self._keys[3])

    @property
    def digests(self) -> Keys:
        """The first 64 bits of each kept conversation's digest."""
        return _array(self._digests)

    def near_groups(self) -> tuple[Keys, NDArray[np.int64]]:
        """The distinct first prompts' keys, those of an earlier preparation first, and the number of each one's group.

        Returns:
            two arrays, shape (prompts,); a group's number is that of its first prompt.
        """
        self._sign()
        self._file.flush()
        firsts = self._first

        def text_of(i: int) -> str:
            first = firsts[i]
            return self._read(-1 - first).decode("utf-8", "surrogatepass") if first < 0 else words(self._prompt(first))

        roots = self._near.groups(text_of)
        rows = np.frombuffer(firsts, np.int64)[len(self._earlier) :] if len(firsts) else np.empty(0, np.int64)
        return np.concatenate([_array(self._earlier), self.clean_prompts[rows]]), roots

    def _prompt(self, row: int) -> str:
        return self.conversation(row).prompt

    def record(self, row: int) -> tuple[bytes, bytes]:
        """The JSON of a row's messages and of its source."""
        messages, source = self._read(len(self._earlier) + row).split(b"\x00")
        return messages, source

    def conversation(self, row: int) -> Conversation:
        """A row as a conversation."""
        messages, source = self.record(row)
        return Conversation.of(json.loads(messages), source=json.loads(source))

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """``record`` of every row, in order, without jumping about the file."""
        begin = len(self._earlier)
        self._file.seek(self._offsets[begin])
        for at in range(begin, begin + len(self)):
            messages, source = self._file.read(self._offsets[at + 1] - self._offsets[at]).split(b"\x00")
            yield messages, source


def letters_key(whole: str) -> int:
    """The key of a conversation's words by their letters alone."""
    return key(whole.replace(" ", ""))


def _array(values: array[Any]) -> Keys:
    # This is a copy, because the array could not grow while a view of it exists.
    return np.array(values, dtype=np.uint64)
