"""The small language in which the rules' phrases are written, and a matcher for all of them at once.

``want to die`` matches these words in a row. ``(a|b c)`` is one of several, ``[a|b]`` one of them or nothing,
``{name}`` one of a named list, ``...`` up to four words of any kind, ``_`` exactly one; ``^`` and ``$`` at the ends
hold a phrase to the beginning and end of a sentence. All phrases go into one tree, so reading takes time linear in the
text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from counsel.errors import CounselError
from counsel.safety.reading.letters import GONE, plain
from counsel.safety.reading.spelling import WORD, Word

GAP = 4
"""The largest number of words that ``...`` may stand for."""
_TOKEN = re.compile(r"\.\.\.|[()\[\]|^$]|\{\w+\}|(?:(?!\.\.\.)[^\s()\[\]|{}^$])+|[{}]")
_MOST_STEPS = 4000
"""The most steps of the matcher from one word: far beyond any phrase, so that no table can make it slow."""

_NAME = re.compile(r"\{\w+\}")

Alternatives = frozenset[tuple[str, ...]]
_CLOSING = {"(": ")", "[": "]"}
_SIGNS = (")", "]", "|", "^", "{", "}")
END = "$"
"""Stands in the tree for the end of a sentence, as if it were a word."""


@dataclass(frozen=True)
class _Part:
    """One place of a phrase: words to choose from, or a gap."""

    alternatives: Alternatives = frozenset()
    optional: bool = False
    gap: bool = False
    any_word: bool = False


@dataclass
class _Node:
    edges: dict[_Part, _Node] = field(default_factory=dict)
    next: dict[str, list[_Node]] = field(default_factory=dict)
    skips: list[_Node] = field(default_factory=list)
    """The nodes that are reached without a word, because something optional was left out."""
    gaps: list[_Node] = field(default_factory=list)
    any_word: list[_Node] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """The phrases that end here."""

    is_open: bool = False
    """Whether there is more here than words that lead on; set when the tree is complete."""

    def close(self) -> None:
        """Set ``is_open`` in this node and all below it."""
        waiting, done = [self], set()
        while waiting:
            node = waiting.pop()
            if id(node) not in done:
                done.add(id(node))
                node.is_open = bool(node.skips or node.gaps or node.any_word or node.ends)
                waiting += [n for nodes in node.next.values() for n in nodes] + node.skips + node.gaps + node.any_word


def _lead(node: _Node, alternatives: Alternatives, last: _Node) -> None:
    """Paths from ``node`` to ``last``, one for each alternative."""
    for words in alternatives:
        here = node
        for word in words[:-1]:
            step = _Node()
            here.next.setdefault(word, []).append(step)
            here = step
        here.next.setdefault(words[-1], []).append(last)


@dataclass(frozen=True, slots=True)
class Match:
    """Phrase number ``phrase`` stands at the words ``start`` to ``end``."""

    phrase: int
    start: int
    end: int


def read_words(text: str) -> list[str]:
    """A phrase's own words: in plain letters, without apostrophes, with hyphens as spaces."""
    return re.findall(WORD, plain(text).replace("'", "").replace(GONE, ""))


def _unreadable(token: str, phrase: str) -> CounselError:
    return CounselError(
        f"{token} has no meaning in this place", where=phrase, fix="see docs/screening.md for the signs"
    )


class Phrases:
    """Phrases compiled into one tree.

    Args:
        phrases: each in the small language.
        lists: the named lists, words or several words each.
        typos: misspellings and what the reader makes of them, so that a phrase may be written either way.

    Raises:
        CounselError: for a phrase that cannot be read.
    """

    def __init__(
        self,
        phrases: Sequence[str],
        lists: Mapping[str, Sequence[str]] | None = None,
        typos: Mapping[str, str] | None = None,
    ) -> None:
        self._typos = dict(typos or {})
        self._lists = {
            name: frozenset(tuple(self._words(w)) for w in members) for name, members in (lists or {}).items()
        }
        self.vocabulary: set[str] = set()
        self._root, self._first = _Node(), _Node()
        for number, phrase in enumerate(phrases):
            parts, from_start = self._parse(phrase)
            if all(p.optional or p.gap for p in parts):
                raise CounselError(
                    "a phrase needs at least one word that is not optional",
                    where=phrase,
                    fix="write a word outside [ ]",
                )
            self._add(self._first if from_start else self._root, parts, number)
        self._root.close()
        self._first.close()

    def _parse(self, phrase: str) -> tuple[list[_Part], bool]:
        tokens = _TOKEN.findall(phrase)
        from_start = tokens[:1] == ["^"]
        parts: list[_Part] = []
        at = int(from_start)
        while at < len(tokens):
            token = tokens[at]
            at += 1
            if token in _CLOSING:
                choices, at = self._choices(tokens, at, _CLOSING[token], phrase)
                parts.append(_Part(choices - {()}, optional=token == "[" or () in choices))
            elif token == "...":
                parts.append(_Part(gap=True))
            elif token == "_":
                parts.append(_Part(any_word=True))
            elif _NAME.fullmatch(token):
                parts.append(_Part(self._list(token, phrase)))
            elif token == END and at == len(tokens):
                parts.append(_Part(frozenset({(END,)})))
            elif token in _SIGNS or token == END:
                raise _unreadable(token, phrase)
            else:
                parts.extend(_Part(frozenset({(w,)})) for w in self._words(token))
        for part in parts:
            self.vocabulary.update(w for words in part.alternatives for w in words if w != END)
        return parts, from_start

    def _choices(self, tokens: Sequence[str], at: int, close: str, phrase: str) -> tuple[Alternatives, int]:
        """The choices of a bracket, each as its words, and the place after it; brackets may hold brackets."""
        made: set[tuple[str, ...]] = set()
        current: set[tuple[str, ...]] = {()}
        while at < len(tokens):
            token = tokens[at]
            at += 1
            if token == close:
                return frozenset(made | current), at
            if token == "|":
                made |= current
                current = {()}
                continue
            if token in _CLOSING:
                more, at = self._choices(tokens, at, _CLOSING[token], phrase)
                more = more | {()} if token == "[" else more
            elif _NAME.fullmatch(token):
                more = self._list(token, phrase)
            elif token == END:
                more = frozenset({(END,)})
            elif token in _SIGNS or token in ("...", "_"):
                raise _unreadable(token, phrase)
            else:
                more = frozenset({tuple(self._words(token))})
            current = {a + b for a in current for b in more}
        raise CounselError(f"a bracket is never closed with {close}", where=phrase, fix=f"add {close}")

    def _words(self, text: str) -> list[str]:
        """The words of a phrase; misspellings that the reader corrects are corrected here too."""
        return [w for word in read_words(text) for w in self._typos.get(word, word).split()]

    def _list(self, token: str, phrase: str) -> Alternatives:
        if token[1:-1] not in self._lists:
            known = ", ".join(sorted(self._lists))
            raise CounselError(f"there is no list called {token}", where=phrase, fix=f"the lists are {known}")
        if () in self._lists[token[1:-1]]:
            raise CounselError(f"the list {token} has an empty member", where=phrase, fix="take it out")
        return self._lists[token[1:-1]]

    def _add(self, node: _Node, parts: Sequence[_Part], phrase: int) -> None:
        """Add a phrase to the tree; phrases that begin alike share their first nodes."""
        for part in parts:
            if part not in node.edges:
                last = node.edges[part] = _Node()
                if part.gap:
                    node.gaps.append(last)
                elif part.any_word:
                    node.any_word.append(last)
                else:
                    _lead(node, part.alternatives, last)
                if part.optional:
                    node.skips.append(last)
            node = node.edges[part]
        node.ends.append(phrase)

    def find(self, words: Sequence[Word], begin: int = 0) -> list[Match]:
        """Every phrase in the words from number ``begin`` on; each phrase once for each start, at its longest.

        A phrase does not reach over the end of a sentence, but may reach over the end of a message. For ``^`` every
        message is a beginning, whether or not the one before ended its sentence.
        """
        found: dict[tuple[int, int], int] = {}
        texts = [w.text for w in words]
        stop = len(words)
        stops = [0] * stop
        for at in range(stop - 1, -1, -1):  # where the sentence of each word ends
            if at + 1 < len(words) and words[at + 1].sentence != words[at].sentence:
                stop = at + 1
            stops[at] = stop
        for start in range(begin, len(words)):
            self._walk(self._root, texts, start, stops[start], found)
            if start == 0 or stops[start - 1] == start or words[start - 1].turn != words[start].turn:
                self._walk(self._first, texts, start, stops[start], found)
        return [Match(phrase, start, end) for (start, phrase), end in found.items()]

    @staticmethod
    def _walk(root: _Node, texts: Sequence[str], start: int, stop: int, found: dict[tuple[int, int], int]) -> None:
        """Follow the tree from one word on, up to the end of its sentence."""
        stack = [(root, start)]
        seen: set[tuple[int, int]] = set()
        while stack and len(seen) < _MOST_STEPS:
            node, at = stack.pop()
            word = texts[at] if at < stop else END
            for child in node.next.get(word, ()):
                then = at + 1 if at < stop else at
                # Most paths end at the next word, so look ahead before following one.
                if child.is_open or (texts[then] if then < stop else END) in child.next:
                    stack.append((child, then))
            if not node.is_open or (id(node), at) in seen:
                continue
            seen.add((id(node), at))
            for phrase in node.ends:
                found[start, phrase] = max(at, found.get((start, phrase), 0))
            for skip in node.skips:
                stack.append((skip, at))
            for gap in node.gaps:
                stack += [(gap, then) for then in range(at, min(at + GAP, stop) + 1)]
            if at < stop:
                stack += [(child, at + 1) for child in node.any_word]
