"""Cleaning: what each rule does, and that a clean text stays as it is."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.data.cleaning.masking import Masker
from counsel.data.cleaning.turns import Cleaner, spoken


def clean(text: str, role: str = "assistant") -> str:
    return Cleaner(Masker()).turn(text, role).text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("<p>One&nbsp;two</p><p>three</p>", "One two\n\nthree"),
        ("a<br>b<BR/>c", "a\nb\nc"),
        ("<ul><li>one</li><li>two</li></ul>", "- one\n\n- two"),
        ("a <b>bo</b>ld <span style='x'>word</span>", "a bold word"),
        ("&amp;lt;b&amp;gt;twice&amp;lt;/b&amp;gt; &quot;hid&quot;", 'twice "hid"'),
        ("<style>p {x: y}</style><!-- note -->text<o:p></o:p>", "text"),
        ("I <3 you and 2 < 3 > 1, AT&T", "I <3 you and 2 < 3 > 1, AT&T"),
        ("one\u00a0two\u202fthree", "one two three"),
        ("nai\u0308ve", "na\u00efve"),
        ("a\u200bb\ufeffc\x07d \ud83d", "abcd"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("  a   b \n\n\n\n c\t", "a b\n\nc"),
        ("It ends.Then it goes on.", "It ends. Then it goes on."),
        ("See www.GoodTherapy.Example and rest.Then write", "See [url] and rest. Then write"),
        ("family \U0001f468\u200d\U0001f469", "family \U0001f468\u200d\U0001f469"),
    ],
)
def test_markup_unicode_and_space(text: str, cleaned: str) -> None:
    assert clean(text, "user") == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Rest first. Good luck!", "Rest first."),
        ("Rest first. Take care of yourself.\nJane Doe, LMFT", "Rest first."),
        ("Rest first.\n\nBest wishes,\nJane", "Rest first."),
        ("Rest first. I hope this helps. Best of luck to you.", "Rest first."),
        ("Rest first.\nJane Doe, LCSW", "Rest first."),
        ("Good luck!", "Good luck!"),
        ("Take care of your sleep first. Then talk to her.", "Take care of your sleep first. Then talk to her."),
        ("You deserve good luck in this", "You deserve good luck in this"),
        ("Rest first. Call my office at 555-0123. Then talk.", "Rest first. Then talk."),
        ("I offer a free 15-minute phone consultation. Rest.", "Rest."),
        ("Rest. You can contact me through my website www.jane.example.com!", "Rest."),
        ("Do not call me crazy when I say: rest.", "Do not call me crazy when I say: rest."),
    ],
)
def test_sign_offs_and_promotion_leave_replies(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_questions_keep_what_replies_lose() -> None:
    assert clean("He said: call my office. Good luck!", "user") == "He said: call my office. Good luck!"


def test_every_rule_counts() -> None:
    cleaner = Cleaner(Masker())
    cleaner.turn("<p>Hi Tom,&nbsp;mail a@b.com or ring 555-010-9999.</p><p>Call my office.</p>Good luck!", "assistant")
    counts = {rule: n for rule, n in cleaner.counts.items() if n}
    assert counts.pop("white_space") >= 1
    assert counts == {
        "html": 4,
        "entities": 1,
        "nbsp": 1,
        "email": 1,
        "phone": 1,
        "name": 1,
        "promotion": 1,
        "sign_offs": 1,
    }


PIECES = st.sampled_from(
    "<p>|</p>|<br>|&nbsp;|&amp;|lt;|&lt;b&gt;|<|>|\n|\n\n\n|  |Rest.|Good luck!|Take care,|Jane Doe, LMFT|"
    "Call my office.|\u00a0|"
    "I hope this helps.|e\u0301|word|end.Next|www.a.org|a@b.com|555-0123|my son Tyler|\u200b|\r|"
    "&#38;#60;i&#62;|<!--|-->".split("|")
)


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.lists(PIECES, max_size=12).map(" ".join), st.text()))
def test_cleaning_what_is_clean_changes_nothing(text: str) -> None:
    for role in ("user", "assistant"):
        once = clean(text, role)
        assert clean(once, role) == once


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_a_clean_text_can_be_written(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert cleaned == cleaned.strip() and "  " not in cleaned and "\n\n\n" not in cleaned


def test_what_was_said_ignores_markup_but_not_words() -> None:
    assert spoken("<p>Can&#39;t <b>sleep</b></p>") == spoken("can't   SLEEP!") != spoken("cannot sleep")
    turn = Cleaner(Masker()).turn("<p>Call Tom</p>", "user")
    assert (turn.came, turn.text) == ("call tom", "Call [name]")


def test_hostile_input_takes_no_time() -> None:
    for text in ("<" * 50_000, "&amp;" * 20_000, "A" * 50_000, "a@" * 20_000, "1 " * 30_000, "Aa " * 20_000,
                 "." * 50_000,
                 "call me " * 10_000, "\n" * 50_000, "my dear friend " * 10_000, "www." * 20_000):  # fmt: skip
        clean(text)
