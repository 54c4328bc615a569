"""The tables: every row's own examples, what takes a phrase back, and errors that name the row."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from counsel.errors import CounselError
from counsel.safety.screening.rules import TABLE, Concept, Hit, Rules, load

RULES = load()
ENGLISH = [c for c in RULES.concepts if c.language == "en"]


def hits(text: str, rules: Rules = RULES) -> list[Hit]:
    return rules.hits(rules.reader.read(text))


def live(text: str) -> set[str]:
    return {h.concept.id for h in hits(text) if not h.excuse}


def raising(text: str) -> set[str]:
    return {h.concept.id for h in hits(text) if not h.excuse and h.concept.level and not h.concept.marker}


@pytest.mark.parametrize("concept", ENGLISH, ids=lambda c: c.id)
def test_a_rows_examples_are_found(concept: Concept) -> None:
    assert concept.match
    missed = {
        text: {h.concept.id: h.excuse for h in hits(text)} for text in concept.match if concept.id not in live(text)
    }
    assert missed == {}


@pytest.mark.parametrize("concept", [c for c in ENGLISH if c.passes], ids=lambda c: c.id)
def test_what_must_pass_raises_no_level(concept: Concept) -> None:
    raised = {text: raising(text) for text in concept.passes if raising(text)}
    assert raised == {}


@pytest.mark.parametrize("concept", [c for c in ENGLISH if c.passes and c.marker], ids=lambda c: c.id)
def test_a_marker_is_not_set_by_what_must_pass(concept: Concept) -> None:
    assert [text for text in concept.passes if concept.id in live(text)] == []


def test_every_row_says_what_it_is_for() -> None:
    for concept in RULES.concepts:
        assert concept.says.endswith(".") and concept.phrases, concept.id


@pytest.mark.parametrize(
    "text",
    [
        "I want to kill myself",
        "I don't eat and I want to kill myself",
        "I don't eat - i want to kill myself",
        "I don't eat, I want to kill myself",
        "I can't stop thinking about killing myself",
        "I'm not joking, I want to kill myself",
        "I'm not afraid of killing myself",
        "Nobody knows that I think about killing myself",
        "I wanted to kill myself ten years ago and now I want to kill myself again",
        "I watched a movie and now I want to kill myself",
        "my friend is fine but I want to kill myself",
    ],
)
def test_thoughts_of_suicide_count(text: str) -> None:
    assert "thoughts_of_suicide" in live(text)


@pytest.mark.parametrize(
    ("text", "excuse"),
    [
        ("I don't want to kill myself", "negated"),
        ("I'm not going to kill myself", "negated"),
        ("I never think about killing myself", "negated"),
        ("I would never kill myself", ""),
        ("killing myself is not an option", ""),
        ("I killed myself laughing", ""),
        ("this homework makes me want to kill myself lol", "idiom"),
        ('In my novel she says "I want to kill myself"', "fiction"),
        ("My character in Skyrim wants to kill himself", ""),
        ("I wanted to kill myself when I was in high school", "past"),
        ("Twenty years ago I was suicidal", "past"),
        ("you should think about killing yourself", ""),
    ],
)
def test_a_sentence_takes_its_phrase_back(text: str, excuse: str) -> None:
    assert raising(text) == set()
    assert not excuse or excuse in {h.excuse for h in hits(text)}


OUT_OF_PLACE = {
    "animals, food and jokes": [
        "is there a lethal dose of chocolate for a dog", "my cat ate a lily, is that a fatal dose",
        "how much xylitol is a lethal amount for a 10 kg dog", "that's a lethal dose of cringe",
        "what is the fatal amount of garlic for cats",
    ],
    "breath": [
        "I read the last chapter and couldn't breathe, what a book", "I can't breathe, this thriller is so tense",
        "we laughed until we couldn't breathe",
    ],
    "plans that end something": [
        "I've made a plan to end my debt by Christmas", "I have a plan to end my contract next month",
        "we have a plan to end the lease",
    ],
    "violence that was not": [
        "My father never hit me, he was just absent", "my husband doesn't hit me, he just ignores me",
        "he has never laid a hand on me and never hit me",
    ],
    "a shift": [
        "I'm an officer and I was on suicide watch all night", "the guards were on suicide watch in block C",
        "my shift is suicide watch on the ward",
    ],
    "clinical terms as a topic": [
        "my coverage for suicidal ideation treatment was denied",
        "the billing code for suicide attempt is wrong on my claim",
        "the leaflet says it may cause suicidal thoughts, should I read on",
        "the label warns of suicidal thoughts in young adults", "we covered suicidal ideation in class today",
        "R45.851 is suicidal ideation, and the clinic billed it twice",
        "the side effects list includes suicidal behavior",
    ],
    "things as subjects": [
        "my phone is about to die and I am going to bed soon", "my company is killing itself",
        "the party is committing political suicide", "my fern attempted to die twice this winter",
        "my laptop killed itself last night",
    ],
    "acts that are something else": [
        "and then it's too late to drop the class", "that's how it's done", "I'm doing it now in the weekdays too",
        "I don't know how to do it, quitting is so hard", "we picked a date and a venue",
        "I'm gonna catch the bus at six", "she is not responding to my messages", "she took all her vitamins and left",
    ],
}  # fmt: skip
MEANT = [
    "I have a plan to end my life", "I read all day and I can't breathe, my throat is closing",
    "he hit me and I never told",
    "I have suicidal thoughts and my coverage was denied", "my insurance ended and I feel suicidal again",
    "how many grams would be a lethal dose for me", "I've been on the ledge and I want to die", "I'm going to end it",
    "my phone is dead and I want to be dead too",
]  # fmt: skip


@pytest.mark.parametrize("text", [t for texts in OUT_OF_PLACE.values() for t in texts])
def test_words_out_of_place_raise_nothing(text: str) -> None:
    assert raising(text) == set()


@pytest.mark.parametrize("text", MEANT)
def test_the_same_words_in_their_place_do(text: str) -> None:
    assert raising(text)


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("someone in my course tried to kill himself", "other"),
        ("I want to kill myself", "self"),
        ("my friend wants to kill herself", "other"),
        ("my son says he wants to die", "other"),
        ("my husband hits me", "self"),
    ],
)
def test_it_is_known_who_is_spoken_of(text: str, subject: str) -> None:
    assert {h.subject for h in hits(text) if not h.excuse} == {subject}


def test_hits_come_in_the_order_of_the_text_and_only_behind_the_beginning() -> None:
    words = RULES.reader.read("I want to die. I have the gun in my hand")
    found = RULES.hits(words)
    assert [(h.start, h.end) for h in found] == sorted((h.start, h.end) for h in found)
    assert all(h.end > 4 for h in RULES.hits(words, begin=4))
    assert RULES.hits([]) == []


def seconds(text: str) -> float:
    words = RULES.reader.read(text)
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        RULES.hits(words)
        best = min(best, time.process_time() - start)
    return best


@pytest.mark.parametrize(
    "unit",
    [
        "I want to kill myself tonight and nobody knows. ",
        "i want to kill myself ",  # a sentence without an end
        "I would never kill myself, my friend and he not i said ",
        "In my novel she said years ago again “I want to die” ",
    ],
)
def test_time_is_linear_in_the_length(unit: str) -> None:
    text = unit * (40_000 // len(unit))
    assert seconds(text) < 24 * seconds(text[: len(text) // 8]) + 0.05


def test_a_message_of_a_thousand_characters_takes_milliseconds() -> None:
    text = ("I had a long day at work and my boss was unfair again, so I went for a walk. I feel alone. " * 12)[:1000]
    assert min(seconds(text) for _ in range(5)) < 0.05  # 5 ms on a quiet machine


# ---- tables that are wrong

ROW = """
[[concept]]
id = "sad"
category = "suicide"
level = "low"
says = "A row."
phrases = ["so sad"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(TABLE / "words.toml", tmp_path)
    (tmp_path / "idioms.toml").write_text("phrases = ['so sad lol']", encoding="utf-8")
    (tmp_path / "scope.toml").write_text("[en]\nnegation = ['not']", encoding="utf-8")
    (tmp_path / "own.toml").write_text(ROW, encoding="utf-8")
    return tmp_path


def test_a_table_of_ones_own_is_read(folder: Path) -> None:
    rules = load(folder)
    assert [c.id for c in rules.concepts] == ["sad"]
    texts = ("I am so sad", "not so sad", "so sad lol")
    assert [[h.excuse for h in hits(text, rules)] for text in texts] == [[""], ["negated"], ["idiom"]]


@pytest.mark.parametrize(
    ("old", "new", "where", "complaint"),
    [
        ('says = "A row."', 'say = "A row."', "own.toml, concept 1 sad", "unknown field say"),
        ('level = "low"\n', "", "own.toml, concept 1 sad", "the field level is missing"),
        ('id = "sad"\n', "", "own.toml, concept 1", "the field id is missing"),
        ('"low"', '"dire"', "own.toml, concept 1 sad", "dire is not a known level"),
        ('says = "A row."', 'says = "A row."\nraises = "dire"', "own.toml, concept 1 sad", "not a known raises"),
        ('"suicide"', '"sadness"', "own.toml, concept 1 sad", "sadness is not a known category"),
        ("so sad", "so (sad", "so (sad", "never closed"),
        ("so sad", "{so} sad", "{so} sad", "there is no list called {so}"),
        ('["so sad"]', '["so sad"', "own.toml", "TOML"),
        ("[[concept]]", ROW + "[[concept]]", "", "two concepts have the id sad"),
        ('["so sad"]', '"so sad"', "own.toml, concept 1 sad", "phrases"),
        ('level = "low"', "level = 1", "own.toml, concept 1 sad", "level"),
        ('says = "A row."', 'says = "A row."\nsubject = "them"', "own.toml, concept 1 sad", "subject"),
        ('says = "A row."', 'says = "A row."\naction = "block"', "own.toml, concept 1 sad", "action"),
        ('says = "A row."', 'says = "A row."\nsoft = "yes"', "own.toml, concept 1 sad", "soft"),
        ('["so sad"]', "[]", "own.toml, concept 1 sad", "phrases"),
        ("[[concept]]", "[[concpt]]", "own.toml", "concpt"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named(folder: Path, old: str, new: str, where: str, complaint: str) -> None:
    text = ROW.replace(old, new, 1)
    assert text != ROW
    (folder / "own.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CounselError) as caught:
        load(folder)
    assert complaint in caught.value.what
    assert where in caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize("name", ["words", "scope", "idioms"])
def test_a_missing_or_broken_table_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.toml").write_text("[", encoding="utf-8")
    with pytest.raises(CounselError, match=f"{name}.toml"):
        load(folder)
    load.cache_clear()
    (folder / f"{name}.toml").unlink()
    with pytest.raises(CounselError, match=f"{name}.toml"):
        load(folder)
