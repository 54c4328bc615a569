"""What the chat says about itself, and what the law makes it say: which notices are due now, in which words.

The chat says that it is an AI and not a professional, what is kept, and when a human reads it. Every visit begins with
this, and every question about it is answered, wherever people are; a jurisdiction only adds to it. ``notices.toml``
holds the words, the laws with their sources, and the phrases that ask. Nothing here reads a clock. docs/notices.md says
what each law asks for; it is not legal advice.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from counsel.errors import CounselError
from counsel.safety.reading.phrases import Match, Phrases
from counsel.safety.reading.spelling import Reader, Word

TABLE = Path(__file__).with_name("notices.toml")
Jurisdiction = Literal["US-CA", "US-NY", "US-UT", "US-IL", "US-WA", "US-OR", "EU", "none"]
JURISDICTIONS: tuple[Jurisdiction, ...] = get_args(Jurisdiction)
Kept = Literal["nothing", "this_device", "until_deleted"]
Reads = Literal["never", "on_handoff", "for_quality"]
NoticeKind = Literal["start", "returned", "unavailable", "asked", "reminder", "break"]
KINDS: tuple[NoticeKind, ...] = get_args(NoticeKind)
"""The kinds of notices, in the order in which they are shown."""
_SLIPS = ("human", "person", "robot", "machine", "humano", "humana", "persona", "maquina")
"""Words in which one wrong letter is corrected."""


@dataclass(frozen=True, slots=True)
class Law:
    """What a jurisdiction adds, according to our sources. The keys are explained at the top of ``notices.toml``.

    Attributes:
        jurisdiction: where the law holds; ``none`` adds nothing.
        reminder_hours: 0 for never.
        minor_hours: 0 for never.
        absence_days: 0 for never.
        therapy_allowed: whether the chat may be offered as therapy at all.
    """

    jurisdiction: Jurisdiction = "none"
    name: str = ""
    in_force: str = ""
    asks: tuple[str, ...] = ()
    source: str = ""
    checked_on: date | None = None
    reminder_hours: int = 0
    minor_hours: int = 0
    absence_days: int = 0
    therapy_allowed: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice, to be shown as it is, before the reply and never in its place."""

    kind: NoticeKind
    text: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for a whole deployment.

    Attributes:
        jurisdiction: whose law is followed, as the operator set or the person chose it; never guessed from text.
        kept: what is kept of the talk: nothing, on this device alone, or by the team until it is deleted.
        reads: when a human on the team reads it: never, after a hand-off, or also to check its quality.

    Raises:
        CounselError: for an unknown value, or when people are to read for quality what is not kept.
    """

    jurisdiction: Jurisdiction = "none"
    kept: Kept = "nothing"
    reads: Reads = "never"

    def __post_init__(self) -> None:
        known = {"jurisdiction": JURISDICTIONS, "kept": get_args(Kept), "reads": get_args(Reads)}
        for name, values in known.items():
            if getattr(self, name) not in values:
                raise CounselError(
                    f"{getattr(self, name)!r} is not a known value of {name}", fix=f"use one of {', '.join(values)}"
                )
        if self.reads == "for_quality" and self.kept != "until_deleted":
            raise CounselError(
                f"a team cannot read for quality when kept is {self.kept!r}",
                fix="set kept to until_deleted, or reads to on_handoff or never",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where a talk stands. Times are aware datetimes, in any zone.

    Attributes:
        now: this moment.
        started_at: when this visit began.
        last_notice_at: when notices were last shown, of whatever kind; None for never.
        last_seen: when the person was last here before now, in this visit or an earlier one; None for never.
        language: BCP 47 tag; Spanish gets Spanish words, every other language English ones.
        known_minor: whether the person is known to be a minor.
        asked: whether their message asks what they talk to (``asks_if_human``).

    Raises:
        CounselError: for a time without a zone, or for a time after ``now``, which means that a clock went backwards.
    """

    now: datetime
    started_at: datetime
    last_notice_at: datetime | None = None
    last_seen: datetime | None = None
    language: str = "en"
    known_minor: bool = False
    asked: bool = False

    def __post_init__(self) -> None:
        for name in ("now", "started_at", "last_notice_at", "last_seen"):
            time = getattr(self, name)
            if time is None:
                continue
            if time.utcoffset() is None:
                raise CounselError(f"{name} has no time zone", fix="give an aware datetime, such as datetime.now(UTC)")
            # Within one zone Python compares and subtracts wall clock times, which is wrong when the clocks change.
            object.__setattr__(self, name, time.astimezone(UTC))
            if getattr(self, name) > self.now:
                raise CounselError(
                    f"{name} is after now: the clock went backwards", fix="set the clock, and show the start again"
                )


def law(jurisdiction: Jurisdiction) -> Law:
    """What a jurisdiction adds. Here the chat finds ``therapy_allowed``."""
    return _load().laws[jurisdiction]


def due(policy: Policy, at: Situation) -> tuple[Notice, ...]:
    """The notices to show now, in order. Call this before the first message of a visit, and with every message.

    When some were shown, ``now`` is the next call's ``last_notice_at``. The hours count from the start of the visit,
    so that a notice for another reason never puts off the next one. Do not call this while a human being answers.
    """
    kept_law = law(policy.jurisdiction)
    words = _load().words["es" if at.language.casefold().split("-")[0] == "es" else "en"]
    opening = _opening(kept_law, at)
    minor_hours = kept_law.minor_hours if at.known_minor else 0
    wanted: dict[NoticeKind, bool] = {
        "start": opening == "start",
        "returned": opening == "returned",
        "unavailable": opening is not None and not kept_law.therapy_allowed,
        "asked": at.asked,
        "reminder": opening is None and (_passed(at, kept_law.reminder_hours) or _passed(at, minor_hours)),
        "break": _passed(at, minor_hours),
    }
    return tuple(Notice(kind, _text(kind, policy, words)) for kind in KINDS if wanted[kind])


def _opening(kept_law: Law, at: Situation) -> Literal["start", "returned"] | None:
    """The notice that opens a visit, also for somebody who comes back to a visit that was left open."""
    told = at.last_notice_at is not None and at.last_notice_at >= at.started_at
    if kept_law.absence_days and at.last_seen and at.now - at.last_seen >= timedelta(days=kept_law.absence_days):
        # A notice at the start of this visit, before its first message, counts.
        return None if told and at.last_seen < at.started_at else "returned"
    return None if told else "start"


def _passed(at: Situation, hours: int) -> bool:
    """Whether a multiple of this many hours has passed since the start, and no notice was shown after it."""
    if not hours:
        return False
    every = timedelta(hours=hours)
    shown = max(at.last_notice_at or at.started_at, at.started_at)
    return (at.now - at.started_at) // every > (shown - at.started_at) // every


def _text(kind: NoticeKind, policy: Policy, words: Mapping[str, Any]) -> str:
    text: str = words[kind]
    if kind not in ("start", "returned"):
        return text
    parts = [text, words["start"]] if kind == "returned" else [text]
    parts += [words["kept"][policy.kept], words["reads"][policy.reads], words["also"].get(policy.jurisdiction, "")]
    return " ".join(p for p in parts if p)


def privacy(policy: Policy, language: str) -> str:
    """What is kept of the talk and who reads it, in the words of the notice that opened it."""
    words = _load().words["es" if language.casefold().split("-")[0] == "es" else "en"]
    return f"{words['kept'][policy.kept]} {words['reads'][policy.reads]}"


def asks_if_human(text: str) -> bool:
    """Whether a message asks what answers here, a human or a machine, or whether it is a professional.

    It reads English and Spanish, also when misspelt. In doubt it says yes, because the answer is true in any case.
    """
    return _load().asking.finds(text)


class _Asking:
    """The phrases that ask, compiled."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        phrases, questions, unless = table["phrases"], table["questions"], table["unless"]
        self._plain, self._until = len(phrases), len(phrases) + len(questions)
        self._phrases = Phrases([*phrases, *questions, *unless], table["lists"], table["typos"])
        self._reader = Reader(self._phrases.vocabulary, _SLIPS, table["typos"])

    def finds(self, text: str) -> bool:
        """Whether a phrase that asks is there, and nothing around it excuses it."""
        words = self._reader.read(text)
        found = self._phrases.find(words)
        pardons = [m for m in found if m.phrase >= self._until]
        asking = [m for m in found if m.phrase < self._plain]
        asking += [m for m in found if self._plain <= m.phrase < self._until and _is_question(text, words, m)]
        return any(not any(m.start < p.end and p.start < m.end for p in pardons) for m in asking)


def _is_question(text: str, words: list[Word], match: Match) -> bool:
    """Whether the sentence of a match ends with a question mark."""
    last = match.end
    while last < len(words) and words[last].sentence == words[match.start].sentence:
        last += 1
    end = words[last].start if last < len(words) else len(text)
    return any(mark in text[words[last - 1].end : end] for mark in "?？")


@dataclass(frozen=True, slots=True)
class _Table:
    """``notices.toml``, checked and compiled."""

    laws: Mapping[Jurisdiction, Law]
    words: Mapping[str, Mapping[str, Any]]
    asking: _Asking


@cache
def _load() -> _Table:
    return read(TABLE)


def read(path: Path) -> _Table:
    """The table in a file of one's own.

    Raises:
        CounselError: for a file that cannot be read, a missing or unknown key, a law without source or date, a
            jurisdiction that is missing or stands twice, or a phrase that cannot be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise CounselError(f"the notices could not be read: {e}", where=path, fix="restore the file") from e
    _same_keys(content, {"law", "words", "asked"}, path.name)
    laws = [_law(entry, f"{path.name}, law entry {n}") for n, entry in enumerate(content["law"], 1)]
    places = sorted(entry.jurisdiction for entry in laws)
    if places != sorted(set(JURISDICTIONS) - {"none"}):
        raise CounselError("each jurisdiction must have one row", where=path, fix=f"give {', '.join(JURISDICTIONS)}")
    _same_keys(content["words"], {"en", "es"}, f"{path.name}, words")
    for language, words in content["words"].items():
        _check_words(words, f"{path.name}, words.{language}")
    _same_keys(content["asked"], {"phrases", "questions", "unless", "lists", "typos"}, f"{path.name}, asked")
    return _Table({entry.jurisdiction: entry for entry in [Law(), *laws]}, content["words"], _Asking(content["asked"]))


def _same_keys(table: Mapping[str, Any], keys: set[str], where: str) -> None:
    """Check that the table has exactly these keys."""
    for key in sorted(keys ^ table.keys()):
        what, fix = ("unknown", "take it out") if key in table else ("missing", "restore it")
        raise CounselError(f"{key!r} is {what}", where=where, fix=fix)


def _law(entry: Mapping[str, Any], where: str) -> Law:
    """One checked row."""
    types = {f.name: type(f.default) for f in fields(Law)} | {"asks": list, "checked_on": date}
    needed = {"jurisdiction", "name", "in_force", "asks", "source", "checked_on"}
    _same_keys({k: 0 for k in entry if k not in types or k in needed}, needed, where)
    for key, value in entry.items():
        if type(value) is not types[key] or (isinstance(value, int) and value < 0) or value in ("", []):
            raise CounselError(f"{key} is not a usable {types[key].__name__}", where=where, fix=f"mend {key}")
    return Law(**{**entry, "asks": tuple(entry["asks"])})


def _check_words(words: Mapping[str, Any], where: str) -> None:
    """Every wording is there, and none holds a number; numbers are in ``helplines.toml`` alone."""
    _same_keys(words, {*KINDS, "kept", "reads", "also"}, where)
    _same_keys(words["kept"], set(get_args(Kept)), f"{where}.kept")
    _same_keys(words["reads"], set(get_args(Reads)), f"{where}.reads")
    _same_keys({k: v for k, v in words["also"].items() if k not in JURISDICTIONS}, set(), f"{where}.also")
    texts = {**{k: words[k] for k in KINDS}, **words["kept"], **words["reads"], **words["also"]}
    for key, text in texts.items():
        if not isinstance(text, str) or not text.strip() or any(c.isdigit() for c in text):
            raise CounselError(f"{key} must be a text without a number", where=where, fix="write a sentence in quotes")
