"""A reply as words that the table's phrases can be matched against, each with its place in the raw text.

A model spells well, so only what hides words on purpose is corrected here: ``letters.plain`` folds look-alikes and
invisible characters, and ``spelling.Reader`` joins letters that stand apart. Contractions are undone, so that a phrase
is written once ("i am" also finds "I'm", "im" and "I’m"), and every number reads as ``num``.
"""

from __future__ import annotations

import re
from dataclasses import replace

from counsel.safety.reading.letters import GONE, plain
from counsel.safety.reading.spelling import Reader, Word

NUMBER = "num"
"""What a number in figures reads as."""

_WORD = re.compile(r"\d[\d.,]*|[^\W\d_]+(?:'[^\W\d_]+)?|[^\w\s]|_|\n")
_ODD = re.compile(r"[a-z][@$*!|\d]+[a-z]")
_PAUSES = frozenset(",;:()[]–—\n،、，….!?。！？")
_QUOTES = frozenset("\"“”„«»'‘’")
_TURNS = frozenset("but however though although yet pero aunque".split())
"""Words at which a new clause begins: what was denied before them is not denied after."""
_APART = re.compile(r"(?:(?<=\s)|^)[^\W\d_](?:[\s.\-_*]{1,3}[^\W\d_](?!\w)){4,}")
_LONGEST_WORD = 20

_ENDINGS = {"m": "am", "re": "are", "ll": "will", "ve": "have", "d": "would"}
_IS = frozenset("it that he she there here what who where how everything nothing something".split())
_BARE = {
    "im": "i am", "ive": "i have", "youre": "you are", "youve": "you have", "youll": "you will", "theyre": "they are",
    "thats": "that is", "dont": "do not", "doesnt": "does not", "didnt": "did not", "isnt": "is not",
    "arent": "are not", "wasnt": "was not", "werent": "were not", "wont": "will not", "cant": "can not",
    "cannot": "can not", "couldnt": "could not", "wouldnt": "would not", "shouldnt": "should not", "havent": "have not",
    "hasnt": "has not", "hadnt": "had not", "neednt": "need not", "mustnt": "must not", "aint": "is not",
    "gonna": "going to", "wanna": "want to", "gotta": "have to", "u": "you", "ur": "your", "ya": "you",
    "lets": "let us", "counsellor": "counselor", "counsellors": "counselors", "pls": "please",
}  # fmt: skip


def _undone(word: str) -> str:
    """A contraction's words, spaced; any other word as it is."""
    head, quote, tail = word.partition("'")
    if not quote:
        return _BARE.get(word, word)
    if tail == "t" and head.endswith("n"):
        return _BARE.get(head + tail, f"{head[:-1]} not")
    if tail == "s":
        return f"{head} is" if head in _IS else "let us" if head == "let" else head
    return f"{head} {_ENDINGS[tail]}" if tail in _ENDINGS else head + tail


def undo_contractions(phrase: str) -> str:
    """A phrase of the table with its contractions undone, as the text is read."""
    return re.sub(r"[^\W\d_]+(?:['’][^\W\d_]+)?", lambda m: _undone(m[0].lower().replace("’", "'")), phrase)


class ReplyReader:
    """Cuts replies into words.

    Args:
        vocabulary: the words of the table; letters that stand apart are only joined into these.
    """

    def __init__(self, vocabulary: frozenset[str]) -> None:
        self._vocabulary = vocabulary
        self._reader = Reader(vocabulary)

    def read(self, text: str, at: int = 0) -> list[Word]:
        """The words of one sentence; places count from ``at``. Clauses are numbered from 0."""
        lowered = plain(text)
        if GONE in lowered or _ODD.search(lowered) or not lowered.isascii():
            lowered, places = _without_gone(lowered)
        else:
            places = None
        words: list[Word] = []
        last = 0
        for run in _APART.finditer(lowered):
            self._cut(lowered, last, run.start(), words)
            self._join(lowered, *run.span(), words)
            last = run.end()
        self._cut(lowered, last, len(lowered), words)
        if places is not None:
            words = [replace(w, start=places[w.start], end=places[w.end - 1] + 1) for w in words]
        return [replace(w, start=w.start + at, end=w.end + at) for w in words] if at else words

    def _join(self, text: str, start: int, end: int, words: list[Word]) -> None:
        """Letters that stand apart, read as words where the table knows such words."""
        clause = words[-1].clause if words else 0
        letters = [(c, i) for i, c in enumerate(text[start:end], start) if c.isalpha()]
        sizes = _sizes("".join(c for c, _ in letters), self._vocabulary) or [1] * len(letters)
        at = 0
        for size in sizes:
            run = letters[at : at + size]
            words.append(Word("".join(c for c, _ in run), run[0][1], run[-1][1] + 1, clause=clause))
            at += size

    def _cut(self, text: str, start: int, end: int, words: list[Word]) -> None:
        clause = words[-1].clause if words else 0
        quoted = False
        for match in _WORD.finditer(text, start, end):
            body = match[0]
            first = body[0]
            if first.isdigit():
                words.append(Word(NUMBER, match.start(), match.end(), clause=clause, quoted=quoted))
            elif first.isalpha():
                clause += body in _TURNS
                if not body.isascii() or _ODD.match(text, match.start()):
                    body = self._mended(body)
                for piece in _undone(body).split(" "):
                    words.append(Word(piece, match.start(), match.end(), clause=clause, quoted=quoted))
            elif first in _QUOTES:
                quoted = not quoted
                clause += 1
            elif first in _PAUSES:
                clause += 1

    def _mended(self, word: str) -> str:
        read = self._reader.read(word)
        return " ".join(w.text for w in read) or word


def _sizes(letters: str, vocabulary: frozenset[str]) -> list[int] | None:
    """The sizes of the fewest known words that make up ``letters``, or None; single letters are i and a alone."""
    best: list[list[int] | None] = [[]] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - _LONGEST_WORD), end):
            before, word = best[start], letters[start:end]
            if before is None or word not in vocabulary or (len(word) == 1 and word not in "ia"):
                continue
            known = best[end]
            if known is None or len(before) + 1 < len(known):
                best[end] = [*before, end - start]
    return best[-1]


def _without_gone(lowered: str) -> tuple[str, list[int]]:
    """The text without characters that mean nothing, and each remaining one's place."""
    kept = [(i, c) for i, c in enumerate(lowered) if c != GONE]
    return "".join(c for _, c in kept), [i for i, _ in kept]
