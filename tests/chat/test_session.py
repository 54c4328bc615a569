"""A session as a value: whole through JSON, and refused when it is broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counsel.chat.session import Session
from counsel.conversation import Message
from counsel.errors import CounselError
from counsel.safety.protocol import State
from counsel.safety.protocol.agenda import PLACES

from .talking import JUMP, counselor, talk

words = st.text(min_size=1).filter(str.strip)
times = st.none() | st.datetimes(timezones=st.just(UTC))
states = st.builds(
    lambda place, **more: State(*place, **more),
    st.sampled_from(sorted(PLACES)),
    level=st.integers(0, 4),
    turns=st.integers(0, 99),
    asked=st.integers(-1, 99),
    denied=st.booleans(),
    language=st.sampled_from(["en", "es"]),
    known=st.dictionaries(st.sampled_from(["plan", "near"]), st.sampled_from(["yes", "no"])).map(
        lambda d: tuple(d.items())
    ),
    done=st.sampled_from([(), ("ask",), ("ask", "plan")]),
    person=st.sampled_from(["", "Anna", "your sister"]),
    used=st.dictionaries(st.sampled_from(["a.b", "c.d"]), st.integers(1, 9)).map(lambda d: tuple(d.items())),
)


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    pairs = draw(st.lists(st.tuples(words, words), max_size=4))
    turns = tuple(m for a, b in pairs for m in (Message("user", a), Message("assistant", b)))
    forgotten = 2 * draw(st.integers(0, len(pairs)))
    return Session(
        turns, forgotten, draw(st.none() | states), draw(times), draw(times), draw(st.booleans())
    )  # fmt: skip


@given(sessions())
def test_a_session_comes_back_whole_from_json(session: Session) -> None:
    text = json.dumps(session.to_json())
    assert Session.from_json(json.loads(text)) == session


def test_a_talk_goes_on_from_json_as_if_it_had_not_left() -> None:
    c = counselor("I see.")
    before = talk(c, "I wish I was dead", "no", JUMP)[-1].session
    stored = Session.from_json(json.loads(json.dumps(before.to_json())))
    assert list(c.answer(stored, "i don't know")) == list(c.answer(before, "i don't know"))


GOOD = Session((Message("user", "a"), Message("assistant", "b")), started_at=datetime(2026, 1, 1, tzinfo=UTC)).to_json()


@pytest.mark.parametrize(
    "damage",
    [
        {"version": 2}, {"turns": [["user", "a"]]}, {"turns": [["assistant", "a"], ["user", "b"]]},
        {"turns": [["user", ""], ["assistant", "b"]]}, {"turns": 3}, {"forgotten": 4}, {"forgotten": -2},
        {"forgotten": "2"}, {"protocol": {}}, {"protocol": {"flow": "bears", "step": "growl"}},
        {"started_at": "yesterday"}, {"started_at": "2026-01-01T00:00:00"},
    ],
    ids=str,
)  # fmt: skip
def test_a_broken_session_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(CounselError, match="fix"):
        Session.from_json(GOOD | damage)


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_a_session_that_lacks_a_part_is_refused(missing: str) -> None:
    with pytest.raises(CounselError, match="broken"):
        Session.from_json({k: v for k, v in GOOD.items() if k != missing})


def test_a_stopped_reply_stays_as_far_as_it_was_read() -> None:
    session = Session()
    assert session.stopped("hello", " \n") is session
    kept = session.stopped("hello", "Two words ")
    assert [m.content for m in kept.turns] == ["hello", "Two words"] and kept.protocol is None
