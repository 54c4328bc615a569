"""Exactly the registered lines, each with its source and day; what has ended is recognised and never offered."""

from __future__ import annotations

import re
import sys
from datetime import date
from pathlib import Path

import pytest

from counsel.errors import CounselError
from counsel.helplines import distinct_numbers, load, numbers, read, recognised_numbers, sites

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
import helplines as tool

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


def test_the_registry_holds_exactly_what_it_should() -> None:
    wanted = sorted(tuple(e.split("|")) for e in re.split(r"\s{2,}|\n", ENTRIES) if e)
    assert sorted((x.country, x.number, x.text, x.web) for x in load().lines) == wanted
    assert {(x.press, x.name) for x in load().lines if x.press} == {
        ("1", "Veterans Crisis Line"),
        ("2", "Línea 988 en español"),
        ("2", "NHS 111 mental health line"),
    }
    assert {x.also for x in load().lines} - {""} == {"1-800-891-4416"}
    assert {x.tty for x in load().lines} - {""} == {"800-787-3224"}


# Closed, superseded, or never confirmed by a page that was read on the day of checking.
STALE = (
    "8002738255 18006624357 741741 18664887386 18006686868 1737 18005990019 08457909090 141 188 3114 18334566566 "
    "18887753767"
).split()


def test_numbers_that_went_stale_or_were_never_confirmed_are_absent() -> None:
    assert not numbers() & {*STALE, *(n.removeprefix("1") for n in STALE)}


def test_every_entry_is_sourced_and_dated() -> None:
    for line in load().lines:
        assert line.source
        assert (line.checked_on, line.expires) == (date(2026, 11, 23), date(2027, 11, 23))


def test_every_line_that_is_recognised_only_is_sourced_and_dated_and_stays_out_of_replies() -> None:
    for line in load().recognised:
        assert line.source and line.numbers and line.checked_on == date(2026, 12, 1)
        assert not numbers() & {re.sub(r"\D", "", n) for n in line.numbers}
    assert {x.name: x.ended for x in load().recognised if x.ended} == {
        "National Suicide Prevention Lifeline": (
            "replaced by 988 on 16 July 2022; calls to the old number still reach it"
        ),
        "Talk Suicide Canada": "replaced by 9-8-8 on 30 November 2023",
    }


def test_what_is_recognised_is_what_is_offered_and_more() -> None:
    assert {n[1:] if len(n) == 11 and n[0] == "1" else n for n in numbers()} < recognised_numbers()
    assert {"8002738255", "8334564566", "741741", "8008914416", "116123"} <= recognised_numbers()
    assert distinct_numbers() == {"988", "911"}


def test_numbers_and_sites_are_what_replies_may_hold() -> None:
    assert numbers() == frozenset(
        "911 988 838255 8007997233 8007873224 88788 999 116123 85258 111 08000684141 08001111 000 131114 0477131114 "
        "1300224636 0800543354 112 14416 18008914416 181 1098 024".split()
    )
    assert sites() == {"988lifeline.org", "findahelpline.com"}


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
        ("hours", "opening", "no field called 'opening'"),
        ("expires = 2027-11-23", 'expires = "2027-11-23"', "expires is not a date"),
        ("expires = 2027-11-23", "expires = 2026-11-23", "expires must be after"),
        ("expires = 2027-11-23", "expires = 2029-11-23", "by a year at most"),
        ("expires = 2027-11-23", "expires = 2027-11-23T00:00:00", "expires is not a date"),
        ('country = "*"', 'country = "usa"', "not an ISO 3166 code"),
        ('country = "*"', 'country = "UK"', "not an ISO 3166 code"),
        ("free = true", 'free = "yes"', "must be true, false"),
        ('["directory"]', '["bears"]', "not known"),
        ('["directory"]', '"directory"', "must be a list"),
        ('web = "example.org"', 'web = "https://example.org/x"', "web is not the name of a host"),
        ('web = "example.org"', 'number = "call us"', "number is not a telephone number"),
        ('web = "example.org"\n', "", "no way to reach the line"),
        ("free = true", "free = true\ndistinct = false", "distinct can only be true"),
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


ENDED = """
[[recognised]]
country = "US"
name = "An old line"
number = "555-0100"
ended = "closed"
source = "a page"
checked_on = 2026-11-23
"""


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('source = "a page"\n', "", "source is missing"),
        ('ended = "closed"', "ended = true", "ended must be words"),
        ('ended = "closed"', 'hours = "24/7"', "no field called 'hours'"),
        ('number = "555-0100"\n', "", "no way to reach the line"),
        ('number = "555-0100"', 'number = "ask us"', "number is not a telephone number"),
        ('country = "US"', 'country = "UK"', "not an ISO 3166 code"),
        ("checked_on = 2026-11-23", 'checked_on = "today"', "checked_on is not a date"),
    ],
)
def test_a_faulty_entry_of_an_ended_line_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "helplines.toml"
    path.write_text(GOOD + ENDED, encoding="utf-8")
    assert [x.ended for x in read(path).recognised] == ["closed"]
    assert old in ENDED
    path.write_text(GOOD + ENDED.replace(old, new), encoding="utf-8")
    with pytest.raises(CounselError, match=re.escape(complaint)):
        read(path)


def test_a_number_is_offered_or_recognised_only_and_never_both(tmp_path: Path) -> None:
    path = tmp_path / "helplines.toml"
    path.write_text(GOOD.replace("web =", 'number = "5550100"\nweb =') + ENDED, encoding="utf-8")
    with pytest.raises(CounselError, match="5550100 is both offered and recognised only"):
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
