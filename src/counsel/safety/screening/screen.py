"""A conversation to a ``Verdict``: the rules and, where it is there, the classifier, over every turn.

Risk carries over: split disclosures are joined, nothing that was said is erased by taking it back, and a level falls
only by the person's own plain word that the danger has passed, one step a turn and never below low, or by a human's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from counsel.conversation import Message
from counsel.safety.reading.language import Language, language_of
from counsel.safety.reading.spelling import Word, ends_sentence
from counsel.safety.screening import rules as table
from counsel.safety.screening.classifier import CATEGORY_OUTPUTS, Probabilities, classifier
from counsel.safety.screening.risk import MessageSigns, Risk, Sign
from counsel.safety.screening.rules import Hit, Rules
from counsel.safety.screening.windows import Window, windows
from counsel.safety.verdict import Category, Evidence, Level, Verdict

Classify = Callable[[Sequence[str]], list[Probabilities]]

LONGEST = 200_000
"""Characters of one message that are read, half from its beginning and half from its end. No person types more."""
JOINED_WORDS = 60
"""Words of the person's earlier messages that a phrase may begin in."""
CONTEXT_WORDS = 24
"""Those that the classifier reads before a new message."""
MOST_WINDOWS = 96
"""Windows of one message that the classifier reads: the first third and the last two thirds of so many."""
THRESHOLDS = (0.85, 0.5, 0.5, 0.5)
"""Calibrated probabilities from which a window is at least low, moderate, high, imminent; the first one chosen so that
about two in a hundred sad-but-safe messages are raised (tools/screening/average.py)."""
STRICT = 0.97
"""The first threshold where the rules found a sign and excused it: a denial, an idiom, fiction, the past."""
SAFE = 0.07
"""A probability below which a soft sign of the rules does not stand."""
NAMED = 0.35
"""The probability from which the classifier names a category."""


@dataclass(frozen=True)
class Settled:
    """A human's word: after message number ``turn`` the level is ``level``."""

    turn: int
    level: Level


@dataclass
class _Heard:
    """The person's words so far, as far as later messages may go on with them."""

    words: list[Word] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)

    def next_place(self) -> tuple[int, int]:
        """Sentence and clause of the next message's first word: it may end the sentence that the last one began."""
        if not self.words:
            return 0, 0
        last = self.words[-1]
        return last.sentence + ends_sentence(self.texts[last.turn][last.end :]), last.clause + 1


class Screen:
    """Reads whole conversations. One may serve many threads.

    Args:
        rules: the table; the shipped one by default.
        classify: probabilities for texts; None for the rules alone.
    """

    def __init__(
        self, rules: Rules | None = None, classify: Classify | None = lambda texts: classifier()(texts)
    ) -> None:
        self.rules, self.classify = rules or table.load(), classify

    def __call__(self, messages: Sequence[Message], settled: Settled | None = None) -> Verdict:
        """The verdict on a conversation, its last word included.

        Args:
            messages: in order; only what the user said is screened.
            settled: a human's word on the level, if there is one.
        """
        risk, heard, asked = Risk(), _Heard(), frozenset[str]()
        language = Language("und", True, False)
        degraded = self.classify is None
        for number, message in enumerate(messages):
            if message.role == "assistant":
                asked = self._questions(message.content)
            elif message.role == "user":
                language = language_of(message.content)
                text, whole = _within_bounds(message.content)
                signs, read = self._message(number, text, heard, language)
                degraded |= not (whole and read) or (language.sure and not language.read)
                risk.hear(signs, asked)
                asked = frozenset()
            if settled and settled.turn == number:
                risk.level = settled.level
        return risk.verdict(language, degraded)

    def _questions(self, text: str) -> frozenset[str]:
        """What an assistant's message asks about."""
        words = self.rules.reader.read(text[:5000])
        return frozenset(h.concept.id for h in self.rules.hits(words) if h.concept.marker)

    def _message(self, number: int, text: str, heard: _Heard, language: Language) -> tuple[MessageSigns, bool]:
        """What one message says, and whether the classifier could read it."""
        sentence, clause = heard.next_place()
        words = self.rules.reader.read(text, number, sentence, clause)
        tail = heard.words[-JOINED_WORDS:]
        stream = [*tail, *words]
        heard.texts[number] = text
        signs = MessageSigns(number)
        for hit in self.rules.hits(stream, len(tail)):
            if not (hit.concept.marker and hit.start < len(tail)):
                signs.add(hit, _evidence(hit, stream))
        read = True
        if self.classify is not None and words and (language.tag in ("en", "und") or not language.sure):
            skipped = max(0, len(tail) - CONTEXT_WORDS)
            read = self._classify(signs, stream[skipped:], len(tail) - skipped, heard.texts)
        heard.words = stream
        return signs, read

    def _classify(self, message: MessageSigns, stream: Sequence[Word], begin: int, texts: dict[int, str]) -> bool:
        """Add the classifier's signs; gives whether it read the whole message."""
        found = windows(texts, stream, begin)
        chosen = (
            found if len(found) <= MOST_WINDOWS else [*found[: MOST_WINDOWS // 3], *found[-2 * MOST_WINDOWS // 3 :]]
        )
        try:
            judged = self.classify([w.text for w in chosen])  # type: ignore[misc]
            if len(judged) != len(chosen) or not all(map(_sound, judged)):
                return False
        except Exception:  # whatever fails in there, the rules' word stands and the verdict says that it stands alone
            return False
        for window, probabilities in zip(chosen, judged, strict=True):
            start, end = _span(window, stream, message.number)
            if probabilities.levels[0] < SAFE:
                message.drop_soft(start, end)
            excused = message.is_excused(start, end)
            level = _level(probabilities, STRICT if excused else THRESHOLDS[0])
            if level:
                message.signs.append(_sign(window, probabilities, level, stream, begin))
        return len(chosen) == len(found)


def _sound(p: Probabilities) -> bool:
    """Whether these are probabilities, all of them: a damaged classifier gives others, or none."""
    whole = (len(p.levels), len(p.categories)) == (len(THRESHOLDS), len(CATEGORY_OUTPUTS))
    return whole and all(0 <= q <= 1 for q in (*p.levels, *p.categories, p.other))


def _within_bounds(text: str) -> tuple[str, bool]:
    if len(text) <= LONGEST:
        return text, True
    half = LONGEST // 2
    return text[:half] + "\n" * (len(text) - LONGEST) + text[-half:], False


def _evidence(hit: Hit, words: Sequence[Word]) -> Evidence:
    """The span in the message where the hit ends."""
    last = words[hit.end - 1]
    first = next(w for w in words[hit.start : hit.end] if w.turn == last.turn)
    return Evidence(last.turn, first.start, last.end, hit.concept.id)


def _level(probabilities: Probabilities, lowest: float) -> Level:
    """The highest level that this one and all below it reach."""
    level = Level.none
    for step, p, threshold in zip((1, 2, 3, 4), probabilities.levels, (lowest, *THRESHOLDS[1:]), strict=True):
        if p < threshold:
            break
        level = Level(step)
    return level


def _span(window: Window, stream: Sequence[Word], turn: int) -> tuple[int, int]:
    """The characters of a window that lie in a message."""
    inside = [w for w in stream[window.start : window.end] if w.turn == turn]
    return inside[0].start, inside[-1].end


def _sign(window: Window, p: Probabilities, level: Level, stream: Sequence[Word], begin: int) -> Sign:
    first, last = stream[max(window.start, begin)], stream[window.end - 1]
    named: list[Category] = [c for c, q in zip(CATEGORY_OUTPUTS, p.categories, strict=True) if q >= NAMED]
    likeliest = CATEGORY_OUTPUTS[max(range(len(CATEGORY_OUTPUTS)), key=lambda i: p.categories[i])]
    named.sort(key=lambda c: -p.categories[CATEGORY_OUTPUTS.index(c)])
    evidence = Evidence(last.turn, first.start, last.end, "classifier")
    return Sign(level, tuple(named or [likeliest]), evidence, "other" if p.other >= 0.5 else "self", "present")
