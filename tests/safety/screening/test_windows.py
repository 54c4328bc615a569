"""Windows: every new word stands in one, none is too long, and what was hidden is spelt out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.safety.reading.spelling import Word
from counsel.safety.screening import rules
from counsel.safety.screening.windows import MOST_WORDS, OVERLAP, windows

READER = rules.load().reader


def read(*messages: str) -> list[Word]:
    words: list[Word] = []
    for turn, text in enumerate(messages):
        words += READER.read(text, turn, words[-1].sentence + 1 if words else 0)
    return words


def texts(*messages: str, begin: int = 0) -> list[str]:
    return [w.text for w in windows(messages, read(*messages), begin)]


@pytest.mark.parametrize(
    ("written", "embedded"),
    [
        ("I’m fine, thanks!", "I’m fine, thanks"),
        ("I want to k1ll my5elf", "I want to kill myself"),
        ("iwanttodie now", "i want to die now"),
        ("k i l l   m y s e l f", "kill myself"),
        ("su\u200bicide", "su\u200bicide"),
        ("Sad 🔪 day", "Sad emojiknife day"),
        ("one\n\n\ntwo", "one two"),
        ("wait" + "!" * 500 + "what", "wait" + "!" * 20 + "what"),
    ],
)
def test_what_is_embedded_is_what_was_meant(written: str, embedded: str) -> None:
    assert texts(written) == [embedded]


def test_sentences_stay_whole_while_they_fit() -> None:
    sentence = "one two three four five six seven eight nine ten eleven twelve thirteen. "
    made = windows([sentence * 5], read(sentence * 5))
    assert [(w.start, w.end) for w in made] == [(0, 52), (52, 65)]


def test_a_short_last_sentence_is_read_with_what_follows_too() -> None:
    text = "word " * 40 + "end. I did it. " + "word " * 40
    made = windows([text], read(text))
    assert "I did it" in made[0].text and "I did it" in made[1].text


def test_a_long_sentence_is_cut_with_an_overlap() -> None:
    text = "word " * 130
    made = windows([text], read(text))
    assert all(a.end - b.start == OVERLAP for a, b in zip(made, made[1:], strict=False))


def test_only_windows_with_new_words_are_made() -> None:
    old, new = "word " * 60 + ".", "And this is new."
    words = read(old, new)
    made = windows([old, new], words, begin=len(words) - 4)
    assert len(made) == 1 and made[0].text.endswith("And this is new")


def test_messages_are_joined_with_a_space() -> None:
    assert texts("I want to.", "die") == ["I want to die"]


def test_no_words_no_windows() -> None:
    assert texts("…") == []
    assert windows([], []) == []


MESSAGES = st.lists(
    st.lists(st.sampled_from("I want to die . ! k1ll kms \n word word, k i l l 😭 don’t".split(" ")), max_size=160).map(
        " ".join
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=200, deadline=None)
@given(MESSAGES, st.integers(0, 200))
def test_every_new_word_is_in_a_window(messages: list[str], begin: int) -> None:
    words = read(*messages)
    made = windows(messages, words, begin)
    covered = {i for w in made for i in range(w.start, w.end)}
    assert set(range(min(begin, len(words)), len(words))) <= covered
    for window in made:
        assert 0 <= window.start < window.end <= len(words)
        assert window.end - window.start <= MOST_WORDS
        assert window.end > begin
        assert window.text and "\n" not in window.text
    assert sum(w.end - w.start for w in made) <= 2 * len(words) + MOST_WORDS
