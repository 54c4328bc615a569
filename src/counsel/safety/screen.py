"""A conversation to a ``Verdict``: the rules and, where it is there, the classifier, over every turn.

Risk carries over: split disclosures are joined, nothing that was said is erased by taking it back, and a level falls
only by the person's own plain word that the danger has passed, one step a turn and never below low, or by a human's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from counsel.conversation import Message
from counsel.safety import rules as table
from counsel.safety.language import Language, language_of
from counsel.safety.rules import Hit, Rules
from counsel.safety.spelling import Word
from counsel.safety.verdict import Action, Category, Evidence, Level, Subject, Tier, Time, Verdict

LONGEST = 200_000
"""Characters of one message that are read: its beginning and its end, half each. No person types more."""
JOINED_TURNS = 3
"""Earlier messages of the person that a phrase may begin in."""
JOINED_WORDS = 40
HINTS_FOR_LOW = 2


@dataclass(frozen=True)
class Settled:
    """A human's word: after message number ``turn`` the level is ``level``."""

    turn: int
    level: Level


@dataclass
class _Turn:
    """What one message says."""

    number: int
    level: Level = Level.none
    hits: list[tuple[Level, Hit, Evidence]] = field(default_factory=list)
    excused: list[Hit] = field(default_factory=list)
    markers: set[str] = field(default_factory=set)


class Screen:
    """Reads whole conversations. One may serve many threads.

    Args:
        rules: the table; the shipped one by default.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or table.load()

    def __call__(self, messages: Sequence[Message], settled: Settled | None = None) -> Verdict:
        """The verdict on a conversation, its last word included.

        Args:
            messages: in order; only what the user said is screened.
            settled: a human's word on the level, if there is one.
        """
        state = _State()
        heard: list[Word] = []
        asked: set[str] = set()
        for number, message in enumerate(messages):
            if message.role == "assistant":
                asked = self._markers(message.content)
            elif message.role == "user":
                words = self._words(message.content, number, heard)
                turn = self._turn(number, heard, words)
                state.hear(turn, asked)
                heard = (heard + words)[-JOINED_TURNS * JOINED_WORDS :]
                asked = set()
            if settled and settled.turn == number:
                state.level = settled.level
        last = next((m.content for m in reversed(messages) if m.role == "user"), "")
        return state.verdict(language_of(last))

    def _markers(self, text: str) -> set[str]:
        words = self.rules.reader.read(text[:5000])
        return {h.concept.id for h in self.rules.hits(words) if h.concept.marker}

    def _words(self, text: str, number: int, heard: Sequence[Word]) -> list[Word]:
        """The words of a message, its first sentence going on with the last one unless that was ended."""
        if len(text) > LONGEST:
            half = LONGEST // 2
            text = text[:half] + " " * (len(text) - LONGEST) + text[-half:]
        at = heard[-1] if heard else None
        return self.rules.reader.read(text, number, at.sentence if at else 0, at.clause + 1 if at else 0)

    def _turn(self, number: int, heard: Sequence[Word], words: Sequence[Word]) -> _Turn:
        turn = _Turn(number)
        tail = [w for w in heard[-JOINED_TURNS * JOINED_WORDS :]]
        stream = [*tail, *words]
        for hit in self.rules.hits(stream, len(tail)):
            concept = hit.concept
            if concept.marker:
                if hit.start >= len(tail):
                    turn.markers.add(concept.id)
                    if concept.category != "suicide":
                        turn.hits.append((concept.level, hit, _evidence(hit, stream)))
            elif hit.excuse:
                turn.excused.append(hit)
            else:
                turn.hits.append((concept.level, hit, _evidence(hit, stream)))
        return turn


def _evidence(hit: Hit, words: Sequence[Word]) -> Evidence:
    """The span in the message where the hit ends."""
    last = words[hit.end - 1]
    first = next(w for w in words[hit.start : hit.end] if w.turn == last.turn)
    return Evidence(last.turn, first.start, last.end, hit.concept.id)


@dataclass
class _State:
    """What is known so far in a conversation."""

    level: Level = Level.none
    categories: dict[Category, Level] = field(default_factory=dict)
    evidence: list[Evidence] = field(default_factory=list)
    hints: dict[str, Evidence] = field(default_factory=dict)
    raisers: list[tuple[Hit, Evidence]] = field(default_factory=list)
    subject: Subject = "unclear"
    time: Time = "unclear"
    by: Tier = "rules"
    refuse: bool = False

    def hear(self, turn: _Turn, asked: set[str]) -> None:
        """Take in one message of the person."""
        risen = Level.none
        for level, hit, evidence in turn.hits:
            concept = hit.concept
            if concept.hint:
                self.hints.setdefault(concept.id, evidence)
            elif concept.raises:
                self.raisers.append((hit, evidence))
            else:
                risen = max(risen, self._note(concept.category, level, evidence, hit.subject, hit.time))
                self.refuse |= concept.action == "refuse"
        if len(self.hints) >= HINTS_FOR_LOW:
            for evidence in self.hints.values():
                risen = max(risen, self._note("suicide", Level.low, evidence, "self", "present"))
        risen = max(risen, self._answered(turn, asked), self._raised(turn))
        for hit in turn.excused:
            if self.level is Level.none and risen is Level.none and self.time == "unclear":
                self.time = {"past": "past", "fiction": "hypothetical", "idiom": "unclear"}.get(hit.excuse, "unclear")  # type: ignore[assignment]
        if "safer_now" in turn.markers and risen <= Level.low and self.level > Level.low:
            self.level = Level(self.level - 1)
        else:
            self.level = max(self.level, risen)

    def _note(self, category: Category, level: Level, evidence: Evidence, subject: Subject, time: Time) -> Level:
        top = max(self.categories.values(), default=Level.none)
        if level >= top and level > Level.none and (self.subject != "self" or level > top or subject == "self"):
            self.subject, self.time = subject, time
        self.categories[category] = max(level, self.categories.get(category, Level.none))
        if evidence not in self.evidence:
            self.evidence.append(evidence)
        return level

    def _answered(self, turn: _Turn, asked: set[str]) -> Level:
        """A yes to the question that the assistant has just asked."""
        if "answers_yes" not in turn.markers or "asked_about_suicide" not in asked | ({"asked_about_suicide"} if self.level >= Level.moderate else set()):
            return Level.none
        level = Level.high if "asked_about_plan" in asked and self.level >= Level.moderate else Level.moderate
        if "asked_about_suicide" not in asked and "asked_about_plan" not in asked:
            return Level.none
        return self._note("suicide", level, Evidence(turn.number, 0, 0, "answers_yes"), "self", "present")

    def _raised(self, turn: _Turn) -> Level:
        """Means and times count beside another sign of the same category."""
        risen = Level.none
        signs = {h.concept.category: h for _, h, _ in turn.hits if not (h.concept.hint or h.concept.raises or h.concept.marker)}
        for hit, evidence in self.raisers:
            concept = hit.concept
            known = self.categories.get(concept.category, Level.none)
            beside = known >= Level.moderate or (known >= Level.low and concept.category in signs)
            if concept.same_sentence:
                beside = beside and evidence.turn == turn.number and concept.category in signs
            if beside:
                risen = max(risen, self._note(concept.category, concept.raises, evidence, "self", "present"))
        return risen

    def verdict(self, language: Language) -> Verdict:
        """What it comes to."""
        categories = sorted(self.categories, key=lambda c: -self.categories[c])
        unread = not language.read and language.sure
        action: Action = "pass"
        if self.refuse:
            action = "refuse"
        elif self.level >= Level.moderate:
            action = "protocol"
        elif self.level or unread:
            action = "support"
        return Verdict(
            self.level, tuple(categories), self.subject, self.time, language.tag, action,
            tuple(sorted(self.evidence, key=lambda e: (e.turn, e.start))), self.by, unread,
        )  # fmt: skip
