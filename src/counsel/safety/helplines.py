"""Which helplines of a country a person is shown, and in which words; expired ones are withheld.

The country is what a person chose or a deployment set, never a guess. Nothing here reads a clock: the day is an
argument. Nobody is shown a number that is not in the registry (``counsel.helplines``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from counsel.errors import CounselError
from counsel.helplines import ALIASES, TOPICS, Helpline, load

MEMBERS_OF_EU = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()
)  # the 27 of the European Union on 2026-11-23
_A_LINE = re.compile(r" (?:Lifeline|Hotline|Helpline|Line|line)$|^Línea ")


def known_countries() -> tuple[str, ...]:
    """The codes of countries with entries of their own, sorted; EU is among them."""
    return tuple(sorted({line.country for line in load().lines} - {"*"}))


def check_country(code: str) -> str:
    """The code in capitals, GB for UK.

    Any two letters are accepted, since for every other country the directory is shown.

    Raises:
        CounselError: when it is not two letters.
    """
    plain = code.strip().upper()
    if not re.fullmatch(r"[A-Z]{2}", plain):
        raise CounselError(
            f"{code!r} is not a country code",
            fix=f"give two letters as in ISO 3166; {', '.join(known_countries())} have lines of their own, and "
            "for any other country the directory of helplines is shown",
        )
    return ALIASES.get(plain, plain)


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
        language: among equals, lines that answer in this language come first.

    Raises:
        CounselError: when the country is not a code or the topic is not known.
    """
    if topic is not None and topic not in TOPICS:
        raise CounselError(f"there is no helpline topic called {topic!r}", fix=f"use one of {', '.join(TOPICS)}")
    code = check_country(country) if country else None
    own = [line for line in load().lines if line.country == code]
    if not own and code in MEMBERS_OF_EU:
        own = [line for line in load().lines if line.country == "EU"]
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
        shown += [line for line in load().lines if line.is_directory]
    return tuple(shown)


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
    """How to reach the line, the most direct way first."""
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
    """What is known about the line: for whom it is, whether it is free, and at which hours."""
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
    """The same in brief, for the middle of a sentence, after a word such as *with*.

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
