"""The most useful lines of a country first, none after its day, and no number from anywhere else."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counsel.errors import CounselError
from counsel.helplines import REGISTRY, TOPICS, Helpline, load, read
from counsel.safety.helplines import MEMBERS_OF_EU, brief, check_country, helplines, known_countries, spoken

TODAY = date(2026, 12, 1)
LAST = date(2027, 11, 22)
EXPIRED = date(2027, 11, 23)


def names(*args: object, **options: object) -> list[str]:
    return [line.name for line in helplines(*args, **({"today": TODAY} | options))]  # type: ignore[arg-type]


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


@given(st.sampled_from(load().lines), st.sampled_from(["en", "es", "fr"]))
def test_speech_is_one_line_and_holds_no_number_but_the_lines_own(line: Helpline, language: str) -> None:
    said = spoken(line, language)
    assert "\n" not in said and said.endswith(".")
    left = said.replace(line.name, "").replace("24/7", "").replace(line.web, "")
    for own in sorted((line.number, line.also, line.tty, line.text, line.press), key=len, reverse=True):
        left = left.replace(own, "")
    assert not re.search(r"\d", left)


def test_a_line_that_has_ended_or_was_never_confirmed_is_offered_nowhere() -> None:
    unoffered = {re.sub(r"\D", "", n) for line in load().recognised for n in line.numbers}
    assert any(line.ended for line in load().recognised)
    for country in (None, *known_countries(), "DE", "FR", "BR"):
        for topic in (None, *TOPICS):
            for line in helplines(country, topic, today=TODAY):
                said = re.sub(r"\D", " ", f"{spoken(line, 'en')} {brief(line, 'en')}")
                assert not unoffered & {*said.split(), said.replace(" ", "")}
                assert not unoffered & {re.sub(r"\D", "", n) for n in line.numbers}
