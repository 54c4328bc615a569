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
from counsel.safety.screening.windows import MOST_CONTEXT
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


# ---- evidence over turns

BURDEN = "I feel like such a burden lately."
HELLO = "The bus was late and I read my book."


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        # a time counts in the sentence of a thought of suicide, and beside nothing less
        ((f"{BURDEN} Seeing my cousins this weekend",), "low"),
        ((DIE, "I'm going to bed soon, early shift tomorrow"), "low"),
        ((f"{KILL} this weekend",), "high"),
        # a yes answers the last question of the message right before, and is a yes
        (("hm", ASKED, "I guess I'm just tired of this job"), "none"),
        (("hm", ASKED, "Probably the traffic"), "none"),
        (("hm", ASKED, "I guess"), "moderate"),
        (("hm", ASKED, "probably, yes"), "moderate"),
        (("hm", f"{ASKED} Or is it about work?", "yes"), "none"),
        (("hm", f"{ASKED} You may answer in your own words.", "yes"), "moderate"),
        # an act that is not named
        (("im going to do it",), "none"),
        ((DIE, "A: Tell me more.", "ok im going to do it"), "high"),
        ((DIE, "A: Tell me more.", "i did it"), "imminent"),
        (("I feel hopeless", "A: Tell me more.", "im going to do it"), "low"),
        (("my dad's gun is in the truck. gonna do it before my shift",), "moderate"),
        ((DIE, *[HELLO] * 6, "im going to do it"), "low"),
        # hints count together while they are near
        (("I feel hopeless", *[HELLO] * 6, "I've been giving away my guitar and my records"), "none"),
        # plain words stay, however long the talk
        ((KILL, *[HELLO] * 60), "moderate"),
    ],
)
def test_evidence_over_turns_is_weighed(turns: tuple[str, ...], expected: str) -> None:
    assert level(*turns) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a friend who tried to end it last month is back at work", ("low", "other")),
        ("My flatmate attempted suicide in March", ("low", "other")),
        ("a colleague of mine attempted suicide", ("low", "other")),
        ("the girl who sits next to me tried to hang herself", ("low", "other")),
        ("my daughter tried to kill herself last night", ("moderate", "other")),
        ("I attempted suicide in March", ("high", "self")),
        ("my friend is fine but I attempted suicide in March", ("high", "self")),
    ],
)
def test_anothers_attempt_is_not_the_writers(text: str, expected: tuple[str, str]) -> None:
    verdict = RULES(talk(text))
    assert (verdict.level.name, verdict.subject) == expected


def found_after(p: float, *quiet: str) -> str:
    """The level when the classifier finds something, after messages in which it finds nothing."""
    screen = Screen(classify=when("river looks soft", probabilities(p, p)))
    turns = [t for text in (*quiet, "The river looks soft to me tonight, it does") for t in (text, "A: Tell me more.")]
    return screen(talk(*turns)).level.name


def test_the_longer_a_talk_is_quiet_the_surer_the_classifier_must_be() -> None:
    assert found_after(0.9) == found_after(0.9, *[HELLO] * 3) == "moderate"
    assert found_after(0.9, *[HELLO] * 30) == "none"
    assert found_after(0.999, *[HELLO] * 30) == "moderate"
    assert found_after(0.9, *[HELLO] * 30, "I feel so hopeless") == "moderate"  # a hint, and it is quiet no more


def test_what_the_classifier_alone_found_fades_and_plain_words_do_not() -> None:
    screen = Screen(classify=when("river looks soft", probabilities(0.9, 0.9)))
    turns = ["The river looks soft to me tonight, it does"]
    seen = []
    for _ in range(10):
        seen.append(screen(talk(*turns)).level.name)
        turns += ["A: Tell me more.", HELLO]
    assert seen == ["moderate"] * 4 + ["low"] * 4 + ["none"] * 2
    assert screen(talk(*turns)).evidence == ()
    assert screen(talk(KILL, *turns)).level == Level.moderate


def test_who_has_no_category_gets_none() -> None:
    unsure = Probabilities((0.9, 0.0, 0.0, 0.0), tuple(0.1 for _ in CATEGORY_OUTPUTS), 0.0)
    assert Screen(classify=lambda texts: [unsure for _ in texts])(talk(FINE)).categories == ()
    assert Screen(classify=said(0.9, category="abuse"))(talk(FINE)).categories == ("abuse",)


@pytest.mark.parametrize("classify", [None, "classifier"])
def test_a_hundred_turns_cost_a_hundred_turns(classify: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = {"read": 0, "judged": 0}

    def judge(texts: Sequence[str]) -> list[Probabilities]:
        counted["judged"] += len(texts)
        return [probabilities(0.0) for _ in texts]

    screen = Screen(classify=judge if classify else None)
    real = type(screen.rules).hits
    monkeypatch.setattr(
        type(screen.rules),
        "hits",
        lambda *args: (counted.update(read=counted["read"] + 1), real(*args))[1],
    )

    def cost(turns: int) -> tuple[int, int]:
        counted.update(read=0, judged=0)
        said: list[Message] = []
        for n in range(turns):
            said += talk(f"{n} {turns}: the bus was late and I read my book.", "A: Which book is it?")
            screen(said[:-1])
        return counted["read"], counted["judged"]

    short, long = cost(25), cost(100)
    assert long[0] <= 4.5 * short[0]
    assert long[1] <= 4.5 * short[1]


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
    """A classifier that finds something in messages that hold a text, whatever was said before."""
    return lambda texts: [then if text in t.split("\n", 1)[-1] else probabilities(0) for t in texts]


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


def heard_by(*turns: str) -> list[list[str]]:
    """The windows that the classifier is asked about, call by call."""
    seen: list[list[str]] = []

    def spy(texts: Sequence[str]) -> list[Probabilities]:
        seen.append(list(texts))
        return [probabilities(0.0) for _ in texts]

    Screen(classify=spy)(talk(*turns))
    return seen


BIRTHDAY = "Can you help me plan a birthday dinner for six people?"


def test_a_message_is_judged_beside_what_both_said_before_it() -> None:
    assert heard_by(BIRTHDAY)[0] == ["\n" + BIRTHDAY.strip("?")]
    assert heard_by("She left.", "A: I see.", "and never wrote")[1] == ["me: She left. you: I see.\nand never wrote"]


def test_of_what_was_said_before_the_last_words_are_read() -> None:
    context = heard_by("word " * 300, "A: Tell me more.", BIRTHDAY)[-1][0].split("\n")[0]
    assert len(context.split()) == MOST_CONTEXT and context.endswith("word you: Tell me more.")


def test_a_long_message_explains_itself() -> None:
    first, second, *_ = heard_by(" ".join(f"This is sentence number {n}." for n in range(30)))[0]
    assert first.startswith("\n") and second.split("\n")[0].endswith(first[-100:])


def test_what_was_said_before_is_no_new_sign() -> None:
    told = "I have it all planned for the bridge and nobody knows."
    screen = Screen(classify=when("planned for the bridge", probabilities(0.95, 0.9)))
    verdict = screen(talk(told, "A: Tell me more.", "ok thanks", "A: Yes?", BIRTHDAY))
    assert [e.turn for e in verdict.evidence] == [0]


def test_a_service_chooses_what_is_enough() -> None:
    unsure = said(0.7, 0.7)
    assert Screen(classify=unsure)(talk(FINE)).level == Level.low
    assert Screen(classify=unsure, thresholds=(0.6, 0.6, 0.6, 0.6))(talk(FINE)).level == Level.moderate
    assert not Screen(classify=unsure, thresholds=(0.8, 0.8, 0.8, 0.8))(talk(FINE)).level


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
