"""A stream is judged as the whole text is, however it is cut; nothing unjudged is ever released."""

from __future__ import annotations

import random
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counsel.safety.replies.judge import Context, screen_reply
from counsel.safety.replies.sentences import LONGEST, Splitter
from counsel.safety.replies.stream import ReplyScreen
from counsel.safety.replies.table import read_table
from counsel.safety.verdict import Action, Verdict

CONTEXT = Context(numbers=frozenset({"988"}), sites=frozenset({"988lifeline.org"}))
PIECES = (
    "I hear you. |How was that?|You have PTSD.|I love you.|I. Love. You.|Call 555-|0142.|Call 988.|Dr. Lee said so.| |"
    "\n|\n\n- |e.g. this|www.exam|ple.org |[/IN|ST]|<|im_start|>|\nUser: hi|…|...|?!|\"Yes.\" |”|é|e\u0301|👩‍👩‍👧"
    "|🏽|\u200b|\ud83d|\ude00|。|word|,|3. |1.|nine eight|nine |so so |It will be okay. |"
    + "long and winding " * 20 + "|" + "long and winding " * 45 + "|" + "x" * 700
).split("|")  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)


def stream(text: str, cuts: list[int], context: Context = CONTEXT) -> tuple[str, ReplyScreen]:
    screen = ReplyScreen(context)
    out = ""
    for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True):
        out += screen.feed(text[a:b])
    return out + screen.close(), screen


@settings(max_examples=120, deadline=None)
@given(TEXTS, st.randoms(use_true_random=False))
@example("a" * (LONGEST - 1) + "\ud83d\ude00" + "b" * 700, random.Random(1))
@example("word " * 119 + "call 555 0142 or " + "word " * 119, random.Random(2))
@example("You have PTSD and " + "so on and on, " * 100 + "then. Well.", random.Random(3))
def test_every_chunking_gives_the_same(text: str, dice: random.Random) -> None:
    whole, screen = stream(text, [])
    cuts = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randrange(12)))
    for chunking in (list(range(1, len(text))), cuts):
        out, other = stream(text, chunking)
        assert (out, other.findings, other.state) == (whole, screen.findings, screen.state)
    assert screen.released == whole


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_a_stream_finds_what_the_whole_text_has(text: str) -> None:
    _, screen = stream(text, [])
    found = screen_reply(text, CONTEXT)
    assert screen.findings == found[: len(screen.findings)]
    if screen.state == "ended" and not any(f.action == "fallback" for f in screen.findings):
        assert screen.findings == found
    if not found:
        assert screen.released == text


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_sentences_joined_are_the_text_and_little_is_held(text: str) -> None:
    splitter = Splitter()
    pieces = []
    for c in text:
        pieces += splitter.feed(c)
        assert splitter.held <= LONGEST
    pieces += splitter.close()
    again = Splitter()
    assert again.feed(text) + again.close() == pieces
    assert "".join(p.text for p in pieces) == text
    assert all(p.text and len(p.text) <= LONGEST for p in pieces)
    at = 0
    for piece in pieces:
        assert piece.start == at
        at += len(piece.text)


@settings(max_examples=100, deadline=None)
@given(TEXTS)
def test_no_character_is_released_before_its_sentence_is_judged(text: str) -> None:
    """What is out after each character is the text of whole, judged sentences (or written words)."""
    screen, splitter, judged = ReplyScreen(CONTEXT), Splitter(), 0
    for c in text:
        shown = screen.feed(c)
        judged += sum(len(s.text) for s in splitter.feed(c))
        if screen.findings or screen.state != "open":
            return
        assert len(screen.released) == judged and text.startswith(screen.released)
        assert not shown or len(shown) <= judged


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three! Four", ["One.", " Two?", " Three!", " Four"]),
        ("Dr. Lee is here. Good.", ["Dr. Lee is here.", " Good."]),
        ("e.g. this. So", ["e.g. this.", " So"]),
        ("It was 3.5 hours. Then", ["It was 3.5 hours.", " Then"]),
        ("Well... maybe. Yes", ["Well... maybe.", " Yes"]),
        ("Well… Maybe.", ["Well…", " Maybe."]),
        ('"Go." She left.', ['"Go."', " She left."]),
        ("So do I. You too.", ["So do I.", " You too."]),
        ("Two things:\n- one\n- two", ["Two things:", "\n- one", "\n- two"]),
        ("A line\nthat goes on. End", ["A line\nthat goes on.", " End"]),
        ("Title\n\nText", ["Title", "\n\nText"]),
        ("1. Sleep. 2. Eat.", ["1. Sleep.", " 2. Eat."]),
        ("好。是", ["好。", "是"]),
        ("¿Qué? No.", ["¿Qué?", " No."]),
    ],
)
def test_sentence_ends(text: str, sentences: list[str]) -> None:
    splitter = Splitter()
    assert [s.text for s in splitter.feed(text) + splitter.close()] == sentences


def test_a_good_reply_comes_as_it_was_written() -> None:
    text = "  That sounds hard.\n\nWhat helped you last time?  "
    out, screen = stream(text, [])
    assert out == text and screen.state == "ended" and screen.findings == ()


def test_a_replaced_sentence_leaves_the_rest_and_never_repeats_itself() -> None:
    out, screen = stream("I see. You have PTSD. That is hard. You have ADHD.", [])
    safe = read_table().kinds["diagnosis"].safe["en"]
    assert out == f"I see. {safe[0]} That is hard. {safe[1]}"
    assert [f.action for f in screen.findings] == ["replace", "replace"]
    later, _ = stream("You have PTSD.", [], Context(turn=3))
    assert later == safe[1]


def test_regenerating_goes_on_behind_what_was_released_once() -> None:
    screen = ReplyScreen(CONTEXT)
    assert screen.feed("I hear you. I love you. And more. ") == "I hear you."
    assert screen.state == "regenerate" and screen.feed("x. y") == "" and screen.close() == ""
    screen.resume()
    assert screen.feed(" How are you? I") == " How are you?" and screen.state == "open"
    text = screen.feed(" love you. Really. ")
    assert screen.state == "ended" and text.strip().startswith(read_table().kinds["romance"].fallback["en"])
    assert [(f.start, f.end, f.action) for f in screen.findings] == [(12, 22, "regenerate"), (25, 35, "fallback")]
    assert screen.released == "I hear you. How are you?" + text and screen.feed("z. z") == ""
    with pytest.raises(ValueError, match="nothing to generate"):
        screen.resume()


def test_regenerating_after_the_models_end() -> None:
    screen = ReplyScreen(CONTEXT)
    assert screen.feed("I love you.") == "" and screen.state == "open"
    assert screen.close() == "" and screen.state == "regenerate"
    screen.resume()
    assert screen.feed("Go on.") + screen.close() == "Go on." and screen.state == "ended"
    assert screen.close() == ""
    with pytest.raises(ValueError, match="closed"):
        screen.feed("x")


def test_the_fallback_fits_the_person() -> None:
    seen = set()
    for action in get_args(Action):
        for language in ("en", "es-MX", "fr", "und"):
            screen = ReplyScreen(Context(verdict=Verdict(action=action, language=language)))
            words = screen.fallback("method")
            assert ("hablar" in words) == (language == "es-MX")
            seen.add(words)
    assert len(seen) == 2 * len(get_args(Action))
    first, second = (ReplyScreen(Context(turn=t)).fallback("guilt") for t in (1, 3))
    assert first != second


def test_a_long_sentence_that_was_replaced_goes_whole() -> None:
    text = "You have PTSD and " + ", ".join(f"word{i} came" for i in range(120)) + " at last. Good."
    out, _ = stream(text, [])
    assert out == read_table().kinds["diagnosis"].safe["en"][0] + " Good."


def test_a_number_or_token_over_a_cut_is_found() -> None:
    for text in (
        "five. five. five. zero. one. four. two. zero.",
        "Call 555. 0142 is it.",
        "word " * 118 + "call 555 014 2233 now",
        "x " * 299 + "<|im_start|> y",
        "Call\n\n555 0142",
    ):
        assert screen_reply(text, CONTEXT), text


def test_a_refused_sentence_is_forgotten() -> None:
    """The next attempt is not read together with it: 55501 and 42 are one number only side by side."""
    screen = ReplyScreen(CONTEXT)
    screen.feed("I love you 55501. Then")
    assert screen.state == "regenerate"
    screen.resume()
    assert screen.feed("42 is my guess.") + screen.close() == "42 is my guess." and len(screen.findings) == 1


@pytest.mark.parametrize("whole", ["\ud83d\ude00", "e\u0301", "👩\u200d👧", "👍\U0001f3fd", "☎\ufe0f"])
def test_a_forced_cut_leaves_characters_whole(whole: str) -> None:
    for before in range(LONGEST - 4, LONGEST + 1):
        splitter = Splitter()
        pieces = splitter.feed("a" * before + whole + "b" * LONGEST) + splitter.close()
        assert len(pieces) > 1 and any(whole in p.text for p in pieces), before
