"""The registry of helplines, ``helplines.toml``: the only place that holds telephone numbers, each with source and day.

``safety`` offers people what stands under ``[[line]]``; ``data`` masks these and what stands under ``[[recognised]]``:
lines that people write about and that are offered to nobody, because they have ended or their operator was never asked.
Nothing here reads a clock or a network.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from counsel.errors import CounselError

REGISTRY = Path(__file__).with_name("helplines.toml")
TOPICS = ("emergency", "suicide", "abuse", "minor", "veterans", "directory")
AUDIENCES = ("everyone", "veterans", "women", "children", "young people")
LONGEST = timedelta(days=366)
"""The longest time that an entry may go without a new check."""
ALIASES = {"UK": "GB"}
"""Codes that people write for a country, and the ISO code that is meant."""
_NUMBER = re.compile(r"\d(?:[\d -]*\d)?")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """A line that is recognised in what people write and offered to nobody; ``helplines.toml`` explains the fields."""

    country: str
    name: str
    source: str
    checked_on: date
    number: str = ""
    text: str = ""
    ended: str = ""
    """What became of the line, if it was closed or replaced."""

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers to call and to text, as they are written."""
        return tuple(n for n in (self.number, self.text) if n)


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpline:
    """One line. The fields are explained at the top of ``helplines.toml``; ``free`` is None where it is unknown."""

    country: str
    name: str
    hours: str
    languages: tuple[str, ...]
    audience: str
    topics: tuple[str, ...]
    free: bool | None
    source: str
    checked_on: date
    expires: date
    number: str = ""
    press: str = ""
    also: str = ""
    tty: str = ""
    text: str = ""
    keyword: str = ""
    web: str = ""
    distinct: bool = False

    def expired(self, today: date) -> bool:
        """Whether the entry must no longer be shown: from the day ``expires`` on."""
        return today >= self.expires

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers to call, to text and for text telephones, as they are written."""
        return tuple(n for n in (self.number, self.also, self.tty, self.text) if n)

    @property
    def is_emergency(self) -> bool:
        """Whether it is the number of the emergency services."""
        return "emergency" in self.topics

    @property
    def is_directory(self) -> bool:
        """Whether it lists helplines instead of being one."""
        return "directory" in self.topics

    @property
    def is_open_and_free(self) -> bool:
        """Whether it is known to cost nothing and to answer at every hour."""
        return self.free is True and self.hours == "24/7"


@dataclass(frozen=True, slots=True)
class Registry:
    """All that a registry's file says."""

    lines: tuple[Helpline, ...]
    """The lines that people are offered, expired or not, in the order of the file."""
    recognised: tuple[Recognised, ...]
    """The lines that people write about but are not offered."""


@cache
def load() -> Registry:
    """The registry that is shipped.

    Raises:
        CounselError: when the file has an unknown key, lacks a source, or holds an impossible date or number.
    """
    return read(REGISTRY)


def read(path: Path) -> Registry:
    """The registry in a file of one's own; ``load`` says what is checked."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise CounselError(f"the helplines could not be read: {e}", where=path, fix="restore the file") from e
    if not {"line"} <= set(content) <= {"line", "recognised"}:
        raise CounselError(
            "a registry holds [[line]] and [[recognised]] tables and nothing else",
            where=path,
            fix="see docs/helplines.md",
        )
    lines = tuple(_line(entry, f"{path.name}, line entry {n}") for n, entry in enumerate(content["line"], 1))
    if not any(line.country == "*" and line.is_directory for line in lines):
        raise CounselError(
            "the directory for everywhere else is missing", where=path, fix="keep the entry whose country is *"
        )
    recognised = []
    for n, entry in enumerate(content.get("recognised", ()), 1):
        _check(Recognised, entry, f"{path.name}, recognised entry {n}")
        recognised.append(Recognised(**entry))
    if both := _digits_of(*lines) & _digits_of(*recognised):
        raise CounselError(
            f"{min(both)} is both offered and recognised only", where=path, fix="keep one of the two entries"
        )
    return Registry(lines, tuple(recognised))


def _line(entry: Mapping[str, Any], where: str) -> Helpline:
    """One checked entry that is offered."""
    _check(Helpline, entry, where)
    free = None if entry["free"] == "unknown" else entry["free"]
    rest = {"free": free, "languages": tuple(entry["languages"]), "topics": tuple(entry["topics"])}
    return Helpline(**{**entry, **rest})


def _check(kind: type[Helpline | Recognised], entry: Mapping[str, Any], where: str) -> None:
    optional = {f.name: f.default is not MISSING for f in fields(kind)}
    fault = _shape_fault(entry, optional) or _number_fault(entry) or (_line_fault(entry) if kind is Helpline else None)
    if fault:
        what, fix = fault
        raise CounselError(what, where=f"{where} ({entry.get('country')}, {entry.get('name')})", fix=fix)


def _shape_fault(entry: Mapping[str, Any], optional: Mapping[str, bool]) -> tuple[str, str] | None:
    """What is wrong with the keys or their types, and what to do."""
    for key in entry:
        if key not in optional:
            return f"a helpline has no field called {key!r}", f"use one of {', '.join(optional)}"
    for key, may_lack in optional.items():
        if key not in entry and not may_lack:
            return f"{key} is missing", f"add {key}"
    return next((fault for key, value in entry.items() if (fault := _type_fault(key, value))), None)


def _type_fault(key: str, value: Any) -> tuple[str, str] | None:
    """What is wrong with the kind of a value, and what to do."""
    if key in ("languages", "topics"):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            return f"{key} must be a list of words", f'write {key} as ["…", "…"]'
    elif key in ("checked_on", "expires"):
        if type(value) is not date:  # Python counts a datetime as a date, but here it is not one
            return f"{key} is not a date", "write it as 2026-11-23, without quotes"
    elif key == "distinct":
        if value is not True:
            return "distinct can only be true", "leave it out unless it is true"
    elif key != "free" and (not isinstance(value, str) or not (value.strip() or key == "hours")):
        return f"{key} must be words", f"write {key} as a text in quotes"
    return None


def _number_fault(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with the country or the ways to reach it, and what to do."""
    if not re.fullmatch(r"[A-Z]{2}|\*", entry["country"]) or entry["country"] in ALIASES:
        return "country is not an ISO 3166 code, EU or *", "write two capital letters"
    for key in ("number", "also", "tty", "text", "press"):
        if key in entry and not _NUMBER.fullmatch(entry[key]):
            return f"{key} is not a telephone number", "write digits, spaces and hyphens"
    if "web" in entry and not _HOST.fullmatch(entry["web"]):
        return "web is not the name of a host", "write it as example.org"
    if not entry.keys() & {"number", "text", "web"}:
        return "the entry gives no way to reach the line", "give number, text or web"
    return None


def _line_fault(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with what a person would be told, and what to do."""
    if not entry["checked_on"] < entry["expires"] <= entry["checked_on"] + LONGEST:
        return "expires must be after checked_on, by a year at most", "check the line again and set both dates"
    if entry["free"] not in (True, False, "unknown"):
        return 'free must be true, false or "unknown"', 'write true, false or "unknown"'
    if entry["audience"] not in AUDIENCES or not set(entry["topics"]) <= set(TOPICS) or not entry["topics"]:
        return "the audience or one of the topics is not known", f"use {', '.join(AUDIENCES)}; {', '.join(TOPICS)}"
    return None


def numbers() -> frozenset[str]:
    """The digits of every number that is offered, also those for texting; a reply may hold no other number."""
    return _digits_of(*load().lines)


def sites() -> frozenset[str]:
    """The host of every web address that is offered; a reply may hold no other address."""
    return frozenset(line.web for line in load().lines if line.web)


@cache
def recognised_numbers() -> frozenset[str]:
    """The digits of every number of the registry, offered or not, without North America's leading 1."""
    found = _digits_of(*load().lines, *load().recognised)
    return frozenset(national(n) for n in found)


@cache
def distinct_numbers() -> frozenset[str]:
    """The digits of the numbers that hardly mean anything else, so that they are recognised wherever they stand."""
    return _digits_of(*(line for line in load().lines if line.distinct))


def national(digits: str) -> str:
    """The digits of a number; of eleven digits, North America's leading 1 is left out."""
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits


def _digits_of(*lines: Helpline | Recognised) -> frozenset[str]:
    return frozenset(re.sub(r"\D", "", n) for line in lines for n in line.numbers)
