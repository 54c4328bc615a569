"""Every place and every way of the crisis protocol, whole conversations, and long random ones."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.errors import CounselError
from counsel.safety.protocol import steps as steps
from counsel.safety.protocol.machine import State, respond
from counsel.safety.protocol.phrasebook import load
from counsel.safety.verdict import CATEGORIES, CLASSIFIER, Category, Evidence, Level, Subject, Verdict

from . import test_phrasebook, test_reply
from .checks import EXPIRED, IMMINENT, PLACES, SUICIDE, TALKS, TODAY, check_reply, say, talk, tool, verdict


# ------------------------------------------------------------------------------------------------ whole conversations
@pytest.mark.parametrize("name", TALKS)
def test_a_whole_conversation(name: str) -> None:
    replies = list(tool.play(TALKS[name]))
    assert [f"{t.state.flow}.{t.state.step}" for t in replies] == [t.at for t in replies]
    for turn in replies:
        check_reply(turn.reply)
    assert all(a.reply.text != b.reply.text for a, b in pairwise(replies))


def test_there_are_enough_conversations_and_five_are_shown() -> None:
    assert len(TALKS) >= 12
    assert sum(bool(t.get("shown")) for t in TALKS.values()) == 5


# ------------------------------------------------------------------------------------------------ places and ways
def signals_of(when: str) -> set[str]:
    return set(when.split("+")) - {"any"}


ENTRANCES = [*steps.OPENING.items(), ("minor", "home"), ("third_party", "urgent")]


def test_every_place_can_be_reached_from_an_opening() -> None:
    seen: set[steps.Place] = set()
    todo = list(ENTRANCES)
    while todo:
        place = todo.pop()
        if place not in seen:
            seen.add(place)
            todo += [steps.resolve(*place, target) for _, target in steps.rules_of(*place)]
    assert seen == set(PLACES)


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_every_way_is_taken_and_none_is_hidden_by_another(place: steps.Place) -> None:
    for when, target in steps.rules_of(*place):
        assert signals_of(when) <= steps.SIGNALS.keys()
        assert steps.next_place(*place, signals_of(when)) == steps.resolve(*place, target)
        assert steps.resolve(*place, target) in PLACES


# What a person writes for each signal that is read in their words, and the state and verdict for the others.
WRITTEN = {
    "yes": "yes", "no": "no", "unsure": "maybe", "safe": "i am safe now", "means": "it is right here next to me",
    "now": "tonight", "alone": "theres nobody", "calling": "im calling them", "barrier": "i wont call",
    "new": "theyd send the police", "human": "i want to talk to a real person", "numbers": "what number can i use",
    "aside": "is this private?", "body": "i fainted",
}  # fmt: skip
ABOUT = {"attack": "abuse", "violence": "harm", "substance": "substance", "medical": "medical"}


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_every_way_is_taken_by_words_and_verdicts(place: steps.Place) -> None:
    flow, step = place
    for when, target in steps.rules_of(*place):
        wanted = signals_of(when)
        if "rises" in wanted and (flow == "imminent" or ("other" in wanted and step in ("urgent", "with_them"))):
            continue  # already urgent: the level cannot rise
        if "suicidal" in wanted and flow in ("suicide", "imminent", "minor"):
            continue  # already asks about it
        level = "low" if "low" in wanted else "high" if "plan" in wanted else "moderate"
        level = "imminent" if wanted & {"rises", "grave"} else level
        about = next((ABOUT[s] for s in wanted if s in ABOUT), "")
        before = State(
            flow,
            step,
            about=about,
            categories=() if "suicidal" in wanted else ("suicide",),
            level=0 if wanted & {"rises", "worse", "graver"} else int(Level[level]),
            turns=3,
            country="US",
            young="young" in wanted,
            told=True,
            asked=2 if "second" in wanted else -1,
        )
        said = ". ".join(WRITTEN[s] for s in sorted(wanted) if s in WRITTEN) or "it rained on the way home"
        categories: tuple[Category, ...] = ("suicide",) if wanted & {"thoughts", "suicidal"} else ("dependence",)
        subject: Subject = "other" if "other" in wanted else "self"
        turn, action, signal = (50, "check", CLASSIFIER) if wanted & {"doubt", "second"} else (None, "protocol", "x")
        if flow in steps.WATCHING and not wanted & {"doubt", "second", "rises", "suicidal"}:
            action = "support"  # plain words would open a flow
        v = verdict(level, *categories, subject=subject, turn=turn, action=action, signal=signal)
        now, reply = say(before, said, v)
        there = steps.resolve(flow, step, target)
        assert (now.flow, now.step) == there, (when, said)
        check_reply(reply)


@pytest.mark.parametrize("place", PLACES, ids=".".join)
@pytest.mark.parametrize("country", ["US", "DE", None])
def test_from_every_place_imminent_danger_is_answered_at_once(place: steps.Place, country: str | None) -> None:
    before = State(*place, level=2, turns=4, country=country or "")
    now, reply = say(before, "im about to do it", IMMINENT, country)
    assert reply.urgent
    if place[0] != "imminent" or place[1] == "settle":
        assert (now.flow, now.step) == ("imminent", "urge")
        assert {"US": "call 911", "DE": "call 112", None: "your local emergency number"}[country] in reply.text
        assert "can't call or send anyone" in reply.text and "person" in reply.text


@pytest.mark.parametrize(
    ("v", "flow", "step"),
    [
        (SUICIDE, "suicide", "ask"),
        (verdict("low", "self_harm"), "suicide", "ask"),
        (IMMINENT, "imminent", "urge"),
        (verdict("high", "substance_emergency"), "imminent", "urge"),
        (verdict("high", "medical_emergency"), "imminent", "urge"),
        (verdict("imminent", "abuse"), "imminent", "urge"),
        (verdict("moderate", "abuse"), "abuse", "open"),
        (verdict("low", "sexual_violence"), "abuse", "open"),
        (verdict("moderate", "abuse", "suicide"), "suicide", "ask"),
        (verdict("low", "eating_disorder"), "eating", "open"),
        (verdict("high", "psychosis_or_mania"), "psychosis", "open"),
        (verdict("moderate", "harm_to_others"), "harm", "open"),
        (verdict("moderate", "suicide", "minor"), "minor", "ask"),
        (verdict("low", "abuse", "minor"), "minor", "home"),
        (verdict("imminent", "suicide", "minor"), "imminent", "urge"),
        (verdict("low", "eating_disorder", "minor"), "eating", "open"),
        (verdict("moderate", "suicide", subject="other"), "third_party", "open"),
        (verdict("low", "abuse", "minor", subject="other"), "third_party", "open"),
        (verdict("imminent", "suicide", subject="other"), "third_party", "urgent"),
        (verdict("low", "dependence"), "support", "open"),
        (Verdict(), "support", "open"),
    ],
)
def test_a_first_message_opens_the_flow_it_calls_for(v: Verdict, flow: str, step: str) -> None:
    state, reply = say(None, "…", v)
    assert (state.flow, state.step) == (flow, step)
    check_reply(reply)


# ------------------------------------------------------------------------------------------------ long random talks
ANSWERS = [
    *WRITTEN.values(), "i cant go on", "sí", "no sé", "are you real", "they would lock me up", "i cant afford it",
    "im a burden", "", "ok", "what do you mean", "💔", "nothing helps. nothing.", "quiero morir", "i gave them away",
]  # fmt: skip
verdicts = st.builds(
    Verdict,
    level=st.sampled_from(list(Level)),
    categories=st.lists(st.sampled_from(CATEGORIES), unique=True, max_size=3).map(tuple),
    subject=st.sampled_from(["self", "other", "unclear"]),
    language=st.sampled_from(["en", "es", "und", "fr", "hi-Latn"]),
    action=st.sampled_from(["check", "support", "protocol", "refuse"]),
    evidence=st.lists(
        st.builds(Evidence, st.integers(0, 40), st.just(0), st.just(1), st.sampled_from(["x", CLASSIFIER])), max_size=2
    ).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(verdicts, st.sampled_from(ANSWERS)), min_size=1, max_size=25),
    st.sampled_from(["US", "GB", "FR", "IN", None]),
    st.sampled_from([TODAY, EXPIRED]),
)
def test_whatever_is_said_there_is_a_sound_reply_and_never_the_same_twice(
    turns: list[tuple[Verdict, str]], country: str | None, today: date
) -> None:
    state, last = None, ""
    for v, text in turns:
        state, reply = respond(state, v, text, country=country, today=today)
        check_reply(reply)
        assert reply.text != last
        last = reply.text
        assert State.from_json(json.loads(json.dumps(state.to_json()))) == state
        assert not any(line.expired(today) for line in reply.helplines if not line.is_directory)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(ANSWERS), min_size=30, max_size=60), st.sampled_from([SUICIDE, IMMINENT]))
def test_no_wording_comes_again_before_all_of_its_kind_were_used(texts: list[str], v: Verdict) -> None:
    words = load("en")
    for state, _ in talk(*texts, v=v):
        for key, times in state.used:
            assert times >= 0 and key in words.steps
    drawn = [dict(state.used) for state, _ in talk(*texts, v=v)]
    for before, after in pairwise(drawn):
        assert sum(after.values()) > sum(before.values())


def test_a_talk_that_goes_on_is_never_ended_and_never_repeats_itself_closely() -> None:
    texts = [reply.text for _, reply in talk(*["…"] * 40)]
    for a, b, c in zip(texts, texts[1:], texts[2:], strict=False):
        assert len({a, b, c}) == 3
    assert all(reply.asks and reply.leads for _, reply in talk(*["…"] * 40))


def test_the_same_turn_gives_the_same_reply() -> None:
    assert talk("a", "yes", "no") == talk("a", "yes", "no")


# ------------------------------------------------------------------------------------------------ the state, the page
def test_a_broken_state_is_refused() -> None:
    good = say(None, "…")[0].to_json()
    for bad in ({}, good | {"step": "bears"}, good | {"flow": "bears"}, good | {"used": 3}, good | {"more": 1}):
        with pytest.raises(CounselError, match="fix"):
            State.from_json(bad)


def test_the_state_holds_none_of_the_persons_words() -> None:
    state = talk("xylophone", "yes xylophone", "no xylophone")[-1][0]
    assert "xylophone" not in json.dumps(state.to_json())


def test_the_page_is_up_to_date() -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.page(page) == page, "run python tools/protocol_diagram.py --write"


def named_tests(page: str) -> Iterator[str]:
    for row in page.split("\n"):
        if row.startswith("|") and "`" in row:
            yield from re.findall(r"`(test_\w+|[a-z_]+)`", row.split("|")[-2])


def test_every_row_of_the_table_names_a_conversation_or_a_test_that_exists() -> None:
    page = tool.PAGE.read_text(encoding="utf-8").split("<!-- diagrams")[0]
    names = list(named_tests(page))
    assert len(names) > 20
    modules = (sys.modules[__name__], test_reply, test_phrasebook)
    for name in names:
        assert name in TALKS or any(hasattr(m, name) for m in modules), name
