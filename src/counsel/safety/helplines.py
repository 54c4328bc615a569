"""The helplines of a country, from ``helplines.toml``: checked, dated, withheld once they have expired.

The country is what a person chose or a deployment set, never a guess. Nothing here reads a clock or a network: the
day is an argument. No number is shown to anybody that does not stand in the registry.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from counsel.errors import CounselError

REGISTRY = Path(__file__).with_name("helplines.toml")
TOPICS = ("emergency", "suicide", "abuse", "minor", "veterans", "directory")
AUDIENCES = ("everyone", "veterans", "women", "children", "young people")
MEMBERS_OF_EU = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()
)  # the 27 of the European Union on 2026-11-23
LONGEST = timedelta(days=366)
"""No entry may go unchecked for longer."""
_ALIASES = {"UK": "GB"}
_NUMBER = re.compile(r"\d(?:[\d -]*\d)?")
_A_LINE = re.compile(r" (?:Lifeline|Hotline|Helpline|Line|line)$|^Línea ")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
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

    def expired(self, today: date) -> bool:
        """Whether the entry must no longer be shown: from the day ``expires`` on."""
        return today >= self.expires

    @property
    def is_emergency(self) -> bool:
        """Whether it is the number of the emergency services."""
        return "emergency" in self.topics

    @property
    def is_directory(self) -> bool:
        """Whether it lists helplines and is none itself."""
        return "directory" in self.topics

    @property
    def is_open_and_free(self) -> bool:
        """Whether it is known to cost nothing and to answer at every hour."""
        return self.free is True and self.hours == "24/7"


_OPTIONAL = frozenset({"number", "press", "also", "tty", "text", "keyword", "web"})
_KEYS = tuple(f.name for f in fields(Helpline))


@cache
def load() -> tuple[Helpline, ...]:
    """Every entry of the registry, expired or not, in the order of the file.

    Raises:
        CounselError: when the file has an unknown key, lacks a source, or holds a date or a number that is none.
    """
    return read(REGISTRY)


def read(path: Path) -> tuple[Helpline, ...]:
    """The entries of a registry in a file of one's own; ``load`` says what is checked."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as e:
        raise CounselError(f"the helplines could not be read: {e}", where=path, fix="restore the file") from e
    if set(content) != {"line"}:
        raise CounselError("a registry holds [[line]] tables and nothing else", where=path, fix="see docs/helplines.md")
    lines = tuple(_line(entry, f"{path.name}, line entry {n}") for n, entry in enumerate(content["line"], 1))
    if not any(line.country == "*" and line.is_directory for line in lines):
        raise CounselError("the directory for everywhere else is missing", where=path, fix="keep the entry of *")
    return lines


def _line(entry: Mapping[str, Any], where: str) -> Helpline:
    """One checked entry."""
    fault = _shape_fault(entry) or _value_fault(entry)
    if fault:
        what, fix = fault
        raise CounselError(what, where=f"{where} ({entry.get('country')}, {entry.get('name')})", fix=fix)
    free = None if entry["free"] == "unknown" else entry["free"]
    rest = {"free": free, "languages": tuple(entry["languages"]), "topics": tuple(entry["topics"])}
    return Helpline(**{**entry, **rest})


def _shape_fault(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with the keys or their types, and what to do."""
    for key in entry:
        if key not in _KEYS:
            return f"{key!r} is no field of a helpline", f"use one of {', '.join(_KEYS)}"
    for key in _KEYS:
        if key not in entry and key not in _OPTIONAL:
            return f"{key} is missing", f"add {key}"
    for key in ("country", "name", "hours", "audience", "source", *sorted(_OPTIONAL & entry.keys())):
        if not isinstance(entry[key], str) or not (entry[key].strip() or key == "hours"):
            return f"{key} must be words", f"write {key} as a text in quotes"
    for key in ("languages", "topics"):
        if not isinstance(entry[key], list) or not all(isinstance(item, str) for item in entry[key]):
            return f"{key} must be a list of words", f'write {key} as ["…", "…"]'
    for key in ("checked_on", "expires"):
        if type(entry[key]) is not date:  # a datetime is a date too, and is none here
            return f"{key} is no date", "write it as 2026-11-23, without quotes"
    return None


def _value_fault(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """What is wrong with the values, and what to do."""
    if not entry["checked_on"] < entry["expires"] <= entry["checked_on"] + LONGEST:
        return "expires must be after checked_on, by a year at most", "check the line again and set both dates"
    if not re.fullmatch(r"[A-Z]{2}|\*", entry["country"]) or entry["country"] in _ALIASES:
        return "country is no ISO 3166 code, EU or *", "write two capital letters"
    if entry["free"] not in (True, False, "unknown"):
        return "free is none of true, false and unknown", 'write true, false or "unknown"'
    if entry["audience"] not in AUDIENCES or not set(entry["topics"]) <= set(TOPICS) or not entry["topics"]:
        return "audience or topics are not known", f"use {', '.join(AUDIENCES)}; {', '.join(TOPICS)}"
    for key in ("number", "also", "tty", "text", "press"):
        if key in entry and not _NUMBER.fullmatch(entry[key]):
            return f"{key} is no number", "write digits, spaces and hyphens"
    if "web" in entry and not _HOST.fullmatch(entry["web"]):
        return "web is no host", "write it as example.org"
    if not entry.keys() & {"number", "text", "web"}:
        return "there is no way to reach it", "give number, text or web"
    return None


def known_countries() -> tuple[str, ...]:
    """The codes that have entries of their own, sorted; EU among them."""
    return tuple(sorted({line.country for line in load()} - {"*"}))


def check_country(code: str) -> str:
    """The code in capitals, GB for UK.

    Any two letters are taken, since every other country is shown the directory.

    Raises:
        CounselError: when it is no two letters.
    """
    plain = code.strip().upper()
    if not re.fullmatch(r"[A-Z]{2}", plain):
        raise CounselError(
            f"{code!r} is no country code",
            fix=f"give two letters as in ISO 3166; {', '.join(known_countries())} have lines of their own, "
            "any other is shown the directory of helplines",
        )
    return _ALIASES.get(plain, plain)


def helplines(
    country: str | None, topic: str | None = None, *, today: date, language: str | None = None
) -> tuple[Helpline, ...]:
    """The lines to show, the most useful first.

    The emergency number comes first, then lines for the topic, then the others that are for everyone, free ones that
    answer day and night before the rest, and last the lines for a particular audience. A line that can be called and
    texted is one entry, so that neither way is shown without the other.

    Args:
        country: ISO 3166 alpha-2, ``EU``, or ``UK`` for GB; None when nobody has said.
        topic: one of ``TOPICS``, or None.
        today: expired entries are withheld on this day, and the directory is shown instead.
        language: lines that answer in this language come first within their rank.

    Raises:
        CounselError: when the country is no code or the topic is none of those known.
    """
    if topic is not None and topic not in TOPICS:
        raise CounselError(f"{topic!r} is no topic of a helpline", fix=f"use one of {', '.join(TOPICS)}")
    code = check_country(country) if country else None
    own = [line for line in load() if line.country == code]
    if not own and code in MEMBERS_OF_EU:
        own = [line for line in load() if line.country == "EU"]
    shown = [line for line in own if not line.expired(today)]

    def rank(line: Helpline) -> tuple[bool, ...]:
        fits = topic in line.topics
        return (
            not line.is_emergency,
            not fits,
            line.audience != "everyone",
            "suicide" not in line.topics,
            language is not None and language not in line.languages,
            not line.is_open_and_free,
        )

    shown.sort(key=rank)
    if len(shown) < len(own) or all(line.is_emergency for line in shown):
        # The directory is the last resort: it is shown even when its own entry is overdue.
        shown += [line for line in load() if line.is_directory]
    return tuple(shown)


def numbers() -> frozenset[str]:
    """The digits of every number of the registry, those for texting too: a reply may hold no other."""
    found = {_digits(n) for line in load() for n in (line.number, line.also, line.tty, line.text) if n}
    return frozenset(found)


def sites() -> frozenset[str]:
    """The host of every web address of the registry: a reply may hold no other."""
    return frozenset(line.web for line in load() if line.web)


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


_SAID = {
    "en": {
        "emergency": "Emergency services", "call": "call {}", "both": "call or text {}", "press": " and choose {}",
        "text": "text {}", "keyword": "text {} to {}", "chat": "chat at {}", "web": "go to {}", "tty": "TTY {}",
        "or": " or ", "joint": ", or ",
        "free": "free", "24/7": "day and night",
        "veterans": "for veterans and people who serve", "women": "for women", "children": "for children",
        "young people": "for young people",
        "directory": "it lists helplines by country",
    },
    "es": {
        "emergency": "Emergencias", "call": "llama al {}", "both": "llama o manda un mensaje al {}",
        "press": " y elige la opción {}", "text": "manda un mensaje al {}", "keyword": "manda un mensaje con {} al {}",
        "chat": "escribe en {}", "web": "entra en {}", "tty": "TTY {}",
        "or": " o ", "joint": ", o ", "free": "gratis", "24/7": "de día y de noche",
        "veterans": "para veteranos y militares", "women": "para mujeres", "children": "para niñas y niños",
        "young people": "para jóvenes",
        "directory": "reúne líneas de ayuda por país",
    },
    "": {
        "emergency": "SOS", "call": "tel. {}", "both": "tel. / SMS {}", "press": " > {}", "text": "SMS {}",
        "keyword": "SMS {} > {}", "chat": "{}", "web": "{}", "tty": "TTY {}", "or": " / ", "joint": ", ",
        "24/7": "24/7",
    },
}  # fmt: skip


def _ways(line: Helpline, said: Mapping[str, str]) -> list[str]:
    """How to reach it, the nearest way first."""
    ways = []
    number = said["or"].join(n for n in (line.number, line.also) if n)
    press = said["press"].format(line.press) if line.press else ""
    if line.number and line.number == line.text and not press:
        ways.append(said["both"].format(line.number))
    else:
        ways += [said["call"].format(number) + press] if number else []
        if line.text:
            form = said["keyword"].format(line.keyword, line.text) if line.keyword else said["text"].format(line.text)
            ways.append(form)
    ways += [said["web" if line.is_directory else "chat"].format(line.web)] if line.web else []
    ways += [said["tty"].format(line.tty)] if line.tty else []
    return ways


def _facts(line: Helpline, said: Mapping[str, str], *, audience: bool) -> list[str]:
    """What is known of it: for whom, free, at which hours."""
    if line.is_emergency:
        return []
    if line.is_directory:
        return [said["directory"]] if "directory" in said else []
    facts = [said.get(line.audience, "") if audience else "", said.get("free", "") if line.free else ""]
    facts += [said["24/7"] if line.hours == "24/7" else ""]
    return [f for f in facts if f]


def spoken(line: Helpline, language: str) -> str:
    """One plain line of text for a person.

    Args:
        line: the helpline.
        language: ``en`` or ``es``; for any other the signs that are the same everywhere (tel., SMS).
    """
    said = _SAID.get(language, _SAID[""])
    ways = _ways(line, said)
    how = said["joint"].join([", ".join(ways[:-1]), ways[-1]]) if len(ways) > 1 else ways[0]
    facts = ", ".join(_facts(line, said, audience=True))
    name = said["emergency"] if line.is_emergency else line.name
    return f"{name}: {how}." + (f" {facts[0].upper()}{facts[1:]}." if facts else "")


def brief(line: Helpline, language: str, *, known: bool = False) -> str:
    """The same in passing, to stand within a sentence after a word such as *with*.

    Args:
        line: the helpline.
        language: as for ``spoken``.
        known: whether the person has seen it before, so that its name and number are enough.
    """
    said = _SAID.get(language, _SAID[""])
    if line.is_directory:
        return line.web
    ways = said["joint"].join(_ways(line, said)[: 2 if line.text != line.number else 1])
    facts = [] if known else _facts(line, said, audience=False)
    return f"{_named(line, language)} ({', '.join([ways, *facts])})"


def _named(line: Helpline, language: str) -> str:
    """The name with its article."""
    if line.is_emergency:
        return _SAID.get(language, _SAID[""])["emergency"]
    if language == "es":
        return f"la {line.name}" if line.name.startswith("Línea") else f"la línea {line.name}"
    return f"the {line.name}" if language == "en" and _A_LINE.search(line.name) else line.name
