"""The phrase matcher against a slow twin that tries every way of reading a phrase; and its errors."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counsel.errors import CounselError
from counsel.safety.reading.phrases import GAP, Match, Phrases
from counsel.safety.reading.spelling import Reader, Word

LISTS = {"them": ["a", "b c"], "one": ["d"]}
WORDS = "abcd"


# A phrase is a list of parts: a word, "...", "_", or a bracket: (optional, alternatives), each a list of parts.
Part = str | tuple[bool, list[list["Part"]]]


def brackets(inner: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    return st.tuples(st.booleans(), st.lists(st.lists(inner, max_size=2), min_size=1, max_size=3))


WITHIN: st.SearchStrategy[Part] = st.recursive(st.sampled_from([*WORDS, "{them}", "{one}"]), brackets, max_leaves=4)
PART = st.one_of(WITHIN, st.sampled_from([*WORDS, "...", "_"]))
PHRASE = st.tuples(st.booleans(), st.lists(PART, min_size=1, max_size=4), st.booleans())
SENTENCES = st.lists(st.text(alphabet=WORDS, max_size=7), min_size=1, max_size=3)


def written(part: Part) -> str:
    if isinstance(part, str):
        return part
    optional, choices = part
    inside = "|".join(" ".join(written(p) for p in choice) for choice in choices)
    return f"[{inside}]" if optional else f"({inside})"


def readings(parts: Sequence[Part]) -> Iterator[tuple[str, ...]]:
    """Every way of reading a phrase, as words, ``_`` and ``...``."""
    if not parts:
        yield ()
        return
    first, rest = parts[0], parts[1:]
    if not isinstance(first, str):
        optional, choices = first
        heads = {h for choice in choices for h in readings(choice)} | ({()} if optional else set())
    elif first.startswith("{"):
        heads = {tuple(m.split()) for m in LISTS[first[1:-1]]}
    else:
        heads = {(first,)}
    for head in heads:
        for tail in readings(rest):
            yield head + tail


def ends(reading: Sequence[str], text: Sequence[str], at: int, stop: int) -> set[int]:
    """Where a reading that begins at word ``at`` may end, before the sentence does at ``stop``."""
    if not reading:
        return {at}
    first, rest = reading[0], reading[1:]
    if first == "$":
        return ends(rest, text, at, stop) if at == stop else set()
    if first == "...":
        return {e for n in range(GAP + 1) if at + n <= stop for e in ends(rest, text, at + n, stop)}
    fits = at < stop and first in ("_", text[at])
    return ends(rest, text, at + 1, stop) if fits else set()


def twin(phrases: Sequence[tuple[bool, list[Part], bool]], words: Sequence[Word]) -> set[Match]:
    texts = [w.text for w in words]
    found = set()
    for number, (from_start, parts, to_end) in enumerate(phrases):
        for start, word in enumerate(words):
            if from_start and start and words[start - 1].sentence == word.sentence:
                continue
            stop = next((i for i in range(start, len(words)) if words[i].sentence != word.sentence), len(words))
            reached = {
                e for r in readings(parts) for e in ends([*r, "$"] if to_end else r, texts, start, stop)
            }  # fmt: skip
            if reached:
                found.add(Match(number, start, max(reached)))
    return found


def in_words(sentences: Sequence[str]) -> list[Word]:
    return [Word(c, 0, 1, sentence=n) for n, sentence in enumerate(sentences) for c in sentence]


@settings(max_examples=300, deadline=None)
@given(st.lists(PHRASE, min_size=1, max_size=4), SENTENCES)
@example([(False, ["...", "a"], False)], ["bca"])
@example([(True, [(True, [["a"], ["b", "c"]]), "d"], True)], ["d", "bcd", "ad"])
@example([(False, ["a", "...", "...", "d"], False)], ["abcbcbcbcbd"])
def test_the_tree_finds_what_trying_everything_finds(
    phrases: list[tuple[bool, list[Part], bool]], sentences: list[str]
) -> None:
    kept = [p for p in phrases if all(set(r) - {"..."} for r in readings(p[1])) and any(_must(x) for x in p[1])]
    texts = [f"{'^ ' * a}{' '.join(map(written, parts))}{' $' * b}" for a, parts, b in kept]
    words = in_words(sentences)
    found = Phrases(texts, LISTS).find(words)
    assert len(found) == len(set(found))
    assert set(found) == twin(kept, words)


def _must(part: Part) -> bool:
    """Whether a part must stand for a word."""
    return part != "..." and all(readings([part]))


def words_of(text: str) -> list[Word]:
    return Reader("").read(text)


def found(phrase: str, text: str) -> list[str]:
    words = words_of(text)
    return [
        " ".join(w.text for w in words[m.start : m.end]) for m in Phrases([phrase], {"them": ["my dad"]}).find(words)
    ]


@pytest.mark.parametrize(
    ("phrase", "text", "hits"),
    [
        ("want to die", "I want to die now", ["want to die"]),
        ("want to die", "I want to. Die now", []),
        ("want to die", "I want to\ndie", ["want to die"]),
        ("want to die", "I want to\n\ndie", []),
        ("want to die", "I want to, die", ["want to die"]),
        ("(a|b c) d", "a d b c d", ["a d", "b c d"]),
        ("i [really|so very] cry", "i cry i really cry i so very cry i very cry",
         ["i cry", "i really cry", "i so very cry"]),
        ("{them} hits", "my dad hits", ["my dad hits"]),
        ("(hit|{them}) me", "my dad me", ["my dad me"]),
        ("a ... b", "a x x x x b", ["a x x x x b"]),
        ("a ... b", "a x x x x x b", []),
        ("a...b", "a x b", ["a x b"]),
        ("a ... b", "a b c b", ["a b c b"]),  # the longest
        ("a _ b", "a b a x b", ["a x b"]),
        ("^ a", "a a. a", ["a", "a"]),
        ("a $", "a a. a", ["a", "a"]),
        ("a (b|$)", "a b a. a", ["a b", "a", "a"]),
        ("don't", "dont don’t", ["dont", "dont"]),
        ("self-harm", "self harm self-harm", ["self harm", "self harm"]),
        ("WANT Überdosis", "want uberdosis", ["want uberdosis"]),
        ("हूँ", "मैं हूं", ["हूं"]),
    ],
)  # fmt: skip
def test_the_language_of_phrases(phrase: str, text: str, hits: list[str]) -> None:
    assert found(phrase, text) == hits


def test_a_phrase_reaches_over_the_end_of_a_message_that_did_not_end_its_sentence() -> None:
    reader = Reader("")
    first = reader.read("I want to", turn=0)
    phrases = Phrases(["want to die"])
    assert phrases.find(first + reader.read("die", 1, first[-1].sentence)) == [Match(0, 1, 4)]
    assert phrases.find(first + reader.read("die", 1, first[-1].sentence + 1)) == []


def test_every_message_is_a_beginning() -> None:
    reader = Reader("")
    first = reader.read("I feel low", turn=0)
    words = first + reader.read("yes I do", 2, first[-1].sentence)
    assert Phrases(["^ yes", "^ i do"]).find(words) == [Match(0, 3, 4)]


def test_only_what_begins_behind_is_found_again() -> None:
    words = words_of("die die die")
    assert [m.start for m in Phrases(["die"]).find(words, begin=1)] == [1, 2]


def test_a_misspelling_in_a_phrase_is_the_word_that_the_reader_makes_of_it() -> None:
    phrases = Phrases(["imma die"], typos={"imma": "im gonna"})
    assert phrases.vocabulary == {"im", "gonna", "die"}
    assert phrases.find(Reader(phrases.vocabulary, typos={"imma": "im gonna"}).read("imma die")) == [Match(0, 0, 3)]


@pytest.mark.parametrize(
    ("phrase", "complaint"),
    [
        ("want (to die", "never closed with )"),
        ("want [to die", "never closed with ]"),
        ("want (to] die", "] has no meaning"),
        ("want to) die", ") has no meaning"),
        ("want | die", "| has no meaning"),
        ("want ^ die", "^ has no meaning"),
        ("want $ die", "$ has no meaning"),
        ("(a ... b) c", "... has no meaning"),
        ("(a _) c", "_ has no meaning"),
        ("{nobody} cries", "there is no list called {nobody}; "),
        ("{them cries", "{ has no meaning"),
        ("them} cries", "} has no meaning"),
        ("{my dad} cries", "{ has no meaning"),
        ("{empty} cries", "the list {empty} has an empty member"),
        ("[a|b]", "at least one word that is not optional"),
        ("... [a]", "at least one word that is not optional"),
        ("", "at least one word that is not optional"),
        ("!?", "at least one word that is not optional"),
        ("()", "at least one word that is not optional"),
    ],
)
def test_what_cannot_be_read_is_named(phrase: str, complaint: str) -> None:
    with pytest.raises(CounselError) as caught:
        Phrases(["fine", phrase], {"them": ["a"], "empty": ["b", "!"]})
    assert complaint.split(";")[0] in caught.value.what
    assert caught.value.where == phrase
    assert caught.value.fix


def test_no_table_makes_it_slow() -> None:
    phrases = Phrases(["a ... a ... a ... a ... b", "[a] [a] [a] [a] [a] [a] b", "(a|a a|a a a) ... (a|a a) c"])
    once, eight = (_seconds(phrases, n) for n in (250, 2_000))
    assert eight < 24 * once + 0.05


def _seconds(phrases: Phrases, count: int) -> float:
    words = [Word("a", 0, 1)] * count
    best = float("inf")
    for _ in range(2):
        start = time.process_time()
        phrases.find(words)
        best = min(best, time.process_time() - start)
    return best


def test_the_shipped_rules_are_found_in_linear_time() -> None:
    from counsel.safety.screening import rules

    table = rules.load()
    random.seed(7)
    common = sorted(table._phrases.vocabulary)
    for text in ("i want to be dead and i ", "not my dad he ", " ".join(random.choices(common, k=200)) + ". "):
        words = table.reader.read(text * (12_000 // len(text)))
        start = time.process_time()
        table._phrases.find(words[: len(words) // 8])
        once = time.process_time() - start
        start = time.process_time()
        table._phrases.find(words)
        assert time.process_time() - start < 24 * once + 0.1
