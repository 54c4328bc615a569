"""The rule tier: a table that clinicians read (``rules/*.toml``) and what it finds in a person's words.

A concept's phrase is found by ``Phrases``. It counts unless its sentence takes it back: a negation before it, an idiom
around it, fiction, study or work, a past that is over. ``Hit.excuse`` says which, so that a verdict can be explained.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from counsel.errors import CounselError
from counsel.safety.reading.phrases import Match, Phrases
from counsel.safety.reading.spelling import Reader, Word
from counsel.safety.verdict import CATEGORIES, Action, Category, Level, Subject, Time

TABLE = Path(__file__).parent / "rules"
LANGUAGES = ("en", "es", "fr", "de", "pt", "hi")
BEFORE = 6
"""Words before a phrase, in its clause, in which a negation counts."""

_JOINERS = frozenset(
    "and but because so then though yet cause since y pero porque et mais car und aber weil e mas aur lekin".split()
)
_OWN = frozenset("my me mine".split())
_PLACES = frozenset("in at from on near beside behind next to with of".split())
"""Before a word of one's own: it says where somebody is and not who."""
_LOOKED_BACK = 12
_SPEAKERS = frozenset("i im ive id".split())
_ADJOINING = 2
"""Words before a phrase among which an I makes it the writer's own: "I have suicidal thoughts"."""

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
    reach: Literal["sentence", "near", "talk"] = "talk"
    """Where that other sign must stand: in the same sentence, a few messages before or behind, anywhere."""
    beside: Level = Level.low
    """The least level of that other sign."""
    hint: bool = False
    """Nothing alone; two different hints in a conversation are low."""
    soft: bool = False
    """Stands only where the classifier does not find its sentences plainly safe; always where there is none."""
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
    sentence: int = 0
    """The number of the sentence that it ends in."""


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


class _Cues:
    """The cues of one kind, to be asked about a place in a time that does not grow with the text."""

    def __init__(self, words: Sequence[Word], matches: Sequence[Match]) -> None:
        self.words = words
        self.matches = sorted(matches, key=lambda m: (m.start, m.end))
        self.starts = [m.start for m in self.matches]
        self.longest = max((m.end - m.start for m in matches), default=0)
        self.sentences = {(words[m.start].turn, words[m.start].sentence) for m in matches}

    def within(self, first: int, stop: int) -> Sequence[Match]:
        """Those that start at the words ``first`` to ``stop``, the latter excluded."""
        return self.matches[bisect_left(self.starts, first) : bisect_left(self.starts, stop)]

    def over(self, at: int) -> Iterator[Match]:
        """Those that reach over a word, or end just before it."""
        return (m for m in self.within(at - self.longest, at + 1) if at <= m.end)

    def before(self, at: int) -> int:
        """The start of the nearest one before a word in its sentence; -1 where there is none."""
        found = self.nearest(at)
        return found.start if found else -1

    def nearest(self, at: int, unless: Callable[[Match], bool] = lambda _: False) -> Match | None:
        """The nearest one before a word in its sentence, among the last few that are not left out."""
        place = bisect_left(self.starts, at)
        for match in reversed(self.matches[max(0, place - _LOOKED_BACK) : place]):
            if self.words[match.start].sentence != self.words[at].sentence:
                return None
            if not unless(match):
                return match
        return None

    def near(self, word: Word, back: int, ahead: int) -> bool:
        """Whether one stands in the word's message, so many sentences before or behind it at most."""
        return any((word.turn, word.sentence + d) in self.sentences for d in range(-back, ahead + 1))


class _Scope:
    """What stands around a phrase."""

    def __init__(
        self, words: Sequence[Word], cues: Sequence[Match], kinds: Sequence[tuple[str, str]], idioms: Sequence[Match]
    ) -> None:
        self.words = words
        self.covered = {i for m in idioms for i in range(m.start, m.end)}
        grouped: dict[tuple[str, str], list[Match]] = {}
        for cue in cues:
            grouped.setdefault(kinds[cue.phrase], []).append(cue)
        self.cues = {kind: _Cues(words, matches) for kind, matches in grouped.items()}
        self.none = _Cues(words, ())

    def judged(self, concept: Concept, match: Match) -> Hit:
        """The hit with what excuses it, of whom it speaks, and when."""
        language, start, end = concept.language, match.start, match.end
        subject = concept.subject or self._subject(language, start, end)
        time: Time = "present"
        excuse: Excuse = ""
        sentence = self.words[end - 1].sentence
        if not concept.scope:
            return Hit(concept, start, end, "", "self", "present", sentence)
        if any(i in self.covered for i in range(start, end)):
            excuse = "idiom"
        elif self._negated(language, start, end):
            excuse = "negated"
        elif self._fiction(concept, start, end):
            excuse, time = "fiction", "hypothetical"
        elif self._past(language, start):
            excuse, time = "past", "past"
        elif subject == "unclear":
            excuse = "addressed"
        elif self._kind(language, "hypothetical").before(start) >= 0:
            time = "hypothetical"
        return Hit(concept, start, end, excuse, subject, time, sentence)

    def _kind(self, language: str, kind: str) -> _Cues:
        return self.cues.get((language, kind), self.none)

    def _negated(self, language: str, start: int, end: int) -> bool:
        words, here = self.words, self.words[start]
        denying_nothing = self._kind(language, "not_negation")
        for cue in self._kind(language, "negation").within(start - BEFORE, start):
            first = words[cue.start]
            if (first.sentence, first.clause) != (here.sentence, here.clause):
                continue
            if any(m.end > cue.start for m in denying_nothing.over(cue.start)):
                continue
            if not self._goes_on(language, cue.end, start):
                return True
        denials = self._kind(language, "denial")
        if any(words[m.start].sentence == here.sentence for m in (*denials.over(start), *denials.within(start, end))):
            return True
        behind = self._kind(language, "negated_after").within(end, end + 4)
        return any(words[m.start].sentence in (here.sentence, here.sentence + 1) for m in behind)

    def _goes_on(self, language: str, start: int, end: int) -> bool:
        """Whether a new statement begins in between: "they don't call and I …"."""
        speakers = self._kind(language, "self")
        return any(self.words[i].text in _JOINERS and speakers.within(i + 1, i + 2) for i in range(start, end))

    def _fiction(self, concept: Concept, start: int, end: int) -> bool:
        """A cue in the sentence; or in one beside it where the phrase is quoted."""
        here, language = self.words[start], concept.language
        reach = int(here.quoted)
        if self._kind(language, "fiction").near(here, reach, reach):
            return True
        topics = self._kind(language, "topic")
        said = any(self.words[i].text in _SPEAKERS and not topics.within(i, start) for i in _before(start))
        own = said or bool(self._kind(language, "self").within(start, end))
        return not own and concept.level < Level.imminent and topics.near(here, reach, reach)

    def _past(self, language: str, start: int) -> bool:
        here = self.words[start]
        return (
            self._kind(language, "past").near(here, 1, 0)
            and not self._kind(language, "not_past").near(here, 0, 0)
            and not self._kind(language, "recent").near(here, 0, 0)
        )

    def _subject(self, language: str, start: int, end: int) -> Subject:
        """Who is nearest: inside the phrase itself, else to its left in the sentence; the longer of two."""
        if self._kind(language, "self").within(start, end):
            return "self"
        kinds: tuple[tuple[str, Subject], ...] = (("self", "self"), ("others", "other"), ("listener", "unclear"))
        nearest: tuple[int, int, Subject] = (-1, 0, "self")
        for kind, subject in kinds:
            cue = self._kind(language, kind).nearest(start, self._is_no_person)
            if cue and (cue.start, cue.end) > nearest[:2]:
                nearest = (cue.start, cue.end, subject)
        return nearest[2]

    def _is_no_person(self, cue: Match) -> bool:
        """Whether it is only where somebody is: "a girl in my class", "sat next to me"."""
        words, at = self.words, cue.start
        return words[at].text in _OWN and at > 0 and words[at - 1].text in _PLACES


def _before(start: int) -> range:
    return range(max(0, start - _ADJOINING), start)


_FIELDS: dict[str, type] = {
    **dict.fromkeys(
        ("id", "category", "level", "says", "language", "raises", "beside", "reach", "subject", "time", "action"), str
    ),
    **dict.fromkeys(("phrases", "match", "pass"), list),
    **dict.fromkeys(("hint", "soft", "marker", "scope"), bool),
}
_WANTED = {str: "text in quotes", list: "a list of texts in quotes", bool: "true or false"}
_REQUIRED = ("id", "category", "level", "says", "phrases")
_VALUES: dict[str, tuple[str, ...]] = {
    "category": CATEGORIES,
    "level": tuple(Level.__members__),
    "raises": tuple(Level.__members__),
    "beside": tuple(Level.__members__),
    "reach": ("sentence", "near", "talk"),
    "language": LANGUAGES,
    "subject": get_args(Subject),
    "time": ("recent",),
    "action": get_args(Action),
}


def _check(row: Mapping[str, Any], where: str) -> None:
    if unknown := set(row) - set(_FIELDS):
        raise CounselError(f"unknown field {sorted(unknown)[0]}", where=where, fix=f"use {', '.join(sorted(_FIELDS))}")
    for name in _REQUIRED:
        if row.get(name, ()) in ("", (), []):
            raise CounselError(f"the field {name} is missing", where=where, fix="add it")
    for name, value in row.items():
        kind = _FIELDS[name]
        fits = type(value) is kind and (kind is not list or {str}.issuperset(map(type, row[name])))
        if not fits:
            raise CounselError(f"the field {name} is not {_WANTED[kind]}", where=where, fix=f"write {_WANTED[kind]}")
        if name in _VALUES and value not in _VALUES[name]:
            raise CounselError(f"{value} is not a known {name}", where=where, fix=f"use {', '.join(_VALUES[name])}")


def _rows(path: Path, table: Mapping[str, Any], language: str) -> Iterator[Concept]:
    for n, row in enumerate(table.get("concept", ()), 1):
        _check(row, f"{path.name}, concept {n} {row.get('id', '')}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        values["passes"] = values.pop("pass", ())
        values["level"], values["raises"] = Level[row["level"]], Level[row.get("raises", "none")]
        values["beside"] = Level[row.get("beside", "low")]
        yield Concept(**{"language": language} | values)


def _table(path: Path, parts: Sequence[str] = ()) -> dict[str, Any]:
    """A file of the table; ``parts`` are all that it may hold, where there are such."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise CounselError(f"not readable as TOML: {e}", where=path.name, fix="mend the line") from e
    if parts and (unknown := set(table) - set(parts)):
        raise CounselError(f"unknown table {sorted(unknown)[0]}", where=path.name, fix=f"use {', '.join(parts)}")
    return table


@cache
def load(folder: Path = TABLE) -> Rules:
    """The table in a folder.

    Raises:
        CounselError: naming the file, the row and what is wrong with it.
    """
    concepts: list[Concept] = []
    lists: dict[str, Sequence[str]] = {}
    for path in sorted(folder.glob("*.toml")):
        if path.stem not in ("words", "scope", "idioms"):
            table = _table(path, ("concept", "lists"))
            concepts += _rows(path, table, path.stem if path.stem in LANGUAGES else "en")
            lists |= table.get("lists", {})
    twice = [key for key, count in Counter((c.id, c.language) for c in concepts).items() if count > 1]
    if twice:
        raise CounselError(f"two concepts have the id {sorted(twice)[0][0]}", where=folder, fix="rename one")
    words, scope, idioms = (_table(folder / f"{name}.toml") for name in ("words", "scope", "idioms"))
    return Rules(concepts, lists, words, scope, idioms.get("phrases", ()))
