"""Every place and every way of the crisis protocol, whole conversations, and long random ones."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import Iterator
from datetime import date
from itertools import pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.errors import CounselError
from counsel.safety.notices import Policy
from counsel.safety.protocol import agenda
from counsel.safety.protocol.machine import State, respond
from counsel.safety.protocol.phrasebook import load
from counsel.safety.verdict import CATEGORIES, CLASSIFIER, Evidence, Level, Verdict

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


def test_there_are_enough_conversations_and_some_are_shown() -> None:
    assert len(TALKS) >= 12
    assert sum(bool(t.get("shown")) for t in TALKS.values()) == 7


# ------------------------------------------------------------------------------------------------ every place
@pytest.mark.parametrize("place", PLACES, ids=".".join)
@pytest.mark.parametrize(
    "text", ["it rained", "yes", "no", "i dont know", "my friend Anna could come", "are you real?"]
)
def test_from_every_place_there_is_a_sound_reply(place: agenda.Place, text: str) -> None:
    for action in ("protocol", "check", "support"):
        before = State(*place, person="Anna", level=2, categories=("suicide",), turns=4, country="US", told=True)
        now, reply = say(before, text, verdict("moderate", "suicide", action=action))
        check_reply(reply)
        assert (now.flow, now.step) in PLACES


def test_every_step_of_every_agenda_is_reached() -> None:
    """Random talks in each flow come through every step that it lists."""
    draw = random.Random(0)
    team = Policy(kept="until_deleted", reads="on_handoff")
    seen: set[agenda.Place] = set()
    for categories in (("suicide",), ("abuse",), ("eating_disorder",), ("psychosis_or_mania",), ("harm_to_others",),
                       ("suicide", "minor"), ("abuse", "minor"), ("dependence",)):  # fmt: skip
        for level, subject in product(("low", "moderate", "high"), ("self", "other")):
            for _ in range(25):
                state = None
                v = verdict(level, *categories, subject=subject)  # type: ignore[arg-type]
                for _ in range(14):
                    state, reply = respond(state, v, draw.choice(ANSWERS), country="US", today=TODAY, policy=team)
                    seen.add((state.flow, state.step))
    missing = {(f, i.step) for f, items in agenda.AGENDA.items() for i in items} - seen
    assert missing <= {("check", "check")}


def test_a_question_that_was_answered_is_not_asked() -> None:
    """Whatever was said in passing is known: no step asks for it again."""
    told = {
        "suicide.plan": "no plan", "suicide.means": "i dont have anything like that here",
        "suicide.people": "my friend Anna lives nearby", "suicide.safety": "music helps me",
    }  # fmt: skip
    for place, words in told.items():
        steps = [f"{s.flow}.{s.step}" for s, _ in talk("i want to die", f"yes. {words}", *["hm"] * 12)]
        assert place in [f"{s.flow}.{s.step}" for s, _ in talk("i want to die", "yes", "yes", *["hm"] * 12)]
        assert place not in steps, (place, steps)


@pytest.mark.parametrize("place", PLACES, ids=".".join)
@pytest.mark.parametrize("country", ["US", "DE", None])
def test_from_every_place_imminent_danger_is_answered_at_once(place: agenda.Place, country: str | None) -> None:
    before = State(*place, level=2, turns=4, country=country or "")
    now, reply = say(before, "im about to do it", IMMINENT, country)
    assert reply.urgent
    if place[0] != "imminent" or place[1] in ("settle", "coping", "beside"):
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
    "yes", "no", "maybe", "i am safe now", "it is right here next to me", "tonight", "theres nobody", "im calling them",
    "i wont call", "theyd send the police", "i want to talk to a real person", "what number can i use",
    "is this private?", "i fainted", "no plan", "i have a plan", "my friend Anna lives nearby", "music helps",
    "can we talk about my work", "youre not listening", "figure of speech", "bye for now", "hes coming",
    "he had his hands round my throat", "whats the least i can eat", "i gave it to my mum", "they picked up",
    "found another box of pills", "im so tired and lonely", "i cant go on", "sí", "no sé", "are you real",
    "they would lock me up", "i cant afford it",
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
            assert times >= 0 and (key in words.steps or key.removeprefix("takeup.") in words.takeups)
    drawn = [dict(state.used) for state, _ in talk(*texts, v=v)]
    for before, after in pairwise(drawn):
        assert sum(after.values()) > sum(before.values())


def test_a_talk_that_goes_on_is_handed_back_and_stays_watched() -> None:
    """Once safety has been talked through the model has the word, and a new plain disclosure takes it back at once."""
    said = talk(*["…"] * 40)
    leads = [reply.leads for _, reply in said]
    assert leads[:5] == [True] * 5 and not any(leads[12:])
    state = said[-1][0]
    again, reply = say(state, "i really think about killing myself now", verdict("moderate", "suicide", turn=90))
    assert reply.leads and again.flow == "suicide"


def test_in_imminent_danger_the_talk_has_no_last_reply() -> None:
    said = talk(*["…"] * 40, v=IMMINENT)
    assert all(reply.leads and reply.asks and reply.urgent for _, reply in said)
    texts = [reply.text for _, reply in said]
    assert all(len({a, b, c}) == 3 for a, b, c in zip(texts, texts[1:], texts[2:], strict=False))
    named = [bool(re.search(r"\b911\b", text)) for text in texts[6:]]
    assert sum(named) <= len(named) / 2, "who refuses is not told to call in every turn"


def test_the_same_turn_gives_the_same_reply() -> None:
    assert talk("a", "yes", "no") == talk("a", "yes", "no")


# ------------------------------------------------------------------------------------------------ the state, the page
def test_a_broken_state_is_refused() -> None:
    good = say(None, "…")[0].to_json()
    for bad in (
        {},
        good | {"known": []},
        good | {"done": 3},
        good | {"step": "bears"},
        good | {"flow": "bears"},
        good | {"used": 3},
        good | {"more": 1},
    ):
        with pytest.raises(CounselError, match="fix"):
            State.from_json(bad)


def test_of_the_persons_words_the_state_holds_whom_they_named_and_nothing_else() -> None:
    state = talk("xylophone", "yes xylophone", "no xylophone", "my friend Anna lives nearby")[-1][0]
    assert state.person == "Anna" and "xylophone" not in json.dumps(state.to_json())


def test_the_page_is_up_to_date() -> None:
    page = tool.PAGE.read_text(encoding="utf-8")
    assert tool.page(page) == page, "run python tools/protocol_page.py --write"


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
