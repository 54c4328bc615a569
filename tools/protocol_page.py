"""Write or check the parts of docs/protocol.md that the protocol itself gives: its agendas and whole conversations.

python tools/protocol_page.py --write | --check
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_args

from counsel.safety.protocol import agenda
from counsel.safety.protocol.machine import Reply, State, respond
from counsel.safety.verdict import Action, Category, Evidence, Level, Subject, Verdict

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "protocol.md"
TALKS = ROOT / "tests" / "safety" / "protocol" / "talks.toml"
TODAY = date(2026, 12, 1)


@dataclass(frozen=True)
class Turn:
    """One message, where it should lead, where it led, and the reply."""

    person: str
    at: str
    state: State
    reply: Reply
    verdict: Verdict


def talks() -> list[dict[str, Any]]:
    """The conversations of the file, in its order."""
    return tomllib.loads(TALKS.read_text(encoding="utf-8"))["talk"]


def verdict_of(said: str, language: str, turn: int) -> Verdict:
    """``level category,category [other] [action]`` as a verdict with its evidence in a turn."""
    level, names, *more = said.split()
    categories: tuple[Category, ...] = tuple(names.split(","))  # type: ignore[assignment]
    subject: Subject = "other" if "other" in more else "self"
    action: Action = next((a for a in get_args(Action) if a in more), "protocol")
    return Verdict(Level[level], categories, subject, "present", language, action, (Evidence(turn, 0, 1, "x"),))


def play(talk: dict[str, Any]) -> Iterator[Turn]:
    """The conversation as the protocol leads it."""
    state, verdict = None, Verdict()
    language = talk.get("language", "en")
    for n, turn in enumerate(talk["turns"]):
        if "verdict" in turn:
            seen = 2 * n if n == 0 or turn.get("fresh") else 0
            verdict = verdict_of(turn["verdict"], language, seen)
        state, reply = respond(state, verdict, turn["person"], country=talk.get("country"), today=TODAY)
        yield Turn(turn["person"], turn["at"], state, reply, verdict)


def agendas() -> str:
    """Each flow's steps in their order, with when each is due."""
    parts = []
    for flow, items in agenda.AGENDA.items():
        rows = [f"| {i.step} | {i.when} |" for i in items]
        parts += [f"### {flow}", "\n".join(["| step | due when |", "|---|---|", *rows])]
    return "\n\n".join(parts)


def conversations() -> str:
    """The conversations that are shown, whole."""
    parts = []
    for talk in talks():
        if not talk.get("shown"):
            continue
        parts.append(f"### {talk['title']} (`{talk['name']}`)")
        for turn in play(talk):
            quoted = "\n".join(f"> {line}".rstrip() for line in turn.reply.text.replace("\n", "  \n").split("\n"))
            parts += [f"**Person:** {turn.person}", f"**Counsel** ({turn.state.flow}.{turn.state.step}):\n\n{quoted}"]
    return "\n\n".join(parts)


MADE = {"agendas": agendas, "conversations": conversations}


def page(text: str) -> str:
    """The page with what stands between its markers made anew."""
    for name, make in MADE.items():
        start, end = f"<!-- {name}: made by tools/protocol_page.py -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        _, found, after = rest.partition(end)
        if not found:
            raise SystemExit(f"error: {PAGE} has no markers for {name}; fix: put back {start} and {end}")
        text = f"{before}{start}\n\n{make()}\n\n{end}{after}"
    return text


def main() -> int:
    """Write the page, or say whether it is up to date."""
    text = PAGE.read_text(encoding="utf-8")
    if "--write" in sys.argv:
        PAGE.write_text(page(text), encoding="utf-8")
        return 0
    if page(text) != text:
        print(f"{PAGE} is out of date: run python tools/protocol_page.py --write", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
