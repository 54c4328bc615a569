"""The language of a message: read ones by their commonest words, others recognised and marked, never taken for read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.safety.reading.language import READ, language_of


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("en", "I want to die and nobody knows"),
        ("en", "I can't do this anymore"),
        ("en", "wanna d1e"),
        ("en", "help"),
        ("en", "kms"),
        ("en", "suicide tonight"),
        ("en", "took pills vodka feeling sleepy"),
        ("en", "ok gracias bye, I want to die"),
        ("en", "𝓘 𝔀𝓪𝓷𝓽 𝓽𝓸 𝓭𝓲𝓮"),
        ("en", "Ｉ ｗａｎｔ ｔｏ ｄｉｅ"),
        ("en", "i wаnt tо kіll mysеlf"),  # Cyrillic letters among the Latin ones
        ("en", "I don’t want to be here"),
        ("es", "no quiero vivir más"),
        ("es", "estoy cansado de todo y nadie me entiende"),
        ("es", "me quiero morir"),
        ("fr", "je ne veux plus vivre"),
        ("fr", "j’en peux plus"),
        ("de", "ich will nicht mehr leben"),
        ("de", "Ich kann nicht mehr"),
        ("pt", "não quero mais viver"),
        ("pt", "quero morrer, ninguém me entende"),
        ("hi", "मैं मरना चाहता हूँ"),
        ("hi-Latn", "mujhe jeena nahi hai"),
        ("hi-Latn", "main marna chahta hoon"),
    ],
)
def test_the_languages_of_the_rules_are_told(tag: str, text: str) -> None:
    language = language_of(text)
    assert (language.tag, language.read) == (tag, True)
    assert tag in READ


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("it", "mi sento molto triste e non ce la faccio più a vivere"),
        ("it", "Voglio morire, nessuno mi capisce"),
        ("ro", "nu mai vreau să trăiesc, sunt foarte singur"),
        ("ca", "no vull viure més, estic molt cansat de tot"),
        ("nl", "ik wil niet meer leven, niemand begrijpt mij"),
        ("tr", "artık yaşamak istemiyorum, çok yoruldum"),
        ("pl", "nie chcę już żyć, jestem zmęczona wszystkim"),
        ("sw", "sitaki kuishi tena, nimechoka na maisha"),
        ("vi", "tôi không muốn sống nữa, tôi quá mệt mỏi"),
        ("sv", "jag vill inte leva längre, ingen bryr sig om mig"),
        ("fi", "en halua enää elää, olen niin väsynyt"),
        ("hu", "nem akarok tovább élni, annyira fáradt vagyok"),
        ("ru", "хочу умереть"),
        ("uk", "я не хочу більше жити, ніхто мене не розуміє"),
        ("ar", "لا أريد أن أعيش بعد الآن"),
        ("fa", "دیگر نمی‌خواهم زندگی کنم و خیلی خسته‌ام"),
        ("ja", "もう死にたい"),
        ("ja", "死にたいです。誰にも言えない"),
        ("zh", "我不想活了"),
        ("ko", "죽고 싶어요"),
        ("bn", "আমি মরে যেতে চাই"),
        ("el", "δεν θέλω να ζήσω άλλο"),
        ("he", "אני לא רוצה לחיות יותר"),
        ("chr", "ᎠᏂᏴᏫᏯ ᎤᎵᏏᎲᏍᎦ"),
        ("und", "ⴰⵣⵓⵍ ⴼⵍⵍⴰⵡⵏ"),  # Tifinagh: known to be unread, if nothing more
    ],
)
def test_other_languages_are_recognised_and_surely_unread(tag: str, text: str) -> None:
    language = language_of(text)
    assert (language.tag, language.read, language.sure) == (tag, False, True)


def test_a_language_is_marked_where_its_name_is_not_sure() -> None:
    language = language_of("aku ingin mati saja, tidak ada yang peduli padaku")  # Indonesian, and nearly Malay
    assert (language.read, language.sure) == (False, True)


@pytest.mark.parametrize(
    "text", ["Hello my friends, how are you. Я хочу умереть", "all is well here 我不想活了，没有人理解我"]
)
def test_a_message_that_is_read_in_part_only_is_marked(text: str) -> None:
    language = language_of(text)
    assert (language.tag, language.read, language.sure) == ("en", False, True)


@pytest.mark.parametrize("text", ["", "😭😭", "123", "...", "\u200b", "²½"])
def test_where_there_is_nothing_to_tell_by_it_is_unknown(text: str) -> None:
    assert language_of(text).tag == "und"
    assert language_of(text).read


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_text_has_a_language(text: str) -> None:
    assert language_of(text).tag


def test_a_long_message_takes_no_longer() -> None:
    start = time.process_time()
    for unit in ("хочу ", "I want to die ", "ж", "\u0301"):
        language_of(unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 2
