"""What the tests of the chat share: a counselor over a script, with a clock that stands and the rules alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from counsel.chat.counselor import Counselor
from counsel.chat.events import Done, Event, Led, Said
from counsel.chat.session import Session
from counsel.conversation import Message
from counsel.model.engine import ScriptedEngine
from counsel.safety.screening.screen import Screen
from counsel.safety.verdict import Verdict

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
RULES = Screen(classify=None)
JUMP = "i am standing on the bridge right now and i am going to jump"


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **time: float) -> None:
        self.time += timedelta(**time)


def counselor(*replies: str, engine: Any = None, screen: Any = RULES, **more: Any) -> Counselor:
    more = {"country": "US", "now": Clock()} | more
    return Counselor(engine or ScriptedEngine(replies or ["I see."]), screen=screen, **more)


def turn(c: Counselor, session: Session, text: str) -> tuple[list[Event], Done]:
    *events, done = c.answer(session, text)
    assert isinstance(done, Done)
    return events, done


def talk(c: Counselor, *texts: str) -> list[Done]:
    session, said = c.begin()[0], []
    for text in texts:
        said.append(turn(c, session, text)[1])
        session = said[-1].session
    return said


def shown(events: Sequence[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, Led | Said))


def always(verdict: Verdict) -> Callable[[Sequence[Message]], Verdict]:
    return lambda messages: verdict
