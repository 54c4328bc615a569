"""The topics of counsel-tiny's world: loads world/*.toml, checks them against WORLD.md, resolves their slots.

Run `python tools/tiny/world.py` to check every file: it lists all problems (exit 1) and hints (exit 0).
"""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FIRST_PERSON = ("tell", "detail", "ask")
SECOND_PERSON = ("thing", "mirror", "why", "questions", "advice")
MINIMUM = {
    "tell": 10,
    "detail": 8,
    "ask": 5,
    "mirror": 10,
    "why": 5,
    "questions": 10,
    "advice": 14,
    "thing": 3,
    "feelings": 4,
    "next": 6,
}
NEXT_FIELDS = ("user", "mirror", "question", "advice")
SLOT = re.compile(r"\{([a-z_]+)\}")
ALLOWED = re.compile(r"[A-Za-z ,.?!'{}_-]+")
CLOSED_QUESTION = re.compile(r"(?:Do|Does|Did|Is|Are|Was|Were|Can|Could|Would|Will|Have|Has|Should)\b")
OPEN_WORD = re.compile(r"\b(?:what|how|when|which|who|whose|whom|where|why)\b", re.IGNORECASE)
SPEAKER = re.compile(r"\b(?:I|I'm|me|my|mine|we|our|us)\b")


class WorldError(ValueError):
    """A topic breaks the contract of WORLD.md; the text lists each problem with its file and topic."""


@dataclass(frozen=True)
class Next:
    """A later user turn of a topic and what fits as a reply to it."""

    user: tuple[str, ...]
    mirror: tuple[str, ...]
    question: tuple[str, ...]
    advice: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """One everyday worry; the texts still hold their slots."""

    id: str
    slots: Mapping[str, tuple[str, ...]]
    feelings: tuple[str, ...]
    thing: tuple[str, ...]
    tell: tuple[str, ...]
    detail: tuple[str, ...]
    ask: tuple[str, ...]
    mirror: tuple[str, ...]
    why: tuple[str, ...]
    questions: tuple[str, ...]
    advice: tuple[str, ...]
    next: tuple[Next, ...]


@dataclass
class Report:
    """What a check found: problems stop the build, hints want a look."""

    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)


def second_person(value: str) -> str:
    """A slot's value as it addresses the user: "my sister" becomes "your sister"."""
    return re.sub(r"\bmy\b", "your", value)


def resolve(text: str, values: Mapping[str, str]) -> str:
    """Fill the slots of `text`."""
    if "{" in text:
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
    return text


def slots_in(text: str) -> frozenset[str]:
    """The names of the slots that `text` uses."""
    return frozenset(SLOT.findall(text)) if "{" in text else frozenset()


def capitalize(text: str) -> str:
    """`text` with its first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def _strings(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = raw.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise WorldError(f"{name} must be a list of strings")
    return tuple(value)


def _topic(raw: Mapping[str, Any]) -> Topic:
    unknown = set(raw) - {"id", "slots", "feelings", "next", *FIRST_PERSON, *SECOND_PERSON}
    if unknown:
        raise WorldError(f"unknown keys {sorted(unknown)}")
    for follow in raw.get("next", []):
        if set(follow) != set(NEXT_FIELDS):
            raise WorldError(f"a topic.next has the keys {sorted(follow)}, not {sorted(NEXT_FIELDS)}")
    return Topic(
        id=str(raw.get("id", "")),
        slots={name: _strings(raw["slots"], name) for name in raw.get("slots", {})},
        feelings=_strings(raw, "feelings"),
        next=tuple(Next(**{key: _strings(item, key) for key in NEXT_FIELDS}) for item in raw.get("next", [])),
        **{name: _strings(raw, name) for name in (*FIRST_PERSON, *SECOND_PERSON)},
    )


def read_topics(path: Path, report: Report) -> list[Topic]:
    """The topics of one file; what cannot be read goes to `report`."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        report.problems.append(f"{path.name}: not TOML: {error}")
        return []
    topics = []
    for item in raw.get("topic", []):
        try:
            topics.append(_topic(item))
        except (WorldError, TypeError) as error:
            report.problems.append(f"{path.name}: {item.get('id', '(no id)')}: {error}")
    return topics


def _texts(topic: Topic) -> Iterator[tuple[str, str, bool]]:
    """Every text with the name of its field and whether it addresses the user."""
    for name in FIRST_PERSON:
        yield from ((name, text, False) for text in getattr(topic, name))
    for name in SECOND_PERSON:
        yield from ((name, text, True) for text in getattr(topic, name))
    for number, follow in enumerate(topic.next, start=1):
        for key in NEXT_FIELDS:
            label = "questions" if key == "question" else key
            yield from ((f"next {number} {label}", text, key != "user") for text in getattr(follow, key))


def _count_problems(topic: Topic) -> Iterator[str]:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", topic.id):
        yield "id must be snake_case"
    for name, least in MINIMUM.items():
        if len(getattr(topic, name)) < least:
            yield f"{name}: {len(getattr(topic, name))} given, at least {least} wanted"
    if len(topic.feelings) > 8:
        yield f"feelings: {len(topic.feelings)} given, at most 8 wanted"
    if len(topic.slots) > 3:
        yield f"{len(topic.slots)} slots, at most 3 wanted"
    for name, values in topic.slots.items():
        if not 4 <= len(values) <= 12:
            yield f"slot {name}: {len(values)} values, 4 to 12 wanted"
    for number, follow in enumerate(topic.next, start=1):
        for key in NEXT_FIELDS:
            if len(getattr(follow, key)) < 2:
                yield f"next {number} {key}: at least 2 wanted"


def _form_problem(kind: str, text: str) -> str:
    """What is wrong with the form of one text of a field; "" when it is right."""
    clause = kind in ("mirror", "thing")
    if clause and (text[0].isupper() or text[-1] in ".?!"):
        return "must be lower case without a full stop"
    if not clause and text[-1] not in ".?!":
        return "must end as a sentence"
    if not clause and not (text[0].isupper() or text[0] == "{"):
        return "must begin with a capital"
    if kind == "questions":
        one = text.count("?") == 1 and text[-1] == "?"
        return "" if one and OPEN_WORD.search(text) and not CLOSED_QUESTION.match(text) else "must be one open question"
    return "must not ask" if kind in ("advice", "why", "mirror") and "?" in text else ""


def _text_problems(topic: Topic) -> Iterator[str]:
    for name, text, _ in _texts(topic):
        where = f"{name}: {text!r}"
        if not ALLOWED.fullmatch(text) or text != text.strip() or "  " in text:
            yield f"{where}: a digit, quote, bracket, odd character or stray space"
        elif problem := _form_problem(name.split()[-1], text):
            yield f"{where}: {problem}"
        if missing := slots_in(text) - set(topic.slots):
            yield f"{where}: undefined slot {sorted(missing)}"
    for feeling in topic.feelings:
        if not re.fullmatch(r"[a-z]+(?:[ -][a-z]+)*", feeling):
            yield f"feelings: {feeling!r} must be plain lower-case words"
    for name, values in topic.slots.items():
        for value in values:
            if not re.fullmatch(r"[a-zA-Z][a-zA-Z ,'-]*", value) or value != value.strip():
                yield f"slot {name}: {value!r} holds an odd character"


def _hints(topic: Topic) -> Iterator[str]:
    for name, text, addressed in _texts(topic):
        if addressed and SPEAKER.search(text):
            yield f"{name}: {text!r}: speaks of I, me, my or we to the user"
        if addressed and re.search(r"\bunderstand how you\b|\bI understand\b", text):
            yield f"{name}: {text!r}: says I understand"
        if len(text.split()) > 22:
            yield f"{name}: {text!r}: long"
        for article, slot in re.findall(r"\b(an?) \{([a-z_]+)\}", text):
            wrong = [v for v in topic.slots.get(slot, ()) if (v[0] in "aeiou") != (article == "an")]
            if wrong:
                yield f"{name}: {text!r}: {article} before {wrong}"
        for slot in slots_in(text) & set(topic.slots):
            inner = [v for v in topic.slots[slot] if addressed and SPEAKER.search(second_person(v))]
            if inner:
                yield f"{name}: {text!r}: {inner} would still speak of the speaker"


def check(topics: Iterable[Topic], file: str, report: Report, *, counts: bool = True) -> None:
    """Add what is wrong with `topics` to `report`; `counts` asks for WORLD.md's numbers too."""
    for topic in topics:
        where = f"{file}: {topic.id or '(no id)'}: "
        if counts:
            report.problems += [where + problem for problem in _count_problems(topic)]
        report.problems += [where + problem for problem in _text_problems(topic)]
        report.hints += [where + hint for hint in _hints(topic)]


def load_world(folder: Path = HERE / "world") -> list[Topic]:
    """All topics of all files, in a fixed order.

    Raises WorldError, with every problem, when one breaks the contract.
    """
    topics, report = survey(folder)
    if report.problems:
        raise WorldError("\n".join(report.problems))
    return topics


def survey(folder: Path) -> tuple[list[Topic], Report]:
    """All topics and all that is wrong with them."""
    report = Report()
    topics: list[Topic] = []
    files = sorted(folder.glob("*.toml"))
    if not files:
        report.problems.append(f"{folder}: no .toml file")
    for path in files:
        found = read_topics(path, report)
        check(found, path.name, report)
        seen = {topic.id for topic in topics}
        report.problems += [f"{path.name}: {topic.id}: id used before" for topic in found if topic.id in seen]
        topics += found
    return topics, report


def main() -> int:
    """Print every problem and hint; 1 when there is a problem."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "world"
    topics, report = survey(folder)
    for hint in report.hints:
        print("hint:", hint)
    for problem in report.problems:
        print("problem:", problem)
    print(f"{len(topics)} topics, {len(report.problems)} problems, {len(report.hints)} hints")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
