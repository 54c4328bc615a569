"""The words of the crisis protocol and how short answers are read: ``en.toml`` and ``es.toml``.

Clinicians edit the files; here they are only read, checked for shape, and looked up.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from counsel.errors import CounselError

BARRIERS = ("hospital", "police", "cost", "burden", "past", "voice", "shame", "phone", "parents", "taken")
"""What stands between a person and help, when they name it; ``refuses`` is a plain no to calling anybody."""
FILES = {"en": "en.toml", "es": "es.toml"}
LANGUAGES = tuple(FILES)
"""The languages that the protocol speaks."""
CUES = (
    "yes", "no", "unsure", "refuses", *BARRIERS, "human", "about_ai", "about_privacy", "numbers", "safe", "means",
    "now", "alone", "calling", "connected", "body", "veteran", "plan", "no_plan", "no_means", "apart", "at_place",
    "coming", "choked", "how_little", "corrected", "goodbye", "angry", "elsewhere", "helps", "meant_self",
)  # fmt: skip
GUARDED = frozenset(
    {"safe", "means", "human", "calling", "connected", "now", "body", "veteran", "plan", "apart", "at_place", "choked"}
)
"""Cues whose meaning a word such as *not* right before them reverses."""
_MARKS = frozenset({"reflection", "emergency", "line", "person", "subject", "privacy"})
_LISTS = (
    "mine",
    "the",
    "kin",
    "titles",
    "relations",
    "called",
    "acts",
    "near",
    "not_near",
    "small",
    "talk_about",
    "trailing",
    "vague",
)
_READ = 4000
"""How many characters of an answer are read at either end; the cues are meant for short answers."""
_REACH = 5
"""Within how many words before a phrase a *not* counts."""
_DENIES = frozenset({"not", "no", "never", "isnt", "dont", "nunca", "ni", "sin"})
_APOSTROPHES = dict.fromkeys(map(ord, "'’‘ʼ`´＇"), None)
_CLAUSE = re.compile(r"[.,;:!?\n…—–()\"“”¡¿]+")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Variant:
    """One wording of a step: what is said, and the question at the end, which may be empty."""

    say: str
    ask: str = ""


@dataclass(frozen=True, slots=True)
class TakeUp:
    """How something that a person said is taken up: the phrases that show it, and sentences that say it back."""

    phrases: tuple[str, ...]
    say: tuple[str, ...]

    def fits(self, text: str) -> bool:
        """Whether one of the phrases stands in a text, with no *not* right before it."""
        padded = f" {normal(text[:_READ])} "
        for phrase in self.phrases:
            at = padded.find(f" {phrase} ")
            if at >= 0 and not _DENIES & set(padded[:at].split()[-2:]):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Cue:
    """How one kind of answer is recognised."""

    whole: frozenset[str]
    starts: tuple[str, ...]
    phrases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phrasebook:
    """Everything the protocol says and reads in one language."""

    steps: Mapping[str, tuple[Variant, ...]]
    """By ``flow.step``, with ``_about`` after it for a wording of its own."""
    cues: Mapping[str, Cue]
    not_after: frozenset[str]
    emergency: str
    """What is said instead of the emergency number where none is known."""
    plain: Mapping[str, tuple[str, ...]]
    """Sentences for languages without words of their own; only in the English file."""
    takeups: Mapping[str, TakeUp]
    """In the order in which they are tried."""
    something: str
    """What stands for a subject that was not named: ``that``."""
    your: str
    """How a person near them is said back, with a place for the relation: ``your {}``."""
    turned: Mapping[str, str]
    """Words of the first person, and what they become when said back."""
    lists: Mapping[str, tuple[str, ...]]
    """Small lists that ``heard`` reads persons, subjects and the language by; the file says what each is."""


@cache
def load(language: str) -> Phrasebook:
    """The words of ``en`` or ``es``.

    Raises:
        CounselError: when the file has a step without variants, an unknown key or an unknown marked place.
    """
    return read(Path(__file__).with_name(FILES[language]))


def read(path: Path) -> Phrasebook:
    """The words in a file of one's own; ``load`` says what is checked."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise CounselError(f"the protocol's words could not be read: {e}", where=path, fix="mend the file") from e
    try:
        cues, names, plain = dict(content.pop("cues")), content.pop("names"), content.pop("plain", {})
        not_after = frozenset(map(normal, cues.pop("not_after")))
        read_cues = {name: _cue(cues.pop(name)) for name in CUES}
        emergency, something, your = (str(names[k]) for k in ("emergency", "something", "your"))
        takeups = {t["id"]: TakeUp(tuple(map(normal, t["phrases"])), tuple(t["say"])) for t in content.pop("takeup")}
        lists = content.pop("lists")
        turned = {normal(k): str(v) for k, v in lists.pop("turned").items()}
        found = {name: tuple(map(normal, lists.pop(name))) for name in _LISTS}
    except KeyError as e:
        raise CounselError(f"{e} is missing in the protocol's words", where=path, fix="restore it") from e
    if cues:
        raise CounselError(
            f"there is no cue called {next(iter(cues))!r}", where=path, fix=f"use one of {', '.join(CUES)}"
        )
    steps = {}
    for flow, its_steps in content.items():
        for step, variants in its_steps.items():
            steps[f"{flow}.{step}"] = tuple(_variant(v, f"{path.name}, {flow}.{step}") for v in variants)
    if lists:
        raise CounselError(
            f"there is no list called {next(iter(lists))!r}", where=path, fix=f"use one of {', '.join(_LISTS)}"
        )
    return Phrasebook(
        steps, read_cues, not_after, emergency, {k: tuple(v) for k, v in plain.items()}, takeups, something, your,
        turned, found,
    )  # fmt: skip


def _variant(entry: Mapping[str, Any], where: str) -> Variant:
    """One checked wording."""
    if not set(entry) <= {"say", "ask"} or not str(entry.get("say", "")).strip():
        raise CounselError(
            "a wording needs say, may have ask, and has nothing else", where=where, fix="see the top of the file"
        )
    variant = Variant(str(entry["say"]), str(entry.get("ask", "")))
    for mark in re.findall(r"\{(\w*)\}", variant.say + variant.ask):
        if mark not in _MARKS:
            raise CounselError(f"{{{mark}}} is not a known mark", where=where, fix=f"use {', '.join(sorted(_MARKS))}")
    return variant


def _cue(entry: Mapping[str, Any]) -> Cue:
    parts = {key: [normal(p) for p in entry.get(key, ())] for key in ("whole", "starts", "phrases")}
    return Cue(frozenset(parts["whole"]), tuple(parts["starts"]), tuple(parts["phrases"]))


def normal(text: str) -> str:
    """Words in lower case without accents or apostrophes, one space between them."""
    plain = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES).casefold())
    return " ".join(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c))))


def read_answer(text: str) -> frozenset[str]:
    """The cues that an answer holds, in English or Spanish, whatever language the talk is in.

    It reads the words alone; the caller decides what they mean after which question.
    """
    if len(text) > 2 * _READ:
        text = f"{text[:_READ]}\n{text[-_READ:]}"
    clauses = [c for c in map(normal, _CLAUSE.split(text)) if c]
    found = {cue for language in LANGUAGES for cue in _cues_of(clauses, load(language))}
    if "about_ai" in found:
        found -= {"human", "calling"}  # "are you a real person, will you call them" asks and does neither
    if "refuses" in found:
        found -= {"numbers", "calling", "yes"}
    if "unsure" in found or {"yes", "no"} <= found:
        found = found - {"yes", "no"} | {"unsure"}
    if "no_plan" in found:
        found -= {"plan"}
    if "no_means" in found:
        found -= {"means"}
    return frozenset(found)


def _cues_of(clauses: list[str], words: Phrasebook) -> Iterator[str]:
    padded = [f" {c} " for c in clauses]
    short = sum(c.count(" ") + 1 for c in clauses) <= 12
    for name, cue in words.cues.items():
        begins = bool(clauses) and any(_begins(clauses[0], start) for start in cue.starts)
        wholly = any(c in cue.whole for c in (clauses if short else clauses[:1]))
        if begins or wholly or any(_says(p, cue.phrases, words, name in GUARDED) for p in padded):
            yield name


def _begins(clause: str, start: str) -> bool:
    return clause == start or clause.startswith(f"{start} ")


def _says(padded: str, phrases: tuple[str, ...], words: Phrasebook, guarded: bool) -> bool:
    """Whether a clause holds one of the phrases, none of the guarded ones right after a *not*."""
    for phrase in phrases:
        at = padded.find(f" {phrase} ")
        if at >= 0 and not (guarded and words.not_after & set(padded[:at].split()[-_REACH:])):
            return True
    return False


def plain_line(language: str, turn: int = 0) -> str:
    """A plain sentence in a language that the protocol does not speak. It says: you are not alone, here is human help.

    Args:
        language: BCP 47 tag; any that has no sentence of its own gets the neutral one.
        turn: how many have been said before, so that the next one differs.
    """
    plain = load("en").plain
    lines = plain.get(language) or plain.get(language.split("-")[0]) or plain["und"]
    return lines[turn % len(lines)]
