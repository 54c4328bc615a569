"""A guarded turn: who leads, what is held back, what is remembered. The rules alone: they are the floor."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from counsel.chat.guard import Guard
from counsel.chat.terminal import Talk, loop
from counsel.conversation import Conversation
from counsel.model.engine import Sampling, ScriptedEngine, TooLong
from counsel.safety.counters import Counters
from counsel.safety.screening.screen import Screen
from counsel.safety.verdict import Level

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


def guard(clock: Clock | None = None) -> Guard:
    made = Guard("US", screen=Screen(classify=None), now=clock or Clock())
    made.notices()  # the terminal shows these at the start
    return made


def typed(text: str, replies: list[str], kept: Guard | None = None) -> tuple[str, ScriptedEngine, Guard]:
    engine, screen, kept = ScriptedEngine(replies), io.StringIO(), kept or guard()
    loop(Talk(engine, Sampling(), "", kept), io.StringIO(text), screen)
    return screen.getvalue(), engine, kept


def test_ordinary_sadness_is_answered_by_the_model() -> None:
    screen, engine, kept = typed("I miss my dog\n", ["You loved her very much."])
    assert "You loved her very much." in screen and kept.state is None and len(engine.asked) == 1


def test_where_suicide_is_spoken_of_the_protocol_leads_and_the_model_is_not_asked() -> None:
    screen, engine, kept = typed("i want to kill myself\n", ["Cheer up!"])
    assert "suicide" in screen and not engine.asked and kept.verdict.level >= Level.moderate


def test_a_bad_sentence_is_generated_again_behind_what_was_released() -> None:
    engine = Recording(["That sounds hard. I love you, be mine.", "What would help?"])
    screen = io.StringIO()
    loop(Talk(engine, Sampling(), "", guard()), io.StringIO("my week was long\n"), screen)
    assert "be mine" not in screen.getvalue() and "That sounds hard." in screen.getvalue()
    assert engine.begun[0] == "" and engine.begun[1].strip() == "That sounds hard."


def test_a_number_that_is_not_in_the_registry_never_shows() -> None:
    screen, _, _ = typed("who can i call about my debts\n", ["Call 555 0123 4567 for help. They are kind."])
    assert "4567" not in screen


def test_risk_is_remembered_when_the_model_has_no_room_for_old_turns() -> None:
    engine, screen, kept = Cramped(["ok"]), io.StringIO(), guard()
    loop(Talk(engine, Sampling(), "", kept), io.StringIO("hi\nmy cat is fine\nand the dog\nlovely day\n"), screen)
    assert len(engine.asked[-1].messages) <= 3
    loop(Talk(engine, Sampling(), "", kept), io.StringIO("i want to die\nnice weather\n"), screen)
    assert kept.verdict.level >= Level.low


def test_a_new_conversation_starts_without_the_old_risk() -> None:
    _, _, kept = typed("i want to die\n/reset\nnice weather\n", ["It is."])
    assert kept.verdict.level is Level.none and kept.state is None


def test_after_three_hours_a_notice_where_the_law_wants_one() -> None:
    from counsel.safety.notices import Policy

    clock = Clock()
    kept = Guard("US", Policy("US-NY"), Screen(classify=None), clock)
    kept.notices()
    assert not kept.notices("hello")
    clock.time = NOON + timedelta(hours=3, minutes=1)
    assert [n.kind for n in kept.notices("hello")] == ["reminder"]


def test_a_referral_is_counted_once_a_conversation_and_without_content(tmp_path: Path) -> None:
    counters = Counters(tmp_path / "counts.json")
    kept = Guard("US", screen=Screen(classify=None), now=Clock(), counters=counters)
    typed("i want to kill myself tonight, i have the gun in my hand\nno\nno\nno\n", ["Hm."], kept)
    assert counters.report(2026)["referrals"] == 1
    once = (tmp_path / "counts.json").read_text()
    assert "gun" not in once
    typed("still here\n", ["Hm."], kept)
    assert (tmp_path / "counts.json").read_text() == once


def test_a_count_that_fails_keeps_no_help_from_anybody(tmp_path: Path) -> None:
    (tmp_path / "counts.json").write_text("damaged")
    kept = Guard("US", screen=Screen(classify=None), now=Clock(), counters=Counters(tmp_path / "counts.json"))
    screen, _, _ = typed("i am standing on the bridge right now and i am going to jump\n", ["Hm."], kept)
    assert "911" in screen and "counts.json" in kept.trouble


def test_whoever_asks_is_told_that_it_is_an_ai() -> None:
    screen, _, _ = typed("are you a real person?\n", ["We can talk about your week."])
    assert "AI" in screen


class Recording(ScriptedEngine):
    """Remembers what each reply had to go on behind."""

    def stream(self, conversation: Conversation, sampling: Sampling, begun: str = "") -> Iterator[str]:
        self.begun = [*getattr(self, "begun", []), begun]
        return super().stream(conversation, sampling, begun)


class Cramped(ScriptedEngine):
    """Reads at most three messages."""

    def stream(self, conversation: Conversation, sampling: Sampling, begun: str = "") -> Iterator[str]:
        if len(conversation.messages) > 3:
            raise TooLong("too long", fix="shorten it")
        return super().stream(conversation, sampling, begun)
