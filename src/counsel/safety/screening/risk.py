"""What is known of a person's risk as a conversation goes on: it rises at once and falls only for a reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Literal

from counsel.safety.reading.language import Language
from counsel.safety.screening.rules import Hit
from counsel.safety.verdict import Action, Category, Evidence, Level, Subject, Tier, Time, Verdict

HINTS_FOR_LOW = 2
"""How many different weak hints near each other are a sign together."""
NEAR = 6
"""Messages of the person within which hints count together, and what is about to be done has been said before."""
FADING = 4
"""Messages of the person after which what the classifier alone found is one level lower."""
QUIET = 3
"""Messages without a sign that weigh nothing yet; people begin a talk with small ones."""
QUIET_WEIGHS = 0.5
"""How much those beyond weigh: the classifier's odds must grow with this power of their number."""
ANOTHERS_MOST = Level.moderate
"""The most that words about another person come to, where a row is not about others in the first place."""
ASKED_ABOUT = frozenset({"suicide", "self_harm"})
"""Categories that the gentle question is about already where they are low; the others are asked about from moderate."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A live sign of risk, by the rules or the classifier."""

    level: Level
    categories: tuple[Category, ...]
    evidence: Evidence
    subject: Subject
    time: Time
    soft: bool = False
    sentence: int = -1
    """The number of its sentence; -1 for the classifier's."""
    odds: float = inf
    """For the classifier's: its odds of risk, in units of what is enough in a first message."""

    @property
    def is_weak(self) -> bool:
        """Whether the classifier alone gave it."""
        return self.evidence.signal == "classifier"


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
    doubt: float = 0.0
    """The classifier's highest probability of risk."""

    def add(self, hit: Hit, evidence: Evidence) -> None:
        """Take in a hit of the rules."""
        concept, level = hit.concept, hit.concept.level
        if hit.subject == "other" and concept.subject is None:
            level = min(level, Level.low if concept.time else ANOTHERS_MOST)
        sign = Sign(level, (concept.category,), evidence, hit.subject, hit.time, concept.soft, hit.sentence)
        if concept.marker:
            self.markers.setdefault(concept.id, evidence)
            if concept.category == "minor":
                self.signs.append(sign)
            return
        if hit.excuse:
            self.excused.append((hit, evidence))
            return
        if concept.hint:
            self.hints.append(sign)
        if concept.raises:
            self.raisers.append((hit, evidence))
        elif not concept.hint:
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

        live = any(s.level and there(s.evidence) for s in self.signs if not s.is_weak)
        return not live and any(there(evidence) for _, evidence in self.excused)


@dataclass
class Risk:
    """The state over turns. What the rules found stands; what the classifier alone found is weighed, and fades.

    The messages of a long talk are not independent chances to raise an alarm. The more messages without a sign have
    passed, the surer the classifier must be, because each lowers the odds that the person is at risk. For the risk to
    stay, the classifier or the rules must find it again.
    """

    _plain: Level = Level.none
    _plain_categories: dict[Category, Level] = field(default_factory=dict)
    _plain_evidence: dict[Evidence, None] = field(default_factory=dict)
    _plain_reached: Level = Level.none
    _of: tuple[Subject, Time] = ("unclear", "unclear")
    _weak: list[tuple[int, Sign]] = field(default_factory=list)
    _heard: int = 0
    _last_sign: int = 0
    _last_of: dict[Category, int] = field(default_factory=dict)
    _hints: dict[str, tuple[int, Sign]] = field(default_factory=dict)
    _raisers: dict[str, tuple[int, Hit, Evidence]] = field(default_factory=dict)
    _refuse: bool = False

    @property
    def level(self) -> Level:
        """What stands now."""
        return max([self._plain, *(sign.level for sign in self._standing())])

    @property
    def categories(self) -> dict[Category, Level]:
        """Each with its level."""
        found = dict(self._plain_categories)
        for sign in self._standing():
            for category in sign.categories:
                found[category] = max(sign.level, found.get(category, Level.none))
        return found

    @property
    def evidence(self) -> list[Evidence]:
        """Where each sign stands that counts."""
        return list(dict.fromkeys([*self._plain_evidence, *(sign.evidence for sign in self._standing())]))

    @property
    def subject(self) -> Subject:
        """Of whom the most urgent sign speaks."""
        return self._top()[0]

    @property
    def time(self) -> Time:
        """When that is."""
        return self._top()[1]

    @property
    def _reached(self) -> dict[Literal["rules", "classifier"], Level]:
        weak = max((sign.level for sign in self._standing()), default=Level.none)
        return {"rules": self._plain_reached, "classifier": weak}

    def _top(self) -> tuple[Subject, Time]:
        best = max(self._standing(), key=lambda s: (s.level, s.subject == "self"), default=None)
        plain = max(self._plain_categories.values(), default=Level.none)
        return (best.subject, best.time) if best and best.level > plain else self._of

    def _standing(self) -> list[Sign]:
        """The classifier's signs, as far as they have not faded."""
        faded = ((sign, sign.level - (self._heard - since) // FADING) for since, sign in self._weak)
        return [replace(sign, level=Level(level)) for sign, level in faded if level > Level.none]

    def settle(self, level: Level) -> None:
        """Take in a human's decision on the level."""
        self._plain, self._weak = level, []

    def hear(self, message: MessageSigns, asked: frozenset[str]) -> None:
        """Take in a message; ``asked`` is what the assistant's message right before it asked about."""
        self._heard += 1
        before = self.level
        plain = [s for s in message.signs if not s.is_weak]
        risen = max((self._note(sign) for sign in plain), default=Level.none)
        self._refuse |= message.refuse
        risen = max(risen, self._weighed(s for s in message.signs if s.is_weak))
        risen = max(risen, self._answered(message, asked), self._raised(message, plain), self._hinted(message))
        if not (before or risen):
            self._remember_excuse(message)
        if risen or message.hints:
            self._last_sign = self._heard
        if "safer_now" in message.markers and Level.low < before and risen <= Level.low:
            self._fall(Level(before - 1))

    def _fall(self, most: Level) -> None:
        self._plain = min(self._plain, most)
        self._weak = [(since, replace(sign, level=min(sign.level, most))) for since, sign in self._weak]

    def _note(self, sign: Sign) -> Level:
        """Take a sign of the rules for good."""
        top = max(self._plain_categories.values(), default=Level.none)
        if sign.level > top or (sign.level and sign.level == top and sign.subject == "self"):
            self._of = sign.subject, sign.time
        for category in sign.categories:
            self._plain_categories[category] = max(sign.level, self._plain_categories.get(category, Level.none))
            self._last_of[category] = self._heard
        self._plain_evidence[sign.evidence] = None
        self._plain = max(self._plain, sign.level)
        self._plain_reached = max(self._plain_reached, sign.level)
        return sign.level

    def _weighed(self, signs: Iterable[Sign]) -> Level:
        """Take the classifier's signs that outweigh the quiet before them."""
        quiet = self._heard - 1 - self._last_sign
        self._weak = [(since, s) for since, s in self._weak if self._heard - since < FADING * s.level]
        taken = [s for s in signs if s.odds >= max(1, 1 + quiet - QUIET) ** QUIET_WEIGHS]
        self._weak += [(self._heard, sign) for sign in taken]
        return max((sign.level for sign in taken), default=Level.none)

    def _hinted(self, message: MessageSigns) -> Level:
        """Two different hints near each other, one of them new."""
        self._hints |= {hint.evidence.signal: (self._heard, hint) for hint in message.hints}
        near = [hint for since, hint in self._hints.values() if self._heard - since < NEAR]
        if not message.hints or len(near) < HINTS_FOR_LOW:
            return Level.none
        return max(self._note(replace(hint, level=Level.low)) for hint in near)

    def _remember_excuse(self, message: MessageSigns) -> None:
        times: dict[str, Time] = {"past": "past", "fiction": "hypothetical"}
        for hit, _ in message.excused:
            if hit.excuse in times:
                self._of = hit.subject, times[hit.excuse]

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

    def _raised(self, message: MessageSigns, plain: Sequence[Sign]) -> Level:
        """Means, times and acts that are not named count beside another sign of the category; one of the two is new."""
        self._raisers |= {hit.concept.id: (self._heard, hit, evidence) for hit, evidence in message.raisers}
        now = {c for s in plain for c in s.categories if s.level}
        risen = Level.none
        for since, hit, evidence in self._raisers.values():
            concept = hit.concept
            is_new = since == self._heard or (concept.category in now and concept.reach != "sentence")
            level = concept.raises if is_new and self._beside(since, hit, plain) >= concept.beside else Level.none
            if concept.hint and not level and self._has_means(since, concept.category):
                level = Level.moderate
            if level:
                risen = max(risen, self._note(Sign(level, (concept.category,), evidence, "self", "present")))
        return risen

    def _beside(self, since: int, hit: Hit, plain: Sequence[Sign]) -> Level:
        """The level of the other sign that a raiser stands beside."""
        category, reach = hit.concept.category, hit.concept.reach
        if reach == "sentence":
            beside = [s.level for s in plain if s.sentence == hit.sentence and category in s.categories]
            return max(beside, default=Level.none)
        apart = max(self._heard - since, self._heard - self._last_of.get(category, -NEAR))
        return Level.none if reach == "near" and apart >= NEAR else self._plain_categories.get(category, Level.none)

    def _has_means(self, since: int, category: Category) -> bool:
        """Whether means stand near an act that is not named, one of the two new: what is meant is plain then."""
        named = [
            at
            for at, hit, _ in self._raisers.values()
            if (hit.concept.category, hit.concept.reach) == (category, "talk")
        ]
        return any(max(at, since) == self._heard and abs(at - since) < NEAR for at in named)

    @property
    def _by(self) -> Tier:
        rules, network = self._reached.get("rules", Level.none), self._reached.get("classifier", Level.none)
        if rules and network:
            return "both"
        return "classifier" if network else "rules"

    def verdict(self, language: Language, degraded: bool) -> Verdict:
        """What it comes to, for the language of the last message."""
        unread = language.sure and not language.read
        return Verdict(
            level=self.level,
            categories=tuple(sorted(self.categories, key=lambda c: -self.categories[c])),
            subject=self.subject,
            time=self.time,
            language=language.tag,
            action=self._action(unread),
            evidence=tuple(sorted(self.evidence, key=lambda e: (e.turn, e.start))),
            by=self._by,
            degraded=degraded or unread,
        )

    def _action(self, unread: bool) -> Action:
        """What the conversation calls for. Plain words lead; weak evidence asks: a false alarm then costs a question.

        Asking about suicide does no harm (Crawford et al. 2011; DeCou and Schumann 2018; Polihronis et al. 2020).
        """
        plain = self._reached.get("rules", Level.none)
        if self._refuse:
            return "refuse"
        if (
            unread or min(self.level, plain) >= Level.moderate
        ):  # in a language that neither tier reads, there are only written words
            return "protocol"
        asked = self.level >= Level.moderate or ASKED_ABOUT & self.categories.keys()
        if self.level and self.subject != "other" and asked:
            return "check"
        return "support" if self.level else "pass"
