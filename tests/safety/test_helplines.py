"""Exactly the registered lines, the most useful first, none after its day; and no number from anywhere else."""

from __future__ import annotations

import re
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counsel.errors import CounselError
from counsel.safety.helplines import (
    MEMBERS_OF_EU,
    REGISTRY,
    TOPICS,
    Helpline,
    brief,
    check_country,
    helplines,
    known_countries,
    load,
    numbers,
    read,
    sites,
    spoken,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import helplines as tool

TODAY = date(2026, 12, 1)
LAST = date(2027, 11, 22)
EXPIRED = date(2027, 11, 23)

# What the registry must hold and nothing more: country, number, text, host.
ENTRIES = """
US|911||             US|988|988|988lifeline.org   US|988|838255|   US|988||   US|800-799-7233|88788|
CA|911||             CA|9-8-8|9-8-8|
GB|999||             GB|116 123||   GB||85258|   GB|111||   GB|0800 068 4141||   GB|0800 1111||
AU|000||             AU|13 11 14|0477 13 11 14|   AU|1300 22 4636||
NZ|111||             NZ|0800 543 354||
IN|112||             IN|14416||   IN|181||   IN|1098||
ES|112||             ES|024||
EU|112||             *|||findahelpline.com
"""


def names(*args: object, **options: object) -> list[str]:
    return [line.name for line in helplines(*args, **({"today": TODAY} | options))]  # type: ignore[arg-type]


def test_the_registry_holds_exactly_what_it_should() -> None:
    wanted = sorted(tuple(e.split("|")) for e in re.split(r"\s{2,}|\n", ENTRIES) if e)
    assert sorted((x.country, x.number, x.text, x.web) for x in load()) == wanted
    assert {(x.press, x.name) for x in load() if x.press} == {
        ("1", "Veterans Crisis Line"),
        ("2", "Línea 988 en español"),
        ("2", "NHS 111 mental health line"),
    }
    assert {x.also for x in load()} - {""} == {"1-800-891-4416"}
    assert {x.tty for x in load()} - {""} == {"800-787-3224"}


# Closed, superseded, or never confirmed by a page that was read on the day of checking.
STALE = (
    "8002738255 18006624357 741741 18664887386 18006686868 1737 18005990019 08457909090 141 188 3114 18334566566 "
    "18887753767"
).split()


def test_numbers_that_went_stale_or_were_never_confirmed_are_absent() -> None:
    assert not numbers() & {*STALE, *(n.removeprefix("1") for n in STALE)}


def test_every_entry_is_sourced_and_dated() -> None:
    for line in load():
        assert line.source
        assert (line.checked_on, line.expires) == (date(2026, 11, 23), date(2027, 11, 23))


@pytest.mark.parametrize(
    ("country", "topic", "first"),
    [
        ("US", None, ["Emergency services", "988 Suicide & Crisis Lifeline"]),
        ("US", "abuse", ["Emergency services", "National Domestic Violence Hotline"]),
        ("us", "veterans", ["Emergency services", "Veterans Crisis Line"]),
        ("GB", None, ["Emergency services", "Samaritans", "Shout"]),
        ("UK", "minor", ["Emergency services", "Childline"]),
        ("CA", "abuse", ["Emergency services", "9-8-8 Suicide Crisis Helpline"]),
        ("AU", None, ["Emergency services", "Lifeline", "Beyond Blue"]),
        ("NZ", None, ["Emergency services", "Lifeline"]),
        ("IN", None, ["Emergency services", "Tele-MANAS"]),
        ("IN", "abuse", ["Emergency services", "Women Helpline"]),
        ("IN", "minor", ["Emergency services", "Child Helpline"]),
        ("ES", None, ["Emergency services", "Línea 024"]),
        ("EU", None, ["Emergency services", "Find A Helpline"]),
        ("DE", None, ["Emergency services", "Find A Helpline"]),
        ("BR", None, ["Find A Helpline"]),
        (None, None, ["Find A Helpline"]),
    ],
)
def test_the_most_useful_lines_come_first(country: str | None, topic: str | None, first: list[str]) -> None:
    assert names(country, topic)[: len(first)] == first


def test_a_line_for_some_people_comes_after_those_for_everyone_unless_the_topic_is_theirs() -> None:
    assert names("US")[-1] == "Veterans Crisis Line"
    assert names("IN")[-2:] == ["Child Helpline", "Women Helpline"]


def test_lines_in_the_persons_language_come_before_others_of_their_rank() -> None:
    assert names("US", language="es")[1] == "Línea 988 en español"
    assert names("US", language="en")[1] == "988 Suicide & Crisis Lifeline"


def test_every_member_of_the_union_has_the_common_number() -> None:
    assert len(MEMBERS_OF_EU) == 27
    for code in MEMBERS_OF_EU - {"ES"}:
        assert [x.country for x in helplines(code, today=TODAY)] == ["EU", "*"]


def test_expired_lines_are_withheld_and_the_directory_is_shown() -> None:
    assert "Samaritans" in names("GB", today=LAST)
    assert names("GB", today=EXPIRED) == ["Find A Helpline"]
    assert names(None, today=EXPIRED + timedelta(days=3000)) == ["Find A Helpline"]


def test_one_expired_line_brings_the_directory_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = REGISTRY.read_text(encoding="utf-8")
    start = text.index('name = "Samaritans"')
    early = text[start:].replace("2026-11-23", "2026-01-01", 1).replace("2027-11-23", "2026-11-30", 1)
    (tmp_path / "lines.toml").write_text(text[:start] + early, encoding="utf-8")
    monkeypatch.setattr("counsel.safety.helplines.load", lambda: read(tmp_path / "lines.toml"))
    assert "Samaritans" not in names("GB")
    assert names("GB")[-1] == "Find A Helpline" and "Shout" in names("GB")


@pytest.mark.parametrize("code", ["", "G", "GBR", "g1", "12", "🇬🇧", "england"])
def test_what_is_no_country_code_is_refused_with_the_known_ones(code: str) -> None:
    with pytest.raises(CounselError, match="AU, CA, ES, EU, GB, IN, NZ, US"):
        check_country(code)


def test_any_two_letters_are_a_country() -> None:
    assert check_country(" uk ") == check_country("GB") == "GB"
    assert names("zz") == ["Find A Helpline"]
    assert known_countries() == ("AU", "CA", "ES", "EU", "GB", "IN", "NZ", "US")


def test_an_unknown_topic_is_refused() -> None:
    with pytest.raises(CounselError, match="abuse"):
        helplines("US", "bears", today=TODAY)


@given(st.sampled_from([None, *known_countries(), "DE", "BR"]), st.sampled_from([None, *TOPICS]), st.dates(), st.text())
def test_somebody_can_always_be_reached(country: str | None, topic: str | None, day: date, language: str) -> None:
    found = helplines(country, topic, today=day, language=language)
    assert found
    assert len(set(found)) == len(found)
    assert not any(x.expired(day) for x in found if not x.is_directory)
    assert [x.is_emergency for x in found] == sorted((x.is_emergency for x in found), reverse=True)


def test_numbers_and_sites_are_what_replies_may_hold() -> None:
    assert numbers() == frozenset(
        "911 988 838255 8007997233 8007873224 88788 999 116123 85258 111 08000684141 08001111 000 131114 0477131114 "
        "1300224636 0800543354 112 14416 18008914416 181 1098 024".split()
    )
    assert sites() == {"988lifeline.org", "findahelpline.com"}


@pytest.mark.parametrize(
    ("country", "name", "language", "said"),
    [
        ("US", "988 Suicide & Crisis Lifeline", "en",
         "988 Suicide & Crisis Lifeline: call or text 988, or chat at 988lifeline.org. Free, day and night."),
        ("US", "Veterans Crisis Line", "en",
         "Veterans Crisis Line: call 988 and choose 1, or text 838255. "
         "For veterans and people who serve, free, day and night."),
        ("US", "National Domestic Violence Hotline", "es",
         "National Domestic Violence Hotline: llama al 800-799-7233, manda un mensaje con START al 88788, "
         "o TTY 800-787-3224. Gratis, de día y de noche."),
        ("US", "Línea 988 en español", "es",
         "Línea 988 en español: llama al 988 y elige la opción 2. Gratis, de día y de noche."),
        ("GB", "Papyrus", "en", "Papyrus: call 0800 068 4141. For young people."),
        ("GB", "NHS 111 mental health line", "en", "NHS 111 mental health line: call 111 and choose 2. Day and night."),
        ("IN", "Tele-MANAS", "en", "Tele-MANAS: call 14416 or 1-800-891-4416. Free, day and night."),
        ("IN", "Tele-MANAS", "hi", "Tele-MANAS: tel. 14416 / 1-800-891-4416. 24/7."),
        ("ES", "Emergency services", "es", "Emergencias: llama al 112."),
        (None, "Find A Helpline", "en", "Find A Helpline: go to findahelpline.com. It lists helplines by country."),
    ],
)  # fmt: skip
def test_a_line_is_spoken_plainly(country: str | None, name: str, language: str, said: str) -> None:
    line = next(x for x in helplines(country, today=TODAY) if x.name == name)
    assert spoken(line, language) == said


def test_in_passing_a_line_is_named_with_the_nearest_ways() -> None:
    line = helplines("US", today=TODAY)[1]
    assert brief(line, "en") == "the 988 Suicide & Crisis Lifeline (call or text 988, free, day and night)"
    assert brief(line, "es", known=True) == "la línea 988 Suicide & Crisis Lifeline (llama o manda un mensaje al 988)"
    assert brief(helplines("GB", today=TODAY)[1], "en", known=True) == "Samaritans (call 116 123)"
    assert brief(helplines(None, today=TODAY)[0], "en") == "findahelpline.com"


@given(st.sampled_from(load()), st.sampled_from(["en", "es", "fr"]))
def test_speech_is_one_line_and_holds_no_number_but_the_lines_own(line: Helpline, language: str) -> None:
    said = spoken(line, language)
    assert "\n" not in said and said.endswith(".")
    left = said.replace(line.name, "").replace("24/7", "").replace(line.web, "")
    for own in sorted((line.number, line.also, line.tty, line.text, line.press), key=len, reverse=True):
        left = left.replace(own, "")
    assert not re.search(r"\d", left)


GOOD = """
[[line]]
country = "*"
name = "Directory"
web = "example.org"
hours = ""
languages = []
audience = "everyone"
topics = ["directory"]
free = true
source = "a page"
checked_on = 2026-11-23
expires = 2027-11-23
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('source = "a page"\n', "", "source is missing"),
        ('source = "a page"', 'source = " "', "source must be words"),
        ("hours", "opening", "'opening' is no field"),
        ("expires = 2027-11-23", 'expires = "2027-11-23"', "expires is no date"),
        ("expires = 2027-11-23", "expires = 2026-11-23", "expires must be after"),
        ("expires = 2027-11-23", "expires = 2029-11-23", "by a year at most"),
        ("expires = 2027-11-23", "expires = 2027-11-23T00:00:00", "expires is no date"),
        ('country = "*"', 'country = "usa"', "no ISO 3166 code"),
        ('country = "*"', 'country = "UK"', "no ISO 3166 code"),
        ("free = true", 'free = "yes"', "none of true, false"),
        ('["directory"]', '["bears"]', "not known"),
        ('["directory"]', '"directory"', "must be a list"),
        ('web = "example.org"', 'web = "https://example.org/x"', "web is no host"),
        ('web = "example.org"', 'number = "call us"', "number is no number"),
        ('web = "example.org"\n', "", "no way to reach it"),
        ("[[line]]", "[[helpline]]", "nothing else"),
        ('topics = ["directory"]', 'topics = ["suicide"]', "directory for everywhere else is missing"),
        ("[[line]]", "[[line", "could not be read"),
    ],
)
def test_a_faulty_registry_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "helplines.toml"
    path.write_text(GOOD, encoding="utf-8")
    assert read(path)
    assert old in GOOD
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(CounselError, match=re.escape(complaint)):
        read(path)


@pytest.mark.parametrize(
    ("today", "code", "word"),
    [("2026-12-01", 0, "fresh"), ("2027-09-23", 0, "fresh"), ("2027-09-24", 0, "soon"), ("2027-11-22", 0, "soon"),
     ("2027-11-23", 1, "expired"), ("soon", 2, ""), ("", 2, "")],
)  # fmt: skip
def test_make_helplines_warns_ahead_and_fails_after(
    today: str, code: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(["--today", today] if today else ["--today"]) == code
    assert word in capsys.readouterr().out
