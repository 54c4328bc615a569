"""The words files hold what every place needs, in both languages, and short answers are read as a person means them."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counsel.errors import CounselError
from counsel.safety.protocol import agenda
from counsel.safety.protocol.heard import hear, language_of
from counsel.safety.protocol.phrasebook import CUES, FILES, LANGUAGES, Variant, load, plain_line, read, read_answer

from .checks import FORBIDDEN, PLACES

SOURCE = Path(__file__).parents[3] / "src" / "counsel" / "safety" / "protocol"
LOOPS = ("imminent.hold", "imminent.waiting", "shared.beside")
NO_QUESTION = ("goodbye", "close")


def marks(v: Variant) -> set[str]:
    return set(re.findall(r"\{\w+\}", v.say + v.ask))


def test_both_languages_have_the_same_wordings_with_the_same_marked_places() -> None:
    english, spanish = (load(language).steps for language in LANGUAGES)
    assert english.keys() == spanish.keys()
    for key in english:
        assert [marks(v) for v in english[key]] == [marks(v) for v in spanish[key]], key


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_every_place_has_words_of_at_least_two_kinds(language: str, place: agenda.Place) -> None:
    flow, step = place
    words = load(language).steps
    tail = "_refuse" if step == "barrier" else ""
    owners = (flow, "suicide", "shared") if flow == "minor" else (flow, "shared")
    variants = next(v for owner in owners if (v := words.get(f"{owner}.{step}{tail}")))
    assert len(variants) >= 2
    assert step in NO_QUESTION or all(v.ask for v in variants)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_wording_is_there_twice_and_none_says_what_it_must_not(language: str) -> None:
    words = load(language)
    for key, variants in words.steps.items():
        assert len(variants) >= (5 if key in LOOPS else 2), key
        assert len({v.say for v in variants}) == len(variants), key
        for v in variants:
            assert not re.search(r"\d", v.say + v.ask), v
            assert not FORBIDDEN.search(f"{v.say} {v.ask}"), v
            assert len(f"{v.say} {v.ask}".split()) <= 64, v
            assert v.ask == "" or v.ask.endswith("?") or "?" in v.ask, v
            assert "{emergency}" not in v.say + v.ask or re.search(r"(?i)(call|al|el) \{emergency\}", v.say + v.ask), v


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_helplines_follow_there_are_words_for_a_second_time(language: str) -> None:
    words = load(language).steps
    for flow, step in PLACES:
        if step in agenda.FULL - agenda.WITH_EMERGENCY - {"settle"}:
            assert f"{flow}.{step}_again" in words


@pytest.mark.parametrize(
    ("answer", "cues"),
    [
        ("yes", "yes"), ("Yeah.", "yes"), ("Yes, every day", "yes"), ("i think so", "yes"), ("ok", "yes"),
        ("well, yes", "yes"), ("i have a plan", "yes plan"), ("sí", "yes"), ("si", "yes"),
        ("Sí, tengo un plan", "yes plan"),
        ("no", "no"), ("Nope", "no"), ("no, I'm not suicidal", "no"), ("not really", "no"), ("no forget it", "no"),
        ("I was only joking", "no"), ("para nada", "no"),
        ("maybe", "unsure"), ("i don’t know", "unsure"), ("yes and no", "unsure"), ("no sé", "unsure"),
        ("no one understands me", ""), ("nobody listens", ""), ("now that you say it", ""), ("", ""), ("💔", ""),
        ("yesterday was bad", ""), ("nothing helps", ""), ("knowing that hurts", ""),
        ("I won't call", "refuses"), ("i can't call them", "refuses"), ("no voy a llamar", "refuses"),
        ("I promised not to tell", "refuses"), ("don't give me a hotline", "refuses"),
        ("they'd lock me up", "hospital"), ("tengo miedo de que me encierren", "hospital"),
        ("will the police come", "police"), ("me van a deportar", "police"),
        ("I can't afford it", "cost"), ("no puedo pagar", "cost"),
        ("I'm just a burden", "burden"), ("no quiero ser una carga", "burden"),
        ("they hung up on me", "past"), ("ya lo intenté", "past"),
        ("he'd hear me", "voice"), ("odio llamar", "voice"),
        ("can I talk to a human?", "human"), ("I want a real person", "human"), ("quiero una persona real", "human"),
        ("I don't want a human", ""), ("are you a real person?", "about_ai"), ("¿eres una máquina?", "about_ai"),
        ("are you going to call someone", "about_ai"), ("will you tell my mum?", "about_privacy"),
        ("¿es confidencial?", "about_privacy"), ("what's the number again?", "numbers"), ("dame un número", "numbers"),
        ("I'm safe now", "safe"), ("I gave them away", "apart"), ("ya estoy más tranquila", "safe"),
        ("I'm not sure I'm safe now", "unsure"), ("I wish I could say I am safe now", ""),
        ("I don't think I'm safe now", ""), ("im not going to do it", ""), ("no lo voy a hacer", ""),
        ("the pills are right here", "means"), ("I don't have it here", "no no_means"), ("las tengo aquí", "means"),
        ("no las tengo aquí", "no_means"), ("tonight", "now"), ("not tonight", ""), ("esta noche", "now"),
        ("nobody", "alone"), ("I have no one", "alone"), ("no tengo a nadie", "alone no"),
        ("I'm calling them", "calling"), ("i'm not going to call", "refuses"), ("voy a llamar", "calling"),
        ("I fainted yesterday", "body"), ("I haven't fainted", ""), ("me desmayé", "body"),
        ("I'm a veteran", "veteran"),
        ("no plan", "no_plan"), ("I have no plan at all", "no_plan"), ("ningún plan", "no_plan"),
        ("he's coming", "coming"), ("ok hes coming", "coming"), ("he had his hands around my neck", "choked"),
        ("what's the least I can eat", "how_little"), ("my patients, not me", "corrected"),
        ("it's a figure of speech", "corrected"), ("bye for now", "goodbye"), ("you're not listening", "angry"),
        ("can we talk about my sister now?", "elsewhere"), ("they picked up", "connected"), ("music", "helps"),
        ("I'm so ashamed", "shame"), ("i have no phone", "phone"), ("they'd take us away", "taken"),
        ("my parents would freak", "parents"), ("outside his house", "at_place"), ("looking at them", "means"),
        ("yes but the police scare me", "yes police"), ("ok I'll call", "yes calling"),
    ],
)  # fmt: skip
def test_a_short_answer_is_read_as_it_is_meant(answer: str, cues: str) -> None:
    assert read_answer(answer) == frozenset(cues.split())


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    assert read_answer(text) <= set(CUES)
    for language in LANGUAGES:
        heard = hear(text, language, about_people=True)
        assert heard.cues <= set(CUES) and set(heard.feelings) <= load(language).takeups.keys()


@pytest.mark.parametrize(
    ("text", "asked", "person"),
    [
        ("my friend Anna lives nearby", False, "Anna"), ("my friend anna lives nearby", False, "Anna"),
        ("my friend lives nearby", False, "your friend"), ("maybe my sister", False, "your sister"),
        ("mum is downstairs", False, "your mum"), ("my teacher mrs Hall is ok", False, "Mrs Hall"),
        ("Anna", True, "Anna"), ("the neighbour", True, "your neighbour"), ("my gran", True, "your gran"),
        ("my gran", False, ""), ("Anna", False, ""), ("i hate my sister", True, ""), ("my mum died", True, ""),
        ("my husband hits me", True, ""), ("nobody", True, ""), ("work", True, ""), ("im scared of my dad", True, ""),
        ("i could call my brother", False, "your brother"), ("my sister called Kate would come", False, "Kate"),
    ],
)  # fmt: skip
def test_somebody_near_is_taken_up_by_name(text: str, asked: bool, person: str) -> None:
    assert hear(text, "en", about_people=asked).person == person


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("can we talk about my sister now?", "your sister"), ("i want to talk about work", "work"),
        ("lets talk about something else", ""), ("id rather talk about my mum's new flat", "your mum's new flat"),
        ("can we talk about how i got here and all that happened since", ""),
    ],
)  # fmt: skip
def test_the_subject_that_is_wanted_is_said_back(text: str, subject: str) -> None:
    assert hear(text, "en", about_people=False).subject == subject


@pytest.mark.parametrize(
    ("text", "language"),
    [("no quiero vivir", "es"), ("no puedo más", "es"), ("hola", "es"), ("i dont want to live", "en"), ("hi", ""),
     ("no", ""), ("im done", "en"), ("ya no sé", "es")],
)  # fmt: skip
def test_the_language_is_told_by_small_words(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize("text", ["a" * 1_000_000, "no " * 400_000, "?" * 1_000_000, "is not " * 150_000])
def test_a_megabyte_is_read_at_once(text: str) -> None:
    started = time.perf_counter()
    read_answer(text)
    assert time.perf_counter() - started < 1


def test_plain_lines_differ_and_unknown_languages_get_the_neutral_one() -> None:
    for language in ("fr", "de", "pt", "hi", "hi-Latn"):
        assert len({plain_line(language, n) for n in range(3)}) == 3
        assert plain_line(language) != plain_line("xx")
    assert plain_line("pt-BR") == plain_line("pt")
    assert plain_line("xx") == plain_line("und")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("{emergency} now?", "{phone} now?", "not a known mark"),
        ("[[suicide.ask]]\nsay =", "[[suicide.ask]]\nsays =", "needs say"),
        ("[cues.yes]", "[cues.yess]", "'yes' is missing"),
        ("[cues.veteran]", "[cues.bears]\nwhole = []\n[cues.veteran]", "there is no cue called 'bears'"),
        ("[names]", "[name]", "'names' is missing"),
        ("[[suicide.ask]]", "[[suicide.ask", "could not be read"),
    ],
)
def test_a_faulty_words_file_is_refused(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = (SOURCE / FILES["en"]).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "protocol.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CounselError, match=re.escape(complaint)):
        read(tmp_path / "protocol.toml")
