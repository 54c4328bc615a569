"""What is personal in a text, found by rules and masked by kind: ``[name]``, ``[phone]``, ``[address]``, …

Rules find most of it and miss some; how much is measured in benchmarks/personal.py and said in
docs/prepare.md. They do not guarantee anonymity.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from counsel.data.cleaning import contact_details, identifiers, names
from counsel.errors import CounselError
from counsel.text import words

_WORD = re.compile(r"[^\W\d_]+")
_PART = r"(?:Mc|Mac|O['’]|De|La|Le|Van|Von)?[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ'’]+(?:-[A-ZÀ-ÖØ-Þ][a-zß-öø-ÿ]+)?"
# Exports glue the name to what follows it ("Jane DoeCouples therapist"): a capital within a word ends it.
_AUTHOR = re.compile(
    rf"\s*(?:Dr|Mr|Mrs|Ms|Prof)?\.?\s*({_PART})(?:\s+[A-Z]\.?(?=\s))?(?:\s+({_PART}))?(?:\s+({_PART}))?"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text that is to be masked."""

    start: int
    end: int
    kind: str
    """What the mask says."""
    rule: str
    """The rule that found it."""


@dataclass(frozen=True, slots=True)
class Term:
    """Words that a user listed, and the kind to mask them by."""

    text: str
    kind: str = "redacted"


def read_terms(path: Path) -> tuple[Term, ...]:
    """The terms of a ``--redact`` file: one per line, its kind after a tab; empty lines and # comments are skipped.

    Raises:
        CounselError: when the file cannot be read or holds no term.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        reason = getattr(e, "strerror", None) or "the file is not UTF-8 text"
        raise CounselError(
            f"the list of words to mask could not be read: {reason}",
            where=path,
            fix="check the path that --redact names",
        ) from e
    terms = []
    for n, line in enumerate(lines, 1):
        text, _, kind = line.partition("\t")
        if not text.strip() or text.startswith("#"):
            continue
        kind = kind.strip() or "redacted"
        if not re.fullmatch(r"[^\W_][\w -]{0,30}", kind):
            raise CounselError(
                f"the kind {kind!r} is not a plain word",
                where=f"{path}:{n}",
                fix="write the term, a tab, and a plain word for its kind",
            )
        terms.append(Term(" ".join(text.split()), kind))
    if not terms:
        raise CounselError("the list of words to mask is empty", where=path, fix="write one word or name on each line")
    return tuple(terms)


class Masker:
    """Finds what is personal.

    Args:
        terms: what the user listed; found in any case, as whole words.
        authors: the values of author columns; the full names of these people are masked wherever they stand.
    """

    def __init__(self, terms: Iterable[Term] = (), authors: Iterable[str] = ()) -> None:
        self._terms: dict[str, list[tuple[re.Pattern[str], Term]]] = {}
        for term in terms:
            body = r"\s+".join(map(re.escape, term.text.split()))
            pattern = re.compile(rf"(?<!\w){body}(?!\w)", re.IGNORECASE)
            first = _WORD.search(term.text)
            self._terms.setdefault(first[0].casefold() if first else "", []).append((pattern, term))
        self._authors: dict[str, set[tuple[str, ...]]] = {}
        for author in set(authors):
            name = author_name(author)
            if len(name) > 1:
                self._authors.setdefault(name[0].casefold(), set()).add(tuple(p.casefold() for p in name))

    def find(self, text: str, said: frozenset[str] | None = None, author: str = "") -> list[Span]:
        """The places to mask, in order, none overlapping another.

        Args:
            text: one turn.
            said: its ``spoken_words``, if the caller has them; the words of a longer text do no harm.
            author: who wrote it or answers in it; each part of this name is also masked on its own.
        """
        said = spoken_words(text) if said is None else said
        found = [*self._listed(text, said), *self._author_spans(text, author, said)]
        found += [Span(start, end, kind, rule) for start, end, kind, rule in contact_details.internet(text, said)]
        if contact_details.has_digit(text):
            found += [Span(*place, "birth date", "birth_date") for place in identifiers.birth_dates(text, said)]
            found += [Span(*place, "number", "number") for place in identifiers.numbers(text, said)]
            found += [Span(*place, "address", "address") for place in identifiers.addresses(text, said)]
        found += [Span(start, end, kind, kind) for start, end, kind in contact_details.phones(text, said)]
        found += [Span(*place, "name", "name") for place in names.find(text, said)]
        return _merged(found) if found else []

    def replace(self, text: str, spans: Iterable[Span]) -> str:
        """``text`` with its personal places masked."""
        parts, at = [], 0
        for span in spans:
            before, after = text[at : span.start], text[span.end : span.end + 1]
            parts += [before, " " if before[-1:].isalnum() else "", f"[{span.kind}]", " " if after.isalnum() else ""]
            at = span.end
        return "".join([*parts, text[at:]])

    def mask(self, text: str) -> str:
        """``find`` and ``replace`` until nothing more is found, because a mask may free its neighbour."""
        for _ in range(3):
            spans = self.find(text)
            if not spans:
                break
            text = self.replace(text, spans)
        return text

    def _listed(self, text: str, said: frozenset[str]) -> Iterator[Span]:
        for first in self._terms.keys() & {*said, ""}:
            for pattern, term in self._terms[first]:
                for match in pattern.finditer(text):
                    yield Span(*match.span(), term.kind, "redact")

    def _author_spans(self, text: str, author: str, said: frozenset[str]) -> Iterator[Span]:
        own = author_name(author) if author else ()
        single = {p for p in own if len(p) > 2}
        if not single and said.isdisjoint(self._authors):
            return
        tokens = list(_WORD.finditer(text))
        folded = [t[0].casefold() for t in tokens]
        for i, token in enumerate(tokens):
            for name in self._authors.get(folded[i], ()):
                if tuple(folded[i : i + len(name)]) == name:
                    yield Span(token.start(), tokens[i + len(name) - 1].end(), "name", "author_name")
            if token[0] in single:
                yield Span(*token.span(), "name", "author_name")


def spoken_words(text: str) -> frozenset[str]:
    """The words of a text in lower case. Rules look here first, to see whether they need to read the text at all."""
    return parts_of(words(text))


def parts_of(said: str) -> frozenset[str]:
    """``spoken_words`` of a text whose ``words`` are at hand: ``tel555`` also says ``tel``."""
    tokens = set(said.split())
    for token in [t for t in tokens if not t.isalpha()]:
        tokens.update(_WORD.findall(token))
    return frozenset(tokens)


def author_name(author: str) -> tuple[str, ...]:
    """The parts of a person's name at the start of an author column: given name, family name."""
    match = _AUTHOR.match(author)
    parts = tuple(p for p in match.groups() if p) if match else ()
    return tuple(w for p in parts for w in _WORD.findall(p) if len(w) > 1)


def _merged(found: list[Span]) -> list[Span]:
    """Join overlapping places into one; it takes the kind that is trusted most."""
    order = {id(span): i for i, span in enumerate(found)}
    merged: list[Span] = []
    for span in sorted(found, key=lambda s: (s.start, -s.end)):
        if span.end <= span.start:
            continue
        last = merged[-1] if merged else None
        if last is None or span.start >= last.end:
            merged.append(span)
            continue
        best = min(last, span, key=lambda s: order.get(id(s), 0))
        whole = Span(last.start, max(last.end, span.end), best.kind, best.rule)
        order[id(whole)] = order.get(id(best), 0)
        merged[-1] = whole
    return merged
