"""What is known of a person's risk as a conversation goes on: it rises at once and falls only for a reason."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from counsel.safety.reading.language import Language
from counsel.safety.screening.rules import Hit
from counsel.safety.verdict import Action, Category, Evidence, Level, Subject, Tier, Time, Verdict

HINTS_FOR_LOW = 2
"""Different weak hints in one conversation that are a sign together."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A live sign of risk, by the rules or the classifier."""

    level: Level
    categories: tuple[Category, ...]
    evidence: Evidence
    subject: Subject
    time: Time
    soft: bool = False


@dataclass
class MessageSigns:
    """What one message of the person says."""

    number: int
    signs: list[Sign] = field(default_factory=list)
    hints: list[Sign] = field(default_factory=list)
    raisers: list[tuple[Hit, Evidence]] = field(default_factory=list)
    excused: list[tuple[Hit, Evidence]] = field(default_factory=list)
    markers: dict[str, Evidence] = field(default_factory=dict)
    refuse: bool = False

    def add(self, hit: Hit, evidence: Evidence) -> None:
        """Sort a hit of the rules in."""
        concept = hit.concept
        sign = Sign(concept.level, (concept.category,), evidence, hit.subject, hit.time, concept.soft)
        if concept.marker:
            self.markers.setdefault(concept.id, evidence)
            if concept.category == "minor":
                self.signs.append(sign)
        elif hit.excuse:
            self.excused.append((hit, evidence))
        elif concept.hint:
            self.hints.append(sign)
        elif concept.raises:
            self.raisers.append((hit, evidence))
        else:
            self.signs.append(sign)
            self.refuse |= concept.action == "refuse"

    def _stands(self, evidence: Evidence, start: int, end: int) -> bool:
        return evidence.turn == self.number and evidence.start < end and start < evidence.end

    def drop_soft(self, start: int, end: int) -> None:
        """Forget the soft signs between these characters, which the classifier finds plainly safe."""
        self.signs = [s for s in self.signs if not (s.soft and self._stands(s.evidence, start, end))]

    def is_excused(self, start: int, end: int) -> bool:
        """Whether the rules excused a sign between these characters and found no live one there."""

        def there(evidence: Evidence) -> bool:
            return self._stands(evidence, start, end)

        live = any(s.level and there(s.evidence) for s in self.signs if s.evidence.signal != "classifier")
        return not live and any(there(evidence) for _, evidence in self.excused)


@dataclass
class Risk:
    """The state over turns."""

    level: Level = Level.none
    categories: dict[Category, Level] = field(default_factory=dict)
    evidence: dict[Evidence, None] = field(default_factory=dict)
    subject: Subject = "unclear"
    time: Time = "unclear"
    _hints: dict[str, Sign] = field(default_factory=dict)
    _raisers: list[tuple[Hit, Evidence]] = field(default_factory=list)
    _reached: dict[Literal["rules", "classifier"], Level] = field(default_factory=dict)
    _refuse: bool = False

    def hear(self, message: MessageSigns, asked: frozenset[str]) -> None:
        """Take in a message; ``asked`` is what the assistant's message before it asked about."""
        risen = max((self._note(sign) for sign in message.signs), default=Level.none)
        self._raisers += message.raisers
        self._refuse |= message.refuse
        for hint in message.hints:
            self._hints.setdefault(hint.evidence.signal, hint)
        if message.hints and len(self._hints) >= HINTS_FOR_LOW:
            for hint in self._hints.values():
                risen = max(risen, self._note(Sign(Level.low, ("suicide",), hint.evidence, "self", "present")))
        risen = max(risen, self._answered(message, asked), self._raised(message))
        if not (self.level or risen):
            self._remember_excuse(message)
        if "safer_now" in message.markers and Level.low < self.level and risen <= Level.low:
            self.level = Level(self.level - 1)
        else:
            self.level = max(self.level, risen)

    def _note(self, sign: Sign) -> Level:
        top = max(self.categories.values(), default=Level.none)
        if sign.level > top or (sign.level and sign.level == top and sign.subject == "self"):
            self.subject, self.time = sign.subject, sign.time
        for category in sign.categories:
            self.categories[category] = max(sign.level, self.categories.get(category, Level.none))
        self.evidence[sign.evidence] = None
        tier: Literal["rules", "classifier"] = "classifier" if sign.evidence.signal == "classifier" else "rules"
        self._reached[tier] = max(sign.level, self._reached.get(tier, Level.none))
        return sign.level

    def _remember_excuse(self, message: MessageSigns) -> None:
        times: dict[str, Time] = {"past": "past", "fiction": "hypothetical"}
        for hit, _ in message.excused:
            if hit.excuse in times:
                self.time, self.subject = times[hit.excuse], hit.subject

    def _answered(self, message: MessageSigns, asked: frozenset[str]) -> Level:
        """A yes to the question about suicide, or about a plan, that the assistant has just asked."""
        if "answers_yes" not in message.markers or not asked & {"asked_about_suicide", "asked_about_plan"}:
            return Level.none
        known = self.categories.get("suicide", Level.none)
        if "asked_about_plan" in asked and known >= Level.moderate:
            level = Level.high
        elif "asked_about_suicide" in asked:
            level = Level.moderate
        else:
            return Level.none
        return self._note(Sign(level, ("suicide",), message.markers["answers_yes"], "self", "present"))

    def _raised(self, message: MessageSigns) -> Level:
        """Means and times count beside another sign of the same category, when one of the two is new."""
        now = {c for s in message.signs if s.level for c in s.categories}
        risen = Level.none
        for hit, evidence in self._raisers:
            concept = hit.concept
            known = self.categories.get(concept.category, Level.none)
            if concept.same_sentence and (evidence.turn != message.number or concept.category not in now):
                continue
            if known and (concept.category in now or evidence.turn == message.number):
                risen = max(risen, self._note(Sign(concept.raises, (concept.category,), evidence, "self", "present")))
        return risen

    @property
    def _by(self) -> Tier:
        rules, network = self._reached.get("rules", Level.none), self._reached.get("classifier", Level.none)
        if rules and network:
            return "both"
        return "classifier" if network else "rules"

    def verdict(self, language: Language, degraded: bool) -> Verdict:
        """What it comes to, for the language of the last message."""
        unread = language.sure and not language.read
        action: Action = "support" if self.level or unread else "pass"
        if self._refuse:
            action = "refuse"
        elif self.level >= Level.moderate:
            action = "protocol"
        return Verdict(
            level=self.level,
            categories=tuple(sorted(self.categories, key=lambda c: -self.categories[c])),
            subject=self.subject,
            time=self.time,
            language=language.tag,
            action=action,
            evidence=tuple(sorted(self.evidence, key=lambda e: (e.turn, e.start))),
            by=self._by,
            degraded=degraded or unread,
        )
