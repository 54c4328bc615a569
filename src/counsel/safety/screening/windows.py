"""What the classifier reads: a few sentences at a time, with hidden or misspelt words mended.

The sentence model is cut at 256 tokens, so a long message is never read as one piece: risk at its end counts as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counsel.conversation import Message
from counsel.safety.reading.letters import GONE, plain
from counsel.safety.reading.spelling import Word

MOST_WORDS = 64
"""Words of a window; sentences are taken whole while they fit."""
OVERLAP = 12
"""Words shared by the pieces of a sentence that is longer than a window, and at most by two windows."""

MOST_CONTEXT = 40
"""Words that were said before a window and are read with it, to explain it."""
LONG = 600
"""Characters that hold so many words."""
SPOKEN = 4
"""Messages from which they are taken."""
MOST_SIGNS = 20
"""Characters between two words that are embedded, at most."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some sentences: their words' numbers in the stream, and the text that is embedded."""

    start: int
    end: int
    text: str


def passages(before: Sequence[Message], found: Sequence[Window]) -> list[str]:
    """What the classifier reads of one message: what was said before, a newline, and a window.

    Args:
        before: the conversation up to the message.
        found: the message's windows, in order.
    """
    spoken = " ".join(f"{'you' if m.role == 'assistant' else 'me'}: {m.content[-LONG:]}" for m in before[-SPOKEN:])
    made = []
    for window in found:
        made.append(" ".join(spoken.split()[-MOST_CONTEXT:]) + "\n" + window.text)
        spoken = f"{spoken[-LONG:]} me: {window.text}"
    return made


def windows(texts: Sequence[str] | Mapping[int, str], words: Sequence[Word], begin: int = 0) -> list[Window]:
    """Windows over a stream of words, each with a word from number ``begin`` on.

    Args:
        texts: the raw text of each message, by ``Word.turn``.
        words: of one or several messages, in order.
        begin: where the new message starts.
    """
    made: list[Window] = []
    sentences = _sentences(words)
    at = 0
    while at < len(sentences):
        stop = at + 1
        while stop < len(sentences) and sentences[stop][1] - sentences[at][0] <= MOST_WORDS:
            stop += 1
        start, end = sentences[at][0], sentences[stop - 1][1]
        if end > begin:
            made.append(Window(start, end, _text(texts, words[start:end])))
        last_start, last_end = sentences[stop - 1]
        shared = stop < len(sentences) and stop - at > 1 and last_end - last_start <= OVERLAP
        at = stop - 1 if shared else stop
    return made


def _sentences(words: Sequence[Word]) -> list[tuple[int, int]]:
    """Ranges of words; a sentence longer than a window is cut into overlapping pieces."""
    ranges: list[tuple[int, int]] = []
    start = 0
    for i in range(1, len(words) + 1):
        if i < len(words) and words[i].sentence == words[start].sentence:
            continue
        while i - start > MOST_WORDS:
            ranges.append((start, start + MOST_WORDS))
            start += MOST_WORDS - OVERLAP
        ranges.append((start, i))
        start = i
    return ranges


def _text(texts: Sequence[str] | Mapping[int, str], words: Sequence[Word]) -> str:
    """The raw text of some words, with what was mended in place of what was written."""
    parts: list[str] = []
    at, turn = words[0].start, words[0].turn
    for word in words:
        if word.turn != turn:
            parts.append(" ")
            at, turn = word.start, word.turn
        raw = texts[turn]
        if word.start >= at:
            parts.append(raw[at : min(word.start, at + MOST_SIGNS)])
            written = raw[word.start : word.end]
            known = plain(written).replace("'", "").replace(GONE, "")
            parts.append(written if known == word.text else word.text)
        else:  # a second word out of the same letters
            parts.append(" " + word.text)
        at = max(at, word.end)
    return " ".join("".join(parts).split())
