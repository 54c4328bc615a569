"""A conversation to a ``Verdict``: the rules and, where it is there, the classifier, over every turn.

Risk carries over: split disclosures are joined, and taking something back erases nothing. A level falls only when the
person says in plain words that the danger has passed, one step a turn and never below low, or when a human says so.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import TypeVar

from counsel.conversation import Message
from counsel.safety.reading.language import Language, language_of
from counsel.safety.reading.spelling import Word, ends_sentence
from counsel.safety.screening import rules as table
from counsel.safety.screening.classifier import CATEGORY_OUTPUTS, Probabilities, classifier
from counsel.safety.screening.opinion import Opinion, second_opinion
from counsel.safety.screening.risk import MessageSigns, Risk, Sign
from counsel.safety.screening.rules import Hit, Rules
from counsel.safety.screening.windows import passages, windows
from counsel.safety.verdict import Category, Evidence, Level, Subject, Verdict

Known = TypeVar("Known", "_Read", frozenset[str])
Classify = Callable[[Sequence[str]], list[Probabilities]]

LONGEST = 200_000
"""How many characters of a message are read, half from its beginning and half from its end. Nobody types more."""
JOINED_WORDS = 60
"""Words of the person's earlier messages that a phrase may begin in."""
MOST_WINDOWS = 96
"""Windows of one message that the classifier reads: the first third and the last two thirds of so many."""
THRESHOLDS = (0.65, 0.85, 0.6, 0.6)
"""Calibrated probabilities from which a passage is at least low, moderate, high, imminent. Of the messages kept aside
the second acts on 0.3 % of the sad but safe (tools/screening/calibrate.py; docs/screening.md says what others cost)."""
STRICT = 0.97
"""The first threshold where the rules found a sign and excused it: a denial, an idiom, fiction, the past."""
SAFE = 0.07
"""Below this probability, a soft sign of the rules does not stand."""
NAMED = 0.35
"""The probability from which the classifier names a category."""
LIKELY = 0.15
"""If it names none, it names the likeliest one from this probability on; below, it would only be a guess."""
REMEMBERED = 1024
"""Messages whose signs are kept, so that a talk's next turn costs one message and not all of them again."""


@dataclass(frozen=True)
class Settled:
    """A human's word: after message number ``turn`` the level is ``level``."""

    turn: int
    level: Level


@dataclass(frozen=True, slots=True)
class _Read:
    """A message of the person as it was read: its signs, and the words that a later one may go on with."""

    signs: MessageSigns
    tail: tuple[Word, ...]
    language: Language
    whole: bool


class Screen:
    """Reads whole conversations. One may serve many threads.

    Args:
        rules: the table; the shipped one by default.
        classify: probabilities for texts; None for the rules alone.
        remembered: messages whose signs are kept, under a digest and without their text.
        judge: a second opinion on what only the classifier sees; None for none.
        thresholds: the classifier's probabilities from which a passage is at least low, moderate, high, imminent.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        classify: Classify | None = lambda texts: classifier()(texts),
        remembered: int = REMEMBERED,
        judge: Opinion | None = None,
        thresholds: tuple[float, float, float, float] = THRESHOLDS,
    ) -> None:
        self.thresholds = thresholds
        self._remembered, self.judge = remembered, judge
        self.rules, self.classify = rules or table.load(), classify
        self._known: OrderedDict[bytes, _Read | frozenset[str]] = OrderedDict()
        self._lock = Lock()

    def __call__(self, messages: Sequence[Message], settled: Settled | None = None) -> Verdict:
        """The verdict on a conversation, its last word included.

        Args:
            messages: in order; only what the user said is screened.
            settled: a human's word on the level, if there is one.
        """
        risk, asked, tail = Risk(), frozenset[str](), tuple[Word, ...]()
        language = Language("und", True, False)
        degraded, key, doubt = self.classify is None, b"", 0.0
        for number, message in enumerate(messages):
            key = _next_key(key, message)
            if message.role == "assistant":
                asked = self._questions(key, message.content)
            elif message.role == "user":
                read = self._message(key, number, messages, tail)
                language, tail = read.language, read.tail
                degraded |= not read.whole or (language.sure and not language.read)
                risk.hear(read.signs, asked)
                asked, doubt = frozenset(), read.signs.doubt
            if settled and settled.turn == number:
                risk.settle(settled.level)
        verdict = risk.verdict(language, degraded)
        return second_opinion(self.judge, verdict, messages, doubt) if self.judge else verdict

    def _questions(self, key: bytes, text: str) -> frozenset[str]:
        """What an assistant's message asks about in its last question."""
        known = self._recall(key)
        if isinstance(known, frozenset):
            return known
        end = text.rfind("?") + 1
        words = self.rules.reader.read(text[max(0, end - 2000) : end])
        last = words[-1].sentence if words else 0
        hits = [h for h in self.rules.hits(words) if h.concept.marker and h.sentence == last]
        return self._remember(key, frozenset(h.concept.id for h in hits))

    def _message(self, key: bytes, number: int, messages: Sequence[Message], tail: tuple[Word, ...]) -> _Read:
        """What one message says, read behind the last words of those before it."""
        known = self._recall(key)
        if isinstance(known, _Read):
            return known
        texts = {w.turn: _within_bounds(messages[w.turn].content)[0] for w in tail}
        content = messages[number].content
        texts[number], whole = _within_bounds(content)
        words = self.rules.reader.read(texts[number], number, *_next_place(tail, texts))
        stream, signs = [*tail, *words], MessageSigns(number)
        for hit in self.rules.hits(stream, len(tail)):
            if not (hit.concept.marker and hit.start < len(tail)):
                signs.add(hit, _evidence(hit, stream))
        language = language_of(content)
        judged = True
        if self.classify is not None and words and (language.tag in ("en", "und") or not language.sure):
            judged = self._classify(signs, words, messages[:number], texts)
        read = _Read(signs, tuple(stream[-JOINED_WORDS:]), language, whole and judged)
        return read if not judged else self._remember(key, read)

    def _classify(
        self, message: MessageSigns, words: Sequence[Word], before: Sequence[Message], texts: dict[int, str]
    ) -> bool:
        """Add the classifier's signs; gives whether it read the whole message.

        What was said before only explains the message: it is read beside it and not judged.
        """
        found = windows(texts, words)
        asked = passages(before, found)
        chosen = [*range(len(found))]
        if len(found) > MOST_WINDOWS:
            chosen = [*chosen[: MOST_WINDOWS // 3], *chosen[-2 * MOST_WINDOWS // 3 :]]
        try:
            judged = self.classify([asked[i] for i in chosen])  # type: ignore[misc]
            if len(judged) != len(chosen) or not all(map(_sound, judged)):
                return False
        except Exception:  # whatever fails in the classifier, the rules' verdict stands and says that it stands alone
            return False
        message.doubt = max((p.levels[0] for p in judged), default=0.0)
        for i, probabilities in zip(chosen, judged, strict=True):
            start, end = words[found[i].start].start, words[found[i].end - 1].end
            if probabilities.levels[0] < SAFE:
                message.drop_soft(start, end)
            lowest = max(STRICT, self.thresholds[0]) if message.is_excused(start, end) else self.thresholds[0]
            level = _level(probabilities, (lowest, *self.thresholds[1:]))
            if level:
                message.signs.append(
                    _sign(Evidence(message.number, start, end, "classifier"), probabilities, level, lowest)
                )
        return len(chosen) == len(found)

    def _recall(self, key: bytes) -> _Read | frozenset[str] | None:
        with self._lock:
            return self._known.get(key)

    def _remember(self, key: bytes, value: Known) -> Known:
        with self._lock:
            self._known[key] = value
            while len(self._known) > self._remembered:
                self._known.popitem(last=False)
        return value


def _next_key(key: bytes, message: Message) -> bytes:
    """The name of a conversation up to a message: a digest, so that no text is kept under it."""
    body = message.content.encode("utf-8", "surrogatepass")
    return blake2b(key + message.role.encode() + b"\0" + body, digest_size=16).digest()


def _next_place(tail: Sequence[Word], texts: dict[int, str]) -> tuple[int, int]:
    """Sentence and clause of the next message's first word: it may end the sentence that the last one began."""
    if not tail:
        return 0, 0
    last = tail[-1]
    return last.sentence + ends_sentence(texts[last.turn][last.end :]), last.clause + 1


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


def _level(probabilities: Probabilities, thresholds: Sequence[float]) -> Level:
    """The highest level that this one and all below it reach."""
    level = Level.none
    for step, p, threshold in zip((1, 2, 3, 4), probabilities.levels, thresholds, strict=True):
        if p < threshold:
            break
        level = Level(step)
    return level


def _sign(evidence: Evidence, p: Probabilities, level: Level, lowest: float) -> Sign:
    ranked = sorted(zip(p.categories, CATEGORY_OUTPUTS, strict=True), key=lambda pair: -pair[0])
    named: tuple[Category, ...] = tuple(c for q, c in ranked if q >= NAMED)
    likeliest = tuple(c for q, c in ranked[:1] if q >= LIKELY)
    odds = _odds(p.levels[0]) / _odds(lowest)
    subject: Subject = "other" if p.other >= 0.5 else "self"
    return Sign(level, named or likeliest, evidence, subject, "present", odds=odds)


def _odds(probability: float) -> float:
    return probability / max(1 - probability, 1e-9)
