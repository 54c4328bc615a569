"""The rule tier: a table that clinicians read (``rules/*.toml``) and what it finds in a person's words.

A concept's phrase is found by ``Phrases``. It counts unless its sentence takes it back: a negation before it, an idiom
around it, fiction, study or work, a past that is over. ``Hit.excuse`` says which, so that a verdict can be explained.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal

from counsel.errors import CounselError
from counsel.safety.phrases import Match, Phrases
from counsel.safety.spelling import Reader, Word
from counsel.safety.verdict import CATEGORIES, Action, Category, Level, Subject, Time

TABLE = Path(__file__).parent / "rules"
LANGUAGES = ("en", "es", "fr", "de", "pt", "hi")
BEFORE = 6
"""Words before a phrase, in its clause, in which a negation counts."""

_JOINERS = frozenset(
    "and but because so then though yet cause since y pero porque et mais car und aber weil e mas aur lekin".split()
)

Excuse = Literal["", "idiom", "negated", "fiction", "past", "hypothetical", "addressed"]


@dataclass(frozen=True)
class Concept:
    """One row of the table; docs/screening.md tells clinicians what each field means."""

    id: str
    category: Category
    level: Level
    says: str
    phrases: tuple[str, ...]
    match: tuple[str, ...] = ()
    passes: tuple[str, ...] = ()
    language: str = "en"
    raises: Level = Level.none
    """The level beside another live sign of the same category in the conversation."""
    same_sentence: bool = False
    """Whether that other sign must stand in the same sentence."""
    hint: bool = False
    """Nothing alone; two different hints in a conversation are low."""
    soft: bool = False
    """Stands only where the classifier does not find its sentences plainly safe; always where there is no classifier."""
    marker: bool = False
    """Says something about the conversation and is no sign of risk."""
    scope: bool = True
    """Whether negation, fiction and the past can excuse it."""
    subject: Subject | None = None
    time: Literal["recent"] | None = None
    """``recent``: told in the past tense and present all the same, unless it is said to be long ago."""
    action: Action | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A concept found at the words ``start`` to ``end``."""

    concept: Concept
    start: int
    end: int
    excuse: Excuse
    subject: Subject
    time: Time


class Rules:
    """The table, compiled.

    Args:
        concepts: its rows.
        lists: named lists for the phrases.
        spelling: the table ``words.toml``.
        scope: the table ``scope.toml``.
        idioms: phrases that take the edge off whatever they cover.
    """

    def __init__(
        self,
        concepts: Sequence[Concept],
        lists: Mapping[str, Sequence[str]],
        spelling: Mapping[str, Any],
        scope: Mapping[str, Mapping[str, Sequence[str]]],
        idioms: Sequence[str],
    ) -> None:
        self.concepts = tuple(concepts)
        typos = spelling.get("typos", {})
        rows = [(concept, phrase) for concept in concepts for phrase in concept.phrases]
        self._owners = [concept for concept, _ in rows]
        self._phrases = Phrases([phrase for _, phrase in rows], lists, typos)
        self._idioms = Phrases(list(idioms), lists, typos)
        cues = [
            (language, kind, cue)
            for language, kinds in scope.items()
            if language != "lists"
            for kind, members in kinds.items()
            for cue in members
        ]
        self._cue_kinds = [(language, kind) for language, kind, _ in cues]
        self._cues = Phrases([cue for _, _, cue in cues], {**lists, **scope.get("lists", {})}, typos)
        vocabulary = self._phrases.vocabulary | self._idioms.vocabulary | self._cues.vocabulary
        self.reader = Reader(
            vocabulary, spelling.get("keys", ()), typos, spelling.get("real", ()), spelling.get("emoji", {})
        )

    def hits(self, words: Sequence[Word], begin: int = 0) -> list[Hit]:
        """Every concept in the words that ends behind word number ``begin``, in the order of the text."""
        if not words:
            return []
        scope = _Scope(words, self._cues.find(words), self._cue_kinds, self._idioms.find(words))
        found: dict[tuple[str, int], Hit] = {}
        for match in self._phrases.find(words):
            if match.end <= begin:
                continue
            concept = self._owners[match.phrase]
            hit = scope.judged(concept, match)
            before = found.get((concept.id, match.start))
            if (
                before is None
                or (before.excuse and not hit.excuse)
                or (bool(before.excuse) == bool(hit.excuse) and before.end < hit.end)
            ):
                found[concept.id, match.start] = hit
        return sorted(found.values(), key=lambda h: (h.start, h.end))


class _Scope:
    """What stands around a phrase."""

    def __init__(
        self, words: Sequence[Word], cues: Sequence[Match], kinds: Sequence[tuple[str, str]], idioms: Sequence[Match]
    ) -> None:
        self.words = words
        self.idioms = [(m.start, m.end) for m in idioms]
        self.cues: dict[tuple[str, str], list[Match]] = {}
        for cue in cues:
            self.cues.setdefault(kinds[cue.phrase], []).append(cue)

    def judged(self, concept: Concept, match: Match) -> Hit:
        """The hit with what excuses it, of whom it speaks, and when."""
        language, start, end = concept.language, match.start, match.end
        subject = concept.subject or self._subject(language, start, end)
        time: Time = "present"
        excuse: Excuse = ""
        if not concept.scope:
            return Hit(concept, start, end, "", "self", "present")
        if any(a < end and start < b for a, b in self.idioms):
            excuse = "idiom"
        elif self._negated(language, start, end):
            excuse = "negated"
        elif self._fiction(concept, start, end):
            excuse, time = "fiction", "hypothetical"
        elif self._past(language, start):
            excuse, time = "past", "past"
        elif subject == "unclear":
            excuse = "addressed"
        elif self._near(language, "hypothetical", start):
            time = "hypothetical"
        return Hit(concept, start, end, excuse, subject, time)

    def _kind(self, language: str, kind: str) -> list[Match]:
        return self.cues.get((language, kind), [])

    def _near(self, language: str, kind: str, start: int) -> bool:
        """Whether a cue stands in the same sentence, before the phrase."""
        sentence = self.words[start].sentence
        return any(c.start < start and self.words[c.start].sentence == sentence for c in self._kind(language, kind))

    def _negated(self, language: str, start: int, end: int) -> bool:
        words = self.words
        here = words[start]
        excused = [(c.start, c.end) for c in self._kind(language, "not_negation")]
        for cue in self._kind(language, "negation"):
            if not start - BEFORE <= cue.start < start or words[cue.start].clause != here.clause:
                continue
            if words[cue.start].sentence != here.sentence or any(a <= cue.start < b for a, b in excused):
                continue
            if not self._goes_on(language, cue.end, start):
                return True
        denied = (c for c in self._kind(language, "denial") if words[c.start].sentence == here.sentence)
        if any(c.start <= start <= c.end for c in denied):
            return True
        behind = [c for c in self._kind(language, "negated_after") if end <= c.start <= end + 3]
        return any(words[c.start].sentence in (here.sentence, here.sentence + 1) for c in behind)

    def _goes_on(self, language: str, start: int, end: int) -> bool:
        """Whether a new statement begins in between: "they don't call and I …"."""
        speakers = {c.start for c in self._kind(language, "self")}
        return any(self.words[i].text in _JOINERS and i + 1 in speakers for i in range(start, end))

    def _fiction(self, concept: Concept, start: int, end: int) -> bool:
        """A cue in the sentence; or in one beside it where the phrase is quoted."""
        here, language = self.words[start], concept.language

        def stands(kind: str) -> bool:
            return any(
                self.words[c.start].turn == here.turn
                and abs(self.words[c.start].sentence - here.sentence) <= here.quoted
                for c in self._kind(language, kind)
            )

        own = any(start <= c.start < end for c in self._kind(language, "self"))
        return stands("fiction") or (not own and concept.level < Level.imminent and stands("topic"))

    def _past(self, language: str, start: int) -> bool:
        here = self.words[start]

        def said(kind: str, reach: int) -> bool:
            return any(
                self.words[c.start].turn == here.turn and 0 <= self.words[c.start].sentence - here.sentence <= reach
                for c in self._kind(language, kind)
            )

        before = any(
            self.words[c.start].turn == here.turn and here.sentence - self.words[c.start].sentence == 1
            for c in self._kind(language, "past")
        )
        return (said("past", 0) or before) and not said("not_past", 0) and not said("recent", 0)

    def _subject(self, language: str, start: int, end: int) -> Subject:
        """Who is nearest: inside the phrase itself, else to its left in the sentence."""
        sentence = self.words[start].sentence
        nearest: tuple[int, Subject] = (-1, "self")
        kinds: tuple[tuple[str, Subject], ...] = (("self", "self"), ("others", "other"), ("listener", "unclear"))
        for kind, subject in kinds:
            for cue in self._kind(language, kind):
                inside = start <= cue.start < end
                if inside and subject == "self":
                    return "self"
                if cue.start < start and self.words[cue.start].sentence == sentence and cue.start > nearest[0]:
                    nearest = (cue.start, subject)
        return nearest[1]


def _rows(path: Path, language: str) -> Iterator[Concept]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    known = {f.name for f in fields(Concept)} - {"passes"} | {"pass"}
    for n, row in enumerate(table.get("concept", ()), 1):
        where = f"{path.name}, concept {n} {row.get('id', '')}"
        if unknown := set(row) - known:
            raise CounselError(
                f"unknown field {sorted(unknown)[0]}", where=where, fix=f"use {', '.join(sorted(known))}"
            )
        missing = {"id", "category", "level", "says", "phrases"} - set(row)
        if missing:
            raise CounselError(f"the field {sorted(missing)[0]} is missing", where=where, fix="add it")
        if row["category"] not in CATEGORIES:
            raise CounselError(f"no such category: {row['category']}", where=where, fix=f"use {', '.join(CATEGORIES)}")
        levels = Level.__members__
        for name in ("level", "raises"):
            if row.get(name, "none") not in levels:
                raise CounselError(f"no such level: {row[name]}", where=where, fix=f"use {', '.join(levels)}")
        plain = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items() if k != "pass"}
        level, raises = levels[row["level"]], levels[row.get("raises", "none")]
        yield Concept(
            **plain
            | {
                "level": level,
                "raises": raises,
                "passes": tuple(row.get("pass", ())),
                "language": row.get("language", language),
            }
        )


@cache
def load(folder: Path = TABLE) -> Rules:
    """The table in a folder.

    Raises:
        CounselError: naming the file, the row and what is wrong with it.
    """
    concepts: list[Concept] = []
    lists: dict[str, Sequence[str]] = {}
    tables = {p.stem: p for p in sorted(folder.glob("*.toml"))}
    for name, path in tables.items():
        if name in ("words", "scope", "idioms"):
            continue
        try:
            concepts += _rows(path, name if name in LANGUAGES else "en")
            lists |= tomllib.loads(path.read_text(encoding="utf-8")).get("lists", {})
        except tomllib.TOMLDecodeError as e:
            raise CounselError(f"not TOML: {e}", where=path.name, fix="mend the line") from e
    twice = {c.id for c in concepts if sum(o.id == c.id and o.language == c.language for o in concepts) > 1}
    if twice:
        raise CounselError(f"two concepts have the id {sorted(twice)[0]}", where=folder, fix="rename one")
    words, scope, idioms = (tomllib.loads(tables[n].read_text(encoding="utf-8")) for n in ("words", "scope", "idioms"))
    return Rules(concepts, lists, words, scope, idioms["phrases"])
