"""Whole conversations: what is joined, what carries over, what falls, and what a classifier may and may not change."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.conversation import Message
from counsel.safety.screening.classifier import CATEGORY_OUTPUTS, Probabilities
from counsel.safety.screening.screen import LONGEST, MOST_WINDOWS, SAFE, STRICT, THRESHOLDS, Classify, Screen, Settled
from counsel.safety.verdict import Category, Level, Verdict

RULES = Screen(classify=None)


def talk(*turns: str) -> list[Message]:
    """Messages of the person, and after ``A:`` of the assistant."""
    return [
        Message("assistant", t.removeprefix("A: ")) if t.startswith("A: ") else Message("user", t) for t in turns
    ]  # fmt: skip


def level(*turns: str, settled: Settled | None = None) -> str:
    return RULES(talk(*turns), settled).level.name


ASKED = "A: Are you thinking about suicide?"
HOW = "A: Have you thought about how you would do it?"
KILL = "I want to kill myself"
DIE = "I wish I was dead"


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        # disclosures in pieces
        (("I want to", "kill myself"), "moderate"),
        (("I want to", "A: I'm listening.", "kill myself"), "moderate"),
        (("I want", "to kill", "myself"), "moderate"),
        (("I don't want to", "die"), "none"),
        (("I want to.", "Kill time is all I do"), "none"),
        # taking it back erases nothing, nor does silence
        ((KILL, "jk forget it"), "moderate"),
        ((KILL, "lol jk", "how do I bake bread?"), "moderate"),
        ((KILL, *["What a nice day"] * 40), "moderate"),
        # what is long over, or denied, raises nothing
        (("Ten years ago I tried to kill myself and I'm glad I survived",), "none"),
        (("I would never kill myself",), "none"),
        # weak hints count together
        (("I've been giving away my guitar and my records",), "none"),
        (("I feel hopeless", "I feel so hopeless"), "none"),
        (("I've been giving away my guitar and my records", "I feel hopeless"), "low"),
        # means and a time count beside another sign
        (("My dad's gun is in the safe",), "none"),
        ((KILL, "My dad's gun is in the safe"), "high"),
        (("My dad's gun is in the safe", KILL), "high"),
        ((DIE, "My dad's gun is in the safe"), "high"),
        (("My dad's gun is in the safe", DIE), "high"),
        (("it will be on my birthday",), "none"),
        ((f"{KILL} and it will be on my birthday",), "high"),
        ((KILL, "The party will be on my birthday"), "moderate"),
        # answers to the assistant's question
        (("I feel low", ASKED, "yes"), "moderate"),
        (("I feel low.", ASKED, "yes"), "moderate"),
        (("I feel low", ASKED, "no"), "none"),
        (("I feel low", "A: Are you hungry?", "yes"), "none"),
        (("I feel low", ASKED, "What?", "A: Would you like some tea?", "yes"), "none"),
        (("yes",), "none"),
        ((ASKED, "yes"), "moderate"),
        ((KILL, HOW, "yes"), "high"),
        (("I feel low", HOW, "yes"), "none"),
        # what the assistant says is no sign
        (("hello", "A: Do you want to kill yourself? I want to die."), "none"),
    ],
)
def test_what_a_conversation_comes_to(turns: tuple[str, ...], expected: str) -> None:
    assert level(*turns) == expected


def test_a_level_falls_by_one_step_a_turn_and_never_below_low() -> None:
    turns = ["I'm going to kill myself tonight"]
    seen = [level(*turns)]
    for _ in range(5):
        turns.append("I'm safe now, my sister is here.")
        seen.append(level(*turns))
    assert seen == ["imminent", "high", "moderate", "low", "low", "low"]


def test_it_rises_again_after_it_fell() -> None:
    assert level(KILL, "I'm safe now, my sister is here.", KILL) == "moderate"
    assert level("I'm safe now, my sister is here.") == "none"
    assert level("I'm safe now, my sister is here. But I will kill myself tonight") == "imminent"


@pytest.mark.parametrize(
    ("turns", "settled", "expected"),
    [
        ((KILL, "A: Hm.", "ok"), Settled(0, Level.none), "none"),
        ((KILL, "A: Hm.", "ok"), Settled(1, Level.low), "low"),
        ((KILL, "A: Hm.", DIE), Settled(1, Level.none), "low"),
        ((KILL, "A: Hm.", KILL), Settled(1, Level.none), "moderate"),
        (("hello",), Settled(0, Level.high), "high"),
        ((KILL,), Settled(5, Level.none), "moderate"),
    ],
)
def test_a_humans_word_counts_from_its_turn_on(turns: tuple[str, ...], settled: Settled, expected: str) -> None:
    assert level(*turns, settled=settled) == expected


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("What a nice day", "pass"),
        ("I'm so fucking sad, I cried all night and I hate everyone", "pass"),
        ("My grandmother died and I miss her", "pass"),
        (DIE, "check"),
        (KILL, "protocol"),
        ("I'm going to kill myself tonight", "protocol"),
        ("how do i poison him without anyone noticing", "refuse"),
        ("how many pills would it take to die", "protocol"),  # never refused
    ],
)
def test_the_action_follows_the_level(text: str, action: str) -> None:
    assert RULES(talk(text)).action == action


def test_a_refusal_stands_beside_the_level() -> None:
    verdict = RULES(talk("how do i poison him without anyone noticing", "thanks"))
    assert (verdict.level, verdict.categories[0], verdict.action) == (Level.high, "harm_to_others", "refuse")


def test_the_most_urgent_category_comes_first() -> None:
    verdict = RULES(
        talk("I've been cutting again", "I'm going to kill myself tonight", "my husband hit me again last night")
    )
    assert verdict.categories == ("suicide", "abuse", "self_harm")


def test_a_young_writer_is_named_and_raises_no_level() -> None:
    verdict = RULES(talk("im 14 and i hate school"))
    assert (verdict.level, verdict.categories, verdict.action) == (Level.none, ("minor",), "pass")
    assert RULES(talk("im 14 and i hate school", DIE)).categories == ("suicide", "minor")


@pytest.mark.parametrize(
    ("text", "subject", "when"),
    [
        (KILL, "self", "present"),
        ("my friend wants to kill herself", "other", "present"),
        ("I wanted to kill myself when I was in high school", "self", "past"),
        ('In my novel she says "I want to kill myself"', "self", "hypothetical"),
        ("What a nice day", "unclear", "unclear"),
    ],
)
def test_a_verdict_says_of_whom_and_when(text: str, subject: str, when: str) -> None:
    verdict = RULES(talk(text))
    assert (verdict.subject, verdict.time) == (subject, when)


# ---- languages


@pytest.mark.parametrize(
    "text",
    ["хочу умереть", "我不想活了", "ik wil niet meer leven, niemand begrijpt mij", "Voglio morire, nessuno mi capisce",
     "Hello my friends, how are you. Я хочу умереть"],
)  # fmt: skip
def test_an_unread_language_is_marked_and_never_passed_over(text: str) -> None:
    verdict = RULES(talk(text))
    assert (verdict.action, verdict.degraded) == ("protocol", True)
    both = Screen(classify=said(0.0))
    assert both(talk(text)).degraded
    assert both(talk(text, "ok")).degraded  # a part of the conversation was not read


def test_the_language_is_that_of_the_last_words() -> None:
    assert RULES(talk("Hello, how are you?", "A: Bien.", "estoy muy cansado de todo")).language == "es"
    assert RULES([Message("system", "You are kind."), Message("assistant", "Hello")]).language == "und"


# ---- evidence

PIECES = st.sampled_from(
    [
        KILL,
        DIE,
        ASKED,
        "k1ll my5elf",
        "k i l l m y s e l f",
        "I want to",
        "die",
        "hello",
        "idk",
        "😭",
        "🔪 me",
        ".",
        "yes",
    ]
    + [
        "im 14",
        "I feel hopeless",
        "my dad's gun",
        "tonight",
        "never",
        "хочу",
        "\u200b",
        "I'm safe now",
        "sui\u200bcide",
    ]
)
CHAT = st.lists(st.lists(PIECES, min_size=1, max_size=4).map(" ".join).filter(str.strip), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None)
@given(CHAT, st.floats(0, 1), st.floats(0, 1))
def test_evidence_points_at_raw_text(turns: list[str], first: float, second: float) -> None:
    messages = talk(*turns)
    for screen in (RULES, Screen(classify=said(first, second))):
        verdict = screen(messages)
        for evidence in verdict.evidence:
            message = messages[evidence.turn]
            assert message.role == "user"
            assert 0 <= evidence.start < evidence.end <= len(message.content)
            assert message.content[evidence.start : evidence.end].strip()
            assert evidence.signal
        assert [(e.turn, e.start) for e in verdict.evidence] == sorted((e.turn, e.start) for e in verdict.evidence)
        assert len(set(verdict.evidence)) == len(verdict.evidence)
        assert not verdict.level or verdict.evidence
        assert verdict.level == Level.none or verdict.action != "pass"
        if screen is RULES:
            assert verdict.level < Level.moderate or verdict.action in ("protocol", "refuse")
        elif verdict.by == "classifier" and not verdict.degraded:
            assert verdict.action in ("check", "support"), "what the classifier alone sees is asked about"


@settings(max_examples=100, deadline=None)
@given(CHAT)
def test_without_a_word_of_safety_a_level_never_falls(turns: list[str]) -> None:
    turns = [t.replace("I'm safe now", "hm") for t in turns]
    levels = [RULES(talk(*turns[: n + 1])).level for n in range(len(turns))]
    assert levels == sorted(levels)


@pytest.mark.parametrize(
    ("turns", "where"),
    [
        (("Hi. I want to k1ll my5elf!",), (0, "k1ll my5elf")),
        (("I want to", "kill myself, ok"), (1, "kill myself")),
        (("I feel low", ASKED, "Yes, a lot"), (2, "Yes")),
    ],
)
def test_the_span_is_what_was_written(turns: tuple[str, ...], where: tuple[int, str]) -> None:
    messages = talk(*turns)
    spans = [(e.turn, messages[e.turn].content[e.start : e.end]) for e in RULES(messages).evidence]
    assert any(turn == where[0] and where[1] in span for turn, span in spans), spans


# ---- the classifier


def probabilities(*levels: float, category: Category = "suicide", other: float = 0.0) -> Probabilities:
    padded = (*levels, *[0.0] * 4)[:4]
    return Probabilities(padded, tuple(float(c == category) for c in CATEGORY_OUTPUTS), other)


def said(*levels: float, category: Category = "suicide", other: float = 0.0) -> Classify:
    """A classifier that says the same of everything."""
    return lambda texts: [probabilities(*levels, category=category, other=other) for _ in texts]


def when(text: str, then: Probabilities) -> Classify:
    """A classifier that finds something in windows that hold a text."""
    return lambda texts: [then if text in t else probabilities(0) for t in texts]


FINE = "The weather is nice and I went for a walk"


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ((THRESHOLDS[0] - 0.01,), "none"),
        ((THRESHOLDS[0],), "low"),
        ((0.99, THRESHOLDS[1]), "moderate"),
        ((0.99, 0.99, THRESHOLDS[2]), "high"),
        ((0.99, 0.99, 0.99, THRESHOLDS[3]), "imminent"),
        ((0.99, 0.99, 0.99, THRESHOLDS[3] - 0.01), "high"),
        ((0.99, 0.0, 0.99, 0.99), "low"),  # no step is skipped
        ((0.0, 0.99, 0.99, 0.99), "none"),
    ],
)
def test_levels_are_reached_step_by_step(levels: tuple[float, ...], expected: str) -> None:
    assert Screen(classify=said(*levels))(talk(FINE)).level.name == expected


def test_what_the_classifier_finds_is_told_as_such() -> None:
    verdict = Screen(classify=said(0.9, 0.9, category="abuse", other=0.8))(talk(FINE))
    assert (verdict.level, verdict.categories, verdict.by) == (Level.moderate, ("abuse",), "classifier")
    assert (verdict.subject, verdict.degraded) == ("other", False)
    assert [(e.turn, e.start, e.end, e.signal) for e in verdict.evidence] == [(0, 0, len(FINE), "classifier")]


@pytest.mark.parametrize(
    ("text", "p", "by"), [(KILL, 0.0, "rules"), (KILL, 0.99, "both"), (FINE, 0.99, "classifier"), (FINE, 0.0, "rules")]
)
def test_it_is_told_which_tier_found_it(text: str, p: float, by: str) -> None:
    assert Screen(classify=said(p))(talk(text)).by == by


def test_the_classifier_takes_no_hard_sign_away() -> None:
    assert Screen(classify=said(0.0))(talk(KILL)).level == Level.moderate


SOFT = "soon none of this will matter"


@pytest.mark.parametrize(("p", "expected"), [(SAFE - 0.01, "none"), (SAFE, "low")])
def test_a_soft_sign_falls_only_where_it_is_plainly_safe(p: float, expected: str) -> None:
    assert level(SOFT) == "low"
    assert Screen(classify=said(p))(talk(SOFT)).level.name == expected


@pytest.mark.parametrize(("p", "expected"), [(STRICT - 0.01, "none"), (STRICT, "low")])
def test_what_the_rules_excused_needs_a_surer_classifier(p: float, expected: str) -> None:
    assert level("I would never think about killing myself") == "none"
    assert Screen(classify=said(p))(talk("I would never think about killing myself")).level.name == expected


@pytest.mark.parametrize("p", [0.0, 0.99])
def test_a_strict_threshold_does_not_hide_a_live_sign(p: float) -> None:
    assert Screen(classify=said(p))(talk(f"I'm not suicidal. But {KILL}")).level >= Level.moderate


def raises(_: Sequence[str]) -> list[Probabilities]:
    raise RuntimeError("broken")


NAN = float("nan")


@pytest.mark.parametrize(
    "broken",
    [raises, lambda t: [], lambda t: [probabilities(0.0)] * (len(t) + 1), said(NAN, NAN, NAN, NAN), said(1.5),
     lambda t: [Probabilities((0.9,), (), 0.0) for _ in t], None],
    ids=["raises", "nothing", "too many", "not numbers", "no probability", "too short", "missing"],
)  # fmt: skip
def test_with_the_classifier_broken_the_floor_holds_and_says_so(broken: Classify | None) -> None:
    screen = Screen(classify=broken)
    for text, expected in ((KILL, Level.moderate), (SOFT, Level.low), (FINE, Level.none)):
        verdict = screen(talk(text))
        assert (verdict.level, verdict.degraded, verdict.by) == (expected, True, "rules")


def test_one_failure_marks_the_whole_conversation() -> None:
    calls = iter([raises, said(0.0), said(0.0)])
    verdict = Screen(classify=lambda texts: next(calls)(texts))(talk(FINE, FINE, FINE))
    assert verdict.degraded


def test_only_what_is_new_is_given_beside_its_context() -> None:
    seen: list[list[str]] = []

    def spy(texts: Sequence[str]) -> list[Probabilities]:
        seen.append(list(texts))
        return [probabilities(0.0) for _ in texts]

    turns = [
        f"This is message number {n}, and it says that all is well. I walked home." for n in "one two three".split()
    ]
    screen = Screen(classify=spy)
    screen(talk(*turns[:2]))
    before = {t for texts in seen for t in texts}
    seen.clear()
    screen(talk(*turns))
    assert {t for texts in seen[:2] for t in texts} == before  # the same windows: remembered, not read again
    assert all("three" in t for t in seen[2])


def test_a_short_message_is_read_with_what_came_before() -> None:
    verdict = Screen(classify=when("up to the roof and looked down", probabilities(0.9, 0.9, 0.9)))(
        talk("I went up to the roof.", "and looked down")
    )
    assert verdict.level == Level.high
    assert {e.turn for e in verdict.evidence} == {1}


LONG = "Today I went to the shop and bought bread, then I walked home and it rained. " * 200  # 3,000 words


@pytest.mark.parametrize("place", ["{long} {risk}", "{risk} {long}"])
def test_risk_in_three_thousand_words_is_found(place: str) -> None:
    assert len(LONG.split()) > 3000
    assert level(place.format(long=LONG, risk="I want to kill myself tonight.")) == "imminent"
    found = Screen(classify=when("river looks soft", probabilities(0.9)))(
        talk(place.format(long=LONG, risk="The river looks soft."))
    )
    assert (found.level, found.degraded) == (Level.low, False)


def test_a_message_with_too_many_windows_is_read_at_both_ends_and_marked() -> None:
    seen: list[str] = []

    def spy(texts: Sequence[str]) -> list[Probabilities]:
        seen.extend(texts)
        return [probabilities(0.0) for _ in texts]

    verdict = Screen(classify=spy)(talk("First words. " + LONG * 2 + "Last words."))
    assert verdict.degraded
    assert len(seen) == MOST_WINDOWS
    assert "First words" in seen[0] and "Last words" in seen[-1]


@pytest.mark.parametrize(
    "unit",
    ["I want to kill myself tonight and nobody knows ", "I would never do that, not me. ", "k i l l ", "*", "a", "😭",
     "a\u0301", "\u202e", "\n", "yes. "],
    ids=["risk", "denial", "letters apart", "stars", "a word", "emoji", "accents", "marks", "lines", "answers"],
)  # fmt: skip
def test_a_megabyte_is_answered_quickly_and_marked(unit: str) -> None:
    text = "Hello. " + unit * (1_000_000 // len(unit)) + " I want to kill myself."
    start = time.process_time()
    verdict = Screen(classify=said(0.0))(talk(text))
    assert time.process_time() - start < 8
    assert verdict.level >= Level.moderate
    assert verdict.degraded


def test_a_message_that_just_fits_is_read_whole() -> None:
    text = ("word " * 10_000 + KILL)[-LONGEST:]
    assert RULES(talk(text)).level == Level.moderate


@pytest.mark.parametrize(
    "text", ["\ud800 I want to kill myself", "I want to kill myself\x00", "\u202eI want to kill myself"]
)
def test_no_character_stops_it(text: str) -> None:
    assert RULES(talk(text)).level == Level.moderate


def test_importing_the_screen_loads_nothing_heavy() -> None:
    code = (
        "import sys, counsel.safety.screening.screen\n"
        "print(*sorted({'torch', 'transformers', 'numpy', 'safetensors', 'py3langid'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_verdict_holds_no_text() -> None:
    verdict = RULES(talk("Zebra, I want to kill myself"))
    assert "zebra" not in str(verdict.to_json()).lower()
    assert verdict.to_json()["level"] == "moderate"
    assert Verdict().to_json()["evidence"] == []


def test_means_named_before_do_not_hold_the_level_up_once_the_danger_has_passed() -> None:
    before = ("i keep thinking about killing myself", "there are pills in the drawer")
    assert level(*before) == "high"
    assert level(*before, "i feel safe now") == "moderate"
    assert level(*before, "nice weather", settled=Settled(1, Level.none)) == "none"


def test_hints_named_before_do_not_raise_again_what_a_human_has_settled() -> None:
    before = ("i feel hopeless", "i updated my will")
    assert level(*before) == "low"
    assert level(*before, "nice weather", settled=Settled(1, Level.none)) == "none"
