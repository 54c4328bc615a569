"""What the tests of the protocol share: short ways to talk to it, and what holds for every reply."""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path
from typing import Any

from counsel.helplines import load as load_helplines
from counsel.helplines import numbers, sites
from counsel.safety.protocol.agenda import PLACES as ALL_PLACES
from counsel.safety.protocol.machine import Reply, State, respond
from counsel.safety.protocol.phrasebook import LANGUAGES, load
from counsel.safety.verdict import Action, Category, Evidence, Level, Subject, Verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools"))
import protocol_page as tool

TODAY = date(2026, 12, 1)
EXPIRED = date(2028, 1, 1)
PLACES = sorted(ALL_PLACES)
TALKS = {talk["name"]: talk for talk in tool.talks()}
MOST_WORDS = 80
"""Beside the helplines; more only where the person has asked something of their own and is answered first."""
ANSWERED = [v.say for x in LANGUAGES for k in ("ai", "privacy") for v in load(x).steps[f"shared.about_{k}"]]
ANSWERED += [v.say for x in LANGUAGES for v in load(x).steps["shared.declined"]]

FORBIDDEN = re.compile(
    r"understand how you feel|know how you feel|i hear you|i feel|i care|i.m (?:glad|sad|human|a person|here for you)"
    r"|promise me|promise that you|contract|you.re not [^.?]*are you\?|aren.t you\?|isn.t it\?|won.t you\?"
    r"|you (?:must|have to) call|i.(?:ll| will) (?:call|send|contact|alert|always)|i (?:called|alerted)"
    r"|ideation|lethal|suicidality|symptom|disorder|calorie|your weight|diet"
    r"|can.t talk about|cannot talk about|not able to discuss|commit suicide|selfish|cry for help"
    r"|entiendo cómo te sientes|sé cómo te sientes|prométeme|contrato|¿verdad\?|¿no\?|voy a llamar|enviaré"
    r"|caloría|dieta",
    re.IGNORECASE,
)


def verdict(
    level: str,
    *categories: Category,
    subject: Subject = "self",
    turn: int | None = None,
    language: str = "en",
    action: Action = "protocol",
    signal: str = "x",
) -> Verdict:
    evidence = () if turn is None else (Evidence(turn, 0, 1, signal),)
    return Verdict(Level[level], categories, subject, "present", language, action, evidence)


SUICIDE = verdict("moderate", "suicide")
IMMINENT = verdict("imminent", "suicide")


def say(
    state: State | None, text: str, v: Verdict = SUICIDE, country: str | None = "US", **more: Any
) -> tuple[State, Reply]:
    return respond(state, v, text, country=country, today=more.pop("today", TODAY), **more)


def talk(*texts: str, v: Verdict = SUICIDE, country: str | None = "US", **more: Any) -> list[tuple[State, Reply]]:
    said, state = [], None
    for text in texts:
        state, reply = say(state, text, v, country, **more)
        said.append((state, reply))
    return said


def without_lines(text: str) -> str:
    """The reply without its block of whole helplines."""
    names = [line.name for line in load_helplines().lines] + ["Emergency services", "Emergencias", "SOS"]
    return "\n".join(row for row in text.split("\n") if not any(row.startswith(f"{name}: ") for name in names))


def check_reply(reply: Reply) -> None:
    """What holds for each and every reply."""
    assert reply.text.strip()
    words = without_lines(reply.text)
    own = next((words.removeprefix(a) for a in ANSWERED if words.startswith(a)), words)
    assert len(re.sub(r"\([^)]*\d[^)]*\)", "", own).split()) <= MOST_WORDS, words
    assert not FORBIDDEN.search(words), words
    assert not re.search(r"\{|\}|  |\n\n\n| [.,]|None", reply.text), reply.text
    left = reply.text
    for line in load_helplines().lines:
        left = left.replace(line.name, "")
    for host in sites():
        left = left.replace(host, "")
    left = re.sub(r"and choose \d|opción \d|24/7|> \d(?!\d)", "", left)
    assert {re.sub(r"[ -]", "", n) for n in re.findall(r"\d(?:[\d -]*\d)?", left)} <= numbers()
    if reply.asks:
        assert "?" in reply.text.split("\n\n")[-1]


def text_of(name: str, at: str) -> str:
    """What is said at a place of a conversation, the first time it is reached."""
    return next(t.reply.text for t in tool.play(TALKS[name]) if f"{t.state.flow}.{t.state.step}" == at)
