"""A stream of text to sentences, the same for every way of cutting the stream.

A sentence ends behind its full stop (and closing quotes) once something else follows, at an empty line, or before a
list's next item. One that goes on beyond ``LONGEST`` characters is cut where it is safe, so that no more is ever held.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

LONGEST = 600
"""The largest number of characters that are held."""

_ENDS = frozenset(".!?…।")
_WIDE_ENDS = frozenset("。！？｡")
"""Signs that end a sentence and are not followed by a space."""
_CLOSERS = frozenset("\"'”’»)]*_")
_BULLETS = frozenset("-*•–—#>")
_ABBREVIATIONS = frozenset(
    "dr mr mrs ms prof st vs no nr jr sr approx tel ext apt ave rd e.g i.e eg ie dra sra srta ud uds núm".split()
)
_FOLLOWERS = frozenset("\u200d\ufe0e\ufe0f\u20e3") | {chr(c) for c in range(0x1F3FB, 0x1F400)}
"""Characters that belong to the one before: joiners, variation selectors, skin tones."""
_UNSAFE = frozenset("<[|{@./:-+(")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A piece of the stream: the pieces, joined, are the stream."""

    text: str
    start: int
    """The place of its first character in the stream."""
    continues: bool = False
    """Whether the piece before it was cut without a sentence end."""


class Splitter:
    """Takes a stream in and gives its sentences out, each as soon as it is known to be whole."""

    def __init__(self) -> None:
        self._held = ""
        self._start = 0
        self._continues = False
        self._begin_again()

    @property
    def held(self) -> int:
        """How many characters wait for their sentence's end; never more than ``LONGEST``."""
        return len(self._held)

    def _begin_again(self) -> None:
        self._at = 0
        self._stop = 0
        """Where the sentence may end; 0 while no end is in sight."""
        self._spaced = False
        self._lines = 0

    def feed(self, chunk: str) -> list[Sentence]:
        """The sentences that are whole once ``chunk`` has come."""
        done: list[Sentence] = []
        # Small bites keep the copying of what is held linear, however long the chunk.
        for i in range(0, len(chunk), LONGEST):
            self._held += chunk[i : i + LONGEST]
            self._scan(done)
        return done

    def close(self) -> list[Sentence]:
        """What remains, at the end of the stream."""
        done: list[Sentence] = []
        if self._held:
            self._cut(len(self._held), False, done)
        return done

    def _scan(self, done: list[Sentence]) -> None:
        while self._at < len(self._held):
            if self._at == LONGEST:
                cut = _safe_place(self._held)
                self._cut(cut, True, done)
                continue
            c = self._held[self._at]
            if self._stop and self._ends_before(c):
                self._cut(self._stop, False, done)
                continue
            self._step(c)
            self._at += 1

    def _step(self, c: str) -> None:
        """Take one more character into the sentence."""
        if c.isspace():
            self._spaced = True
            if c == "\n":
                self._lines += 1
                self._stop = self._stop or self._at
            return
        if not self._spaced and self._stop and (c in _CLOSERS or c in _ENDS):
            self._stop = self._at + 1
            return
        self._stop = self._at + 1 if c in _ENDS or c in _WIDE_ENDS else 0
        self._spaced = False
        self._lines = 0

    def _ends_before(self, c: str) -> bool:
        """Whether the sentence ends at ``_stop``, given the next character that is no space."""
        if c.isspace():
            return False
        last = self._held[self._stop - 1]
        if last in _WIDE_ENDS:
            return c not in _CLOSERS and c not in _ENDS and c not in _WIDE_ENDS
        if not self._spaced or not self._held[: self._stop].strip():
            return False
        if self._lines > 1 or (self._lines and (c in _BULLETS or c.isdigit())):
            return True
        body = self._held[: self._stop].rstrip("\"'”’»)]*_")
        if not body or body[-1] not in _ENDS:
            return False
        if body.endswith("…") or body.endswith(".."):
            return not c.islower()
        return body[-1] != "." or not _is_short(body, c)

    def _cut(self, stop: int, forced: bool, done: list[Sentence]) -> None:
        done.append(Sentence(self._held[:stop], self._start, self._continues))
        self._held = self._held[stop:]
        self._start += stop
        self._continues = forced
        self._begin_again()


def _is_short(body: str, following: str) -> bool:
    """Whether a full stop belongs to an abbreviation, an initial or a list's number."""
    word = body[:-1].rsplit(None, 1)[-1].lstrip("(\"'“‘[*_").lower() if body[:-1].strip() else ""
    if word in _ABBREVIATIONS:
        return True
    if word == "etc":
        return following.islower()
    if len(word) == 1 and word.isalpha():
        return word != "i" and body[-2].isupper()
    return word.isdigit() and len(word) < 3 and body[:-1].strip() == word


def _safe_place(text: str) -> int:
    """Where to cut a text of ``LONGEST`` characters: at a pause, else at a space, else between two whole characters."""
    least = LONGEST // 2
    for wanted in (",;:", ""):
        for i in range(LONGEST - 1, least, -1):
            if text[i].isspace() and _is_apart(text, i) and (not wanted or text[i - 1] in wanted):
                return i
    for i in range(LONGEST - 1, LONGEST - 80, -1):
        if not text[i - 1].isalnum() and text[i - 1] not in _UNSAFE and _is_whole(text, i):
            return i
    for i in range(LONGEST - 1, LONGEST - 80, -1):
        if _is_whole(text, i):
            return i
    return LONGEST - 1


def _is_apart(text: str, i: int) -> bool:
    """Whether a cut at the space ``i`` leaves every number in one piece."""
    return not (text[i - 1].isdigit() and text[i + 1 : i + 2].isdigit())


def _is_whole(text: str, i: int) -> bool:
    """Whether a cut before ``i`` leaves every character, with its accents, joiners and surrogates, in one piece."""
    before, after = text[i - 1], text[i]
    if after in _FOLLOWERS or before == "\u200d" or unicodedata.combining(after) or unicodedata.category(after) == "Mc":
        return False
    return not ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
