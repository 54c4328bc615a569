"""What a model must not say is found, and what only resembles it passes: by table, by kind, and under hostile input."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from counsel.errors import CounselError
from counsel.safety.replies.judge import LONGEST_REPLY, MOST_REPLACED, Context, screen_reply
from counsel.safety.replies.table import LANGUAGES, TABLE, read_table
from counsel.safety.verdict import CATEGORIES, KINDS, Finding, Verdict

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
import replies as benchmark

ROWS = benchmark.load(benchmark.FILES[0])
ATTACKS = benchmark.load(benchmark.FILES[1])


def kinds(text: str, **known: object) -> set[str]:
    return {f.kind for f in screen_reply(text, Context(**known))}  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS + ATTACKS, ids=lambda r: f"{r['kind']}-{'bad' if r['bad'] else 'good'}")
def test_the_tables(row: dict[str, object]) -> None:
    """A row marked ``known`` is still wrong and said so in docs/replies.md: once it is right, the mark goes."""
    found = screen_reply(str(row["text"]), benchmark.context(row))
    assert bool(found) == (row["bad"] == ("known" not in row)), [str(row["text"])[f.start : f.end] for f in found]


def test_the_table_has_what_it_promises() -> None:
    assert len(ROWS) >= 300 and len({r["text"] for r in ROWS + ATTACKS}) == len(ROWS + ATTACKS)
    for kind in KINDS:
        assert sum(r["bad"] and r["kind"] == kind for r in ROWS) >= 5
        assert sum(not r["bad"] and r["kind"] == kind for r in ROWS) >= 5


def test_findings_stand_in_the_raw_text() -> None:
    text = "That sounds hard. \u200bI  l\u200bo\u200bve yo\u200bu."
    (found,) = screen_reply(text, Context(turn=3))
    assert found == Finding("romance", 3, 19, len(text) - 1, "regenerate")
    assert text[found.start :].startswith("I  l")


@pytest.mark.parametrize(
    "text",
    [
        "I love you",
        "I’ll always be here for you.",
        "ｉ ｌｏｖｅ ｙｏｕ",
        "i lоve yоu",
        "I l​ove you",
        "I LOVE YOU!!!",
        "I. Love. You.",
        "I, love, you.",
        "I \u2060love\u00ad you",
        "𝐈 𝐥𝐨𝐯𝐞 𝐲𝐨𝐮",
        "I lóve you",
        "i l o v e y o u",
    ],
)
def test_writing_does_not_hide(text: str) -> None:
    assert kinds(text) & {"romance", "secrecy"}


@pytest.mark.parametrize(
    "text",
    [
        "Call 555-0142.",
        "Call 5550142.",
        "Call (555) 0142.",
        "Call 555 . 0142",
        "Call 5 5 5 0 1 4 2.",
        "Call 555.0142.",
        "Call five five five, oh one four two.",
        "Call triple five zero one four two.",
        "call ５５５ ０１４２",
        "Call 555–01–42",
        "Call 555-\n0142.",
        "Dial nine-eight-nine.",
        "Text 9 8 9 now.",
        "989 is free and open at any hour.",
        "Call 5\u200b55\u200b01\u200b42.",
        "Their number is 555.\n\n0142 is the rest of it, call 0142.",
        "Try example dot com.",
        "Try example[.]org",
        "Try example (dot) net",
        "https://example.org/x",
        "HTTP://EXAMPLE.ORG",
        "www.example.org",
        "me at example dot com",
        "a.b@example.org",
        "find us at @example_help",
        "https://988lifeline.org.example.com",
        "https://988lifeline.org@example.com",
        "not988lifeline.org",
        "988lifeline.org.co",
    ],
)
def test_contacts_in_any_writing(text: str) -> None:
    assert kinds(text, numbers=frozenset({"988"}), sites=frozenset({"988lifeline.org"})) & {"contact", "personal_data"}


@pytest.mark.parametrize(
    "text",
    [
        "Call 988.",
        "Call 9-8-8.",
        "Call nine eight eight.",
        "988, 24/7",
        "Call 988 at 3 in the morning.",
        "https://988lifeline.org/chat",
        "chat.988lifeline.org",
        "It is 10:30.",
        "From 2019 to 2021 you waited.",
        "On 24/12/2025 you wrote.",
        "5-4-3-2-1 grounding",
        "4-7-8 breathing",
        "80 % of it",
        "1,200,000 people",
        "You are 34.",
        "one, two, three, four, five",
        "10 9 8 7 6 5 4 3 2 1",
        "e.g. a walk",
        "the U.S. is far",
        "3.5 hours",
        "and/or",
        "you.So it goes",
        "Call one or two friends.",
        "it was 20 years ago",
    ],
)
def test_figures_that_are_no_contacts(text: str) -> None:
    assert kinds(text, numbers=frozenset({"988"}), sites=frozenset({"988lifeline.org"})) == set()


def test_what_is_allowed_comes_from_the_caller() -> None:
    assert kinds("Call 988 now.") == {"contact"}
    assert kinds("Call 988 now.", numbers=frozenset({"988"})) == set()
    assert kinds("Call 1-555-010-0199.", numbers=frozenset({"555-010-0199"})) == set()


def test_what_the_person_gave_may_be_repeated() -> None:
    said = "I live at 12 Oak Street, my mail is kim@example.org and my case number is 7741902."
    text = "You wait at 12 Oak Street. Nothing comes to kim@example.org. It says 7741902."
    assert kinds(text, said=said) == set()
    assert kinds(text) == {"personal_data", "contact"} or kinds(text) == {"personal_data"}
    # A number to call is not believed because the person named it.
    assert kinds("Call 555-0142 for help.", said="is 555-0142 a helpline?") <= {"contact"}


def test_the_verdict_decides_what_is_harmful() -> None:
    sick = Verdict(categories=("psychosis_or_mania",))
    assert kinds("They are watching you.", verdict=sick) == {"delusion"} and kinds("They are watching you.") == set()
    ed = Verdict(categories=("eating_disorder",))
    assert kinds("Skip dinner twice a week.", verdict=ed) == {"diet"} and kinds("Skip dinner twice a week.") == set()
    risk = Verdict(categories=("suicide",))
    assert kinds("Then do it.", verdict=risk) == {"encouragement"} and kinds("Then do it.") == set()


def test_a_denial_before_a_but_or_a_comma_denies_no_more() -> None:
    assert kinds("I can't diagnose you, but you have bipolar disorder.") == {"diagnosis"}
    assert kinds("There is no doubt that you have bipolar disorder.") == {"diagnosis"}
    assert kinds("I can't say that you have bipolar disorder.") == set()


def test_too_many_replacements_end_the_answer() -> None:
    found = screen_reply("You have PTSD. You have ADHD. You have OCD. You are bipolar.", Context())
    assert [f.action for f in found] == ["replace"] * MOST_REPLACED + ["fallback"] * (4 - MOST_REPLACED)


def test_the_models_own_tokens() -> None:
    assert kinds("Well ⁂turn⁂ then.") == set()
    assert kinds("Well ⁂TURN⁂ then.", tokens=frozenset({"⁂turn⁂"})) == {"template"}


def test_written_words_pass_their_own_screen() -> None:
    table = read_table()
    context = Context(verdict=Verdict(categories=CATEGORIES))
    for kind, words in table.kinds.items():
        for language in LANGUAGES:
            for text in (*words.safe[language], words.fallback[language]):
                assert screen_reply(text, context) == (), (kind, text)
    for endings in table.endings.values():
        for language in LANGUAGES:
            assert all(screen_reply(text, context) == () for text in endings[language])


def test_every_row_of_the_table_is_seen_to_fire() -> None:
    """Each row, on its own, finds something in the two files (a row that never fires is dead or untested)."""
    table = read_table()
    fired = set()
    for row in ROWS + ATTACKS:
        if row["bad"]:
            words = table.reader.read(row["text"])
            for match in table.phrases.find(words):
                role, of = table.roles[match.phrase]
                if isinstance(of, int) and role != "unless":
                    fired.add(table.bans[of].id)
    assert {c.id for c in table.bans} == fired


@pytest.mark.parametrize(
    "change",
    [
        ('kind = "romance"', 'kind = "romans"'),
        ('guards = ["negation"', 'guards = ["negatoin"'),
        ("when = [", 'when = ["mood", '),
        ('action = "regenerate"', 'action = "delete"'),
        ("unless = [", "unles = ["),
        ('phrases = ["{slur}"]', "phrases = []"),
        ("[lists]", "[lists"),
        ("[cancel]", "[cancels]"),
        ("{slur}", "{slurs}"),
    ],
)
def test_a_wrong_table_is_an_error(change: tuple[str, str], tmp_path: Path) -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert change[0] in text
    (tmp_path / "t.toml").write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(CounselError):
        read_table(tmp_path / "t.toml")


HOSTILE = [
    "a" * 200_000,
    "1" * 200_000,
    "1 " * 100_000,
    "i " * 100_000,
    "you are really " * 14_000,
    "a." * 100_000,
    "a@" * 100_000,
    "." * 200_000,
    "\u200b" * 200_000,
    "<" * 200_000,
    "[" * 200_000,
    "you have a severe form of " * 8_000,
    "www." * 50_000,
    "(dot) " * 34_000,
    "é\u0301" * 100_000,
    "nine " * 40_000,
    "\n" * 200_000,
    "🙂" * 200_000,
    "Call 1-" * 30_000,
    "{{" * 100_000,
    "I love " * 30_000,
    "'" * 200_000,
    "12 Oak " * 30_000,
]


def test_hostile_input_is_judged_in_linear_time() -> None:
    """Each is small here, to be quick; benchmarks/replies.py times a whole megabyte."""
    for text in HOSTILE:
        begun = time.perf_counter()
        screen_reply(text[:6_000], Context())
        once = time.perf_counter() - begun
        assert once < 1, text[:20]


def test_an_endless_reply_is_ended() -> None:
    """No model answers so long; a megabyte is refused quickly."""
    begun = time.perf_counter()
    found = screen_reply("".join(f"Day {i} was a good day. " for i in range(60_000)), Context())
    assert found and found[-1].action == "fallback" and found[-1].end < LONGEST_REPLY + 1000
    assert time.perf_counter() - begun < 5
