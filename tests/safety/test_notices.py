"""Which notice is due when; the words; who asks whether this is a human; faults of the table and the clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counsel.errors import CounselError
from counsel.safety import notices
from counsel.safety.notices import JURISDICTIONS, Policy, Situation, asks_if_human, due, law

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "notices.md"


def hours(n: float) -> datetime:
    """So many hours after the start of the visit."""
    return START + timedelta(hours=n)


def situation(now: float, notice: float | None = None, seen: float | None = None, **more: bool) -> Situation:
    times = {"last_notice_at": notice, "last_seen": seen}
    given_times = {name: hours(n) for name, n in times.items() if n is not None}
    return Situation(now=hours(now), started_at=START, **given_times, **more)  # type: ignore[arg-type]


def kinds(jurisdiction: str, at: Situation) -> list[str]:
    return [n.kind for n in due(Policy(jurisdiction), at)]  # type: ignore[arg-type]


MINOR = {"known_minor": True}
ASKED = {"asked": True}
A_WEEK = -7 * 24.0


@pytest.mark.parametrize(
    ("where", "at", "expected"),
    [
        # where, (hours since the start: now, last notice, last seen), what is due
        ("none", situation(0), "start"),
        ("none", situation(0, notice=-1, seen=-1), "start"),  # every visit, however soon
        ("none", situation(0.1, notice=0), ""),
        ("none", situation(50, notice=0), ""),  # nothing by the hour
        ("none", situation(50, notice=0, **MINOR), ""),
        ("none", situation(5, notice=0, **ASKED), "asked"),
        ("none", situation(0, **ASKED), "start asked"),
        ("EU", situation(0), "start"),
        ("EU", situation(4, notice=0), ""),
        ("EU", situation(4, notice=0, **ASKED), "asked"),
        ("US-NY", situation(0), "start"),
        ("US-NY", situation(2.99, notice=0), ""),
        ("US-NY", situation(3, notice=0), "reminder"),
        ("US-NY", situation(3.1, notice=3), ""),
        ("US-NY", situation(5.9, notice=3), ""),
        ("US-NY", situation(6, notice=3), "reminder"),
        ("US-NY", situation(9.5, notice=3), "reminder"),  # once, not twice, after a silence
        ("US-NY", situation(3, notice=2.9), "reminder"),  # an answer at 2.9 hours does not put it off
        ("US-NY", situation(3, notice=0, **ASKED), "asked reminder"),
        ("US-NY", situation(4), "start"),  # late, but then all is said
        ("US-CA", situation(0), "start"),
        ("US-CA", situation(0, **MINOR), "start"),
        ("US-CA", situation(0, notice=-1, **MINOR), "start"),  # no break before they have begun
        ("US-CA", situation(9, notice=0), ""),  # nobody is known to be a minor
        ("US-WA", situation(3, notice=0), "reminder"),
        ("US-WA", situation(1, notice=0, **MINOR), "reminder break"),
        ("US-OR", situation(9, notice=0), ""),
        ("US-OR", situation(1, notice=0, **MINOR), "reminder break"),
        ("US-CA", situation(2.9, notice=0, **MINOR), ""),
        ("US-CA", situation(3, notice=0, **MINOR), "reminder break"),
        ("US-CA", situation(3.5, notice=3, **MINOR), ""),
        ("US-CA", situation(6.5, notice=3, **MINOR), "reminder break"),
        ("US-CA", situation(3, notice=2.9, **MINOR), "reminder break"),
        ("US-CA", situation(4, **MINOR), "start break"),
        ("US-UT", situation(0), "start"),
        ("US-UT", situation(0, notice=-20, seen=-20), "start"),
        ("US-UT", situation(0, notice=A_WEEK - 1, seen=A_WEEK), "returned"),
        ("US-UT", situation(0, notice=A_WEEK - 1, seen=A_WEEK + 0.01), "start"),
        ("US-UT", situation(0.1, notice=0, seen=A_WEEK), ""),  # told before the first message
        ("US-UT", situation(8 * 24, notice=0, seen=0.5), "returned"),  # a chat left open for a week
        ("US-UT", situation(8 * 24, notice=8 * 24 - 1, seen=0.5), "returned"),  # shown while nobody was there
        ("US-UT", situation(6 * 24, notice=0, seen=0.5), ""),
        ("US-UT", situation(1, notice=0, seen=0.9, **ASKED), "asked"),
        ("US-NY", situation(0, notice=A_WEEK, seen=A_WEEK), "start"),  # Utah's alone
        ("US-IL", situation(0), "start unavailable"),
        ("US-IL", situation(4, notice=0), ""),
        ("US-IL", situation(4, notice=0, **ASKED), "asked"),
    ],
)
def test_what_is_due(where: str, at: Situation, expected: str) -> None:
    assert kinds(where, at) == expected.split()


@pytest.mark.parametrize("where", JURISDICTIONS)
def test_therapy_is_offered_everywhere_but_in_illinois(where: notices.Jurisdiction) -> None:
    assert law(where).therapy_allowed is (where != "US-IL")


times = st.integers(-30 * 24 * 60, 30 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))


@given(st.data(), st.sampled_from(JURISDICTIONS), times, st.booleans(), st.booleans(), st.sampled_from(["en", "es"]))
def test_a_jurisdiction_only_adds(
    data: st.DataObject, where: notices.Jurisdiction, now: datetime, minor: bool, asked: bool, language: str
) -> None:
    past = times.filter(lambda t: t <= now)
    at = Situation(
        now=now,
        started_at=data.draw(past | st.just(now)),
        last_notice_at=data.draw(st.none() | past),
        last_seen=data.draw(st.none() | past),
        known_minor=minor,
        asked=asked,
        language=language,
    )
    added = due(Policy(where), at)
    assert all(any(basic.text in more.text for more in added) for basic in due(Policy("none"), at))
    assert len({n.kind for n in added}) == len(added)
    assert [n.kind for n in added] == [k for k in notices.KINDS if k in {n.kind for n in added}]
    assert asked == ("asked" in {n.kind for n in added})


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=30), st.sampled_from(["US-NY", "US-CA"]), st.data())
def test_nobody_writes_for_three_hours_after_a_notice_without_a_reminder(
    gaps: list[float], where: notices.Jurisdiction, data: st.DataObject
) -> None:
    now, shown, told = START, None, START
    for gap in [0.0, *gaps]:
        now += timedelta(hours=gap)
        at = Situation(
            now=now, started_at=START, last_notice_at=shown, known_minor=True, asked=data.draw(st.booleans())
        )
        found = due(Policy(where), at)
        shown = now if found else shown
        told = now if {"start", "reminder"} & {n.kind for n in found} else told
        assert now - told < timedelta(hours=3)


def text_of(kind: str, policy: Policy, **more: object) -> str:
    at = Situation(now=hours(3), started_at=START, **more)  # type: ignore[arg-type]
    return next(n.text for n in due(policy, at) if n.kind == kind)


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", ["an AI", "not a human being", "not a therapist", "can be wrong", "cannot call"]),
        ("es", ["una IA", "No es un ser humano", "tampoco terapeuta", "Puede equivocarse", "no puede llamar"]),
        ("es-MX", ["una IA"]),
        ("ES", ["una IA"]),
        ("hi-Latn", ["an AI"]),  # no words of its own: English, and never silence
        ("est", ["an AI"]),
        ("und", ["an AI"]),
    ],
)
def test_the_start_says_what_it_is(language: str, says: list[str]) -> None:
    text = text_of("start", Policy(), language=language)
    assert all(part in text for part in says), text


@pytest.mark.parametrize(
    ("kept", "reads", "says"),
    [
        ("nothing", "never", ["is not kept", "nobody on the team"]),
        ("nothing", "on_handoff", ["is not kept", "only when the chat is passed on"]),
        ("this_device", "never", ["on this device only", "Anyone who can use the device"]),
        ("until_deleted", "on_handoff", ["until it is deleted", "only when the chat is passed on"]),
        ("until_deleted", "for_quality", ["until it is deleted", "may read it"]),
    ],
)
def test_the_start_says_what_is_kept_and_who_reads(kept: notices.Kept, reads: notices.Reads, says: list[str]) -> None:
    text = text_of("start", Policy("none", kept, reads))
    assert all(part in text for part in says), text
    assert text in text_of("returned", Policy("US-UT", kept, reads), last_seen=hours(A_WEEK))


@pytest.mark.parametrize("language", ["en", "es"])
def test_what_each_law_asks_for_is_in_the_words(language: str) -> None:
    words = {
        kind: text_of(kind, Policy(where), language=language, **more)  # type: ignore[arg-type]
        for kind, where, more in [
            ("start", "US-CA", {}),
            ("unavailable", "US-IL", {}),
            ("asked", "US-UT", ASKED),
            ("break", "US-CA", MINOR),
        ]
    }
    words["reminder"] = next(
        n.text
        for n in due(
            Policy("US-NY"), Situation(now=hours(3), started_at=START, last_notice_at=START, language=language)
        )
    )
    human, no_therapy, minors, break_, danger = {
        "en": ("not a human being", "no therapy", "may not be suitable for some minors", "take a break", "not safe"),
        "es": ("un ser humano", "ninguna terapia", "adecuados para algunos menores", "descansa", "no estás a salvo"),
    }[language]
    assert human in words["reminder"] and human in words["asked"]
    assert no_therapy in words["unavailable"]
    assert minors in words["start"] and minors not in text_of("start", Policy(), language=language)
    assert break_ in words["break"] and danger in words["break"]  # a break must not send away somebody in danger


def test_no_notice_promises_secrecy_or_holds_a_number() -> None:
    content = notices.TABLE.read_text(encoding="utf-8")
    said = content[content.index("[words.en]") : content.index("[asked]")]
    said = "\n".join(line for line in said.splitlines() if not line.startswith("#"))
    assert not re.search(r"\d|secret|confidential|private|always|promise|siempre|prometo|privad", said)


ASKS = """
are you a real person | am i talking to a bot | r u human | Are you even human | are you a bot or a person
is this a bot | is this an AI? | you're an ai right | so you're a bot? | you're a bot, aren't you
you are not real are you | bot? | you real? | who am i talking to | what are you | wait, are you real?
tell me if you're a real person | how do i know you're not a robot | is there a real person there
is anyone there? | are you a therapist | are you a licensed psychologist | human or bot
is a human reading this | is ai being used here | did a person write this | aRe  yоu humаn | are you a pers0n
are you a b0t | are you a rael person | are you huuuman | are yuo human | you’re human, right?
aren’t you a robot | is this thing a person | am I just talking to a computer
Am I speaking with a live person? | I asked are you human | is this chat run by AI?
I feel awful. My dog died today. Are you even a person? I need to know | are you even listening or are you a bot
are these messages written by a person | are you chatgpt? | could you be a bot | this is ai isn't it
be honest, you're a bot | eres humano | ¿Eres una persona real? | ¿eres un bot? | estoy hablando con un robot?
hablo con una persona? | ¿sos humano? | con quién estoy hablando | ¿Quién eres? | eres una IA o una persona
¿hay alguien ahí? | ¿es usted una máquina? | es esto un bot | eres psicólogo de verdad
hay una persona detrás de esto | esto es una ia verdad? | dime si eres humana
"""
DOES_NOT_ASK = """
are you there | are you kidding | are you sure | am i a bad person | i want to talk to a real person
can i talk to a human | she asked me are you even human | My girlfriend yelled "are you even human?" at me
my mom said you're not a real man | I don't care if you're a bot | i talk to a bot every day
he is a real person | i feel like a robot | i'm only human | is this real life
are you going to call the police | who are you to judge me | what are you going to do | are you mad at me
is this a person I should trust | am I even a real person | am i talking too much | what are you talking about
am i real | I lost my job to AI | do I look like a person who lies | your man is cheating?
is this program free? | is this a panic attack | there is a person behind me watching
is there anyone out there who loves me | people keep talking to me | you're so kind
should I be talking to a professional | he told me you are not human | should I see a therapist or doctor
is he a bot | me siento como un robot | soy una persona mala | me dijo que eres una persona horrible
quiero hablar con una persona | estoy hablando con una persona que conocí | mi jefe es una máquina
¿soy humano? | ¿quién eres tú para juzgarme? | eres muy amable | hay una persona detrás de mí siguiéndome
me preguntó si eres real | hay alguien en mi casa
"""


def sentences(table: str) -> list[str]:
    return [s.strip() for s in table.replace("\n", "|").split("|") if s.strip()]


@pytest.mark.parametrize("text", sentences(ASKS))
def test_asks_if_human(text: str) -> None:
    assert asks_if_human(text)


@pytest.mark.parametrize("text", sentences(DOES_NOT_ASK))
def test_does_not_ask_if_human(text: str) -> None:
    assert not asks_if_human(text)


@given(st.text())
def test_any_text_can_be_asked_about(text: str) -> None:
    assert asks_if_human(text) in (True, False)


@pytest.mark.parametrize("filler", ["are you a really really just a ", "am i talking to ", "you "])
def test_a_question_behind_a_long_text_is_found(filler: str) -> None:
    assert asks_if_human(filler * (100_000 // len(filler)) + ". Are you a real person?")


class Clocks(tzinfo):
    """A zone where the clocks go back from 9:00 to 8:00 on the day of the visit."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        assert dt is not None
        return (
            timedelta(hours=1) if dt.replace(tzinfo=None) < START.replace(tzinfo=None) and not dt.fold else timedelta(0)
        )

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "clocks"


def test_hours_are_real_hours_in_every_zone() -> None:
    zone = Clocks()
    before = datetime(2026, 11, 23, 8, 0, tzinfo=zone)  # 7:00 UTC
    for minutes, expected in [(59, []), (60, ["reminder"])]:
        now = datetime(2026, 11, 23, 9, tzinfo=zone) + timedelta(minutes=minutes)  # three real hours at 10:00
        assert kinds("US-NY", Situation(now=now, started_at=before, last_notice_at=before)) == expected
    tokyo = timezone(timedelta(hours=9))
    at = Situation(now=hours(3).astimezone(tokyo), started_at=START, last_notice_at=START)
    assert kinds("US-NY", at) == ["reminder"]


@pytest.mark.parametrize("name", ["now", "started_at", "last_notice_at", "last_seen"])
def test_a_time_without_a_zone_is_an_error(name: str) -> None:
    with pytest.raises(CounselError, match=f"{name} has no time zone"):
        Situation(**{"now": START, "started_at": START, name: START.replace(tzinfo=None)})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["started_at", "last_notice_at", "last_seen"])
def test_a_clock_that_goes_backwards_is_an_error(name: str) -> None:
    with pytest.raises(CounselError, match=f"{name} is after now"):
        Situation(**{"now": START, "started_at": START, name: hours(0.001)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"jurisdiction": "US-TX"}, "'US-TX' is not a known value of jurisdiction; fix: use one of US-CA"),
        ({"kept": "forever"}, "'forever' is not a known value of kept"),
        ({"reads": "always"}, "'always' is not a known value of reads"),
        ({"reads": "for_quality"}, "a team cannot read for quality when kept is 'nothing'"),
        ({"reads": "for_quality", "kept": "this_device"}, "a team cannot read for quality"),
    ],
)
def test_a_policy_that_cannot_be_true_is_an_error(values: dict[str, str], message: str) -> None:
    with pytest.raises(CounselError, match=re.escape(message)):
        Policy(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "lawivy; section 1702: nysenate.gov"\n', "", "'source' is missing"),
        ('source = "lawivy; section 1702: nysenate.gov"', 'source = ""', "source is not a usable str"),
        ("reminder_hours = 3", "reminder_hours = true", "reminder_hours is not a usable int"),
        ("reminder_hours = 3", "reminder_hours = -3", "reminder_hours is not a usable int"),
        ("reminder_hours = 3", "remind_hours = 3", "'remind_hours' is unknown"),
        ("checked_on = 2026-11-23", "checked_on = 2026-11-23T08:00:00", "checked_on is not a usable date"),
        ('"US-NY"', '"US-TX"', "each jurisdiction must have one row"),
        ('"US-NY"', '"US-CA"', "each jurisdiction must have one row"),
        ("[words.en.reads]\nnever =", "[words.en.reads]\nhardly =", "'hardly' is unknown"),
        ('start = "You are', 'start = "Call 555. You are', "start must be a text without a number"),
        ('[words.en.also]\nUS-CA = "', '[words.en.also]\nUS-TX = "', "'US-TX' is unknown"),
        ("(eres|sos|es usted|usted es) [{deveras}]", "(eres|sos [{deveras}]", "never closed"),
        ("[asked.typos]", "[asked.typos", "could not be read"),
    ],
)
def test_a_fault_in_the_table_is_a_clear_error(tmp_path: Path, old: str, new: str, message: str) -> None:
    content = notices.TABLE.read_text(encoding="utf-8")
    assert old in content
    path = tmp_path / "notices.toml"
    path.write_text(content.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CounselError, match=message):
        notices.read(path)


@pytest.mark.parametrize("where", [j for j in JURISDICTIONS if j != "none"])
def test_the_page_tells_every_law_with_its_source_and_date(where: notices.Jurisdiction) -> None:
    row, page = law(where), " ".join(PAGE.read_text(encoding="utf-8").split())
    assert row.checked_on is not None
    for part in (row.name, row.in_force, row.source, *row.asks, row.checked_on.isoformat(), f"`{where}`"):
        assert part in page, part
