"""Loads small.toml: feelings without a topic, vague beginnings, exchanges, system texts (used by generate.py)."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world import HERE, Next, Report, Topic, WorldError, check, read_topics

PLACES = ("start", "end", "any")
FAMILY_FIELDS = ("thing", "mirror", "why", "questions", "advice")
REST = "feeling_other"


@dataclass(frozen=True)
class Exchange:
    """Fixed user texts and the parts of their replies: one text of each part is taken."""

    id: str
    place: str
    user: tuple[str, ...]
    reply: tuple[tuple[str, ...], ...]
    counseling: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Smalltalk:
    """All of small.toml."""

    topics: tuple[Topic, ...]
    exchanges: tuple[Exchange, ...]
    system: tuple[str, ...]


def _family(raw: dict[str, Any], common: dict[str, Any], words: tuple[str, ...]) -> Topic:
    return Topic(
        id=raw["id"],
        slots={"feeling": words},
        feelings=(),
        tell=tuple(common["tell"]),
        detail=tuple(common["detail"]),
        ask=tuple(common["ask"]),
        next=tuple(Next(**{key: tuple(value) for key, value in item.items()}) for item in common["next"]),
        **{name: tuple(raw[name]) for name in FAMILY_FIELDS},
    )


def _parts(raw: Iterable[Iterable[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(part) for part in raw)


def load_smalltalk(feelings: Iterable[str], path: Path = HERE / "small.toml") -> Smalltalk:
    """Small talk; `feelings` are all feeling words of the world, and those in no family go to the family of the rest.

    Raises WorldError when a text breaks the style of WORLD.md.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    named = {word for family in raw["family"] for word in family["words"]}
    rest = tuple(sorted(set(feelings) - named))
    topics = [
        _family(family, raw["common"], rest if family["id"] == REST else tuple(family["words"]))
        for family in raw["family"]
        if family["words"] or rest
    ]
    report = Report()
    topics += read_topics(path, report)
    check(topics, path.name, report, counts=False)
    exchanges = [
        Exchange(
            item["id"],
            item["place"],
            tuple(item["user"]),
            _parts(item["reply"]),
            _parts(item.get("counseling", [])),
        )
        for item in raw["exchange"]
    ]
    report.problems += [f"{path.name}: {e.id}: place is none of {PLACES}" for e in exchanges if e.place not in PLACES]
    if report.problems:
        raise WorldError("\n".join(report.problems))
    return Smalltalk(tuple(topics), tuple(exchanges), tuple(raw["system"][0]["text"]))
