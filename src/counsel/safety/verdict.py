"""What screening says: a ``Verdict`` on what a person wrote, a ``Finding`` in what a model wrote.

The levels are modelled on the ideation and behaviour items of the Columbia Suicide Severity Rating Scale, and are
not a clinical score: they decide what the software does next. docs/screening.md tells clinicians what each one means.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Literal, get_args


class Level(IntEnum):
    """How urgent the help is that a person may need."""

    none = 0
    """No sign of present risk; sadness, grief, anger and swearing are here."""
    low = 1
    """A wish to be dead; any disclosed present self-harm, abuse or other risk; a third person at risk."""
    moderate = 2
    """Present thoughts of suicide or of hurting somebody."""
    high = 3
    """A plan, means, a time, preparation, or a recent attempt."""
    imminent = 4
    """It is happening, or is about to happen."""


Category = Literal[
    "suicide", "self_harm", "harm_to_others", "abuse", "sexual_violence", "eating_disorder", "psychosis_or_mania",
    "substance_emergency", "medical_emergency", "minor", "dependence",
]  # fmt: skip
CATEGORIES: tuple[Category, ...] = get_args(Category)
VIOLENCE: frozenset[Category] = frozenset({"abuse", "sexual_violence"})
"""The categories that somebody else does to the person."""

Subject = Literal["self", "other", "unclear"]
Time = Literal["present", "past", "hypothetical", "unclear"]
Action = Literal["pass", "check", "support", "protocol", "refuse"]
Tier = Literal["rules", "classifier", "both"]


CLASSIFIER = "classifier"
"""The signal of evidence that the classifier alone gave."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a signal stands: characters ``start`` to ``end`` of the raw text of message number ``turn`` (from 0)."""

    turn: int
    start: int
    end: int
    signal: str
    """The concept's id in the rules' table, or ``CLASSIFIER``."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The screen's word on a whole conversation.

    Attributes:
        level: the most urgent that stands; it outlives retraction and later silence.
        categories: what it is about, the most urgent first; empty for none.
        subject: who is at risk.
        time: when.
        language: BCP 47 tag of the person's last words, ``hi-Latn`` for romanised Hindi, ``und`` where unknown.
        action: what is to be done: ``pass`` nothing, ``check`` the reply stays with what was said and asks one gentle
            question, ``support`` a gentle reply with help offered, ``protocol`` the crisis protocol leads, ``refuse`` a
            request that is not fulfilled, while the talk goes on. Screening says what the conversation calls for; the
            verdict that ends a turn says what was done (``protocol.lead``).
        evidence: where each signal stands, in the order of the text.
        by: the tier that decided; ``both`` when they agree.
        degraded: whether a tier was missing or failed, or the language is beyond the rules.
    """

    level: Level = Level.none
    categories: tuple[Category, ...] = ()
    subject: Subject = "unclear"
    time: Time = "unclear"
    language: str = "und"
    action: Action = "pass"
    evidence: tuple[Evidence, ...] = ()
    by: Tier = "rules"
    degraded: bool = False

    @property
    def last_turn(self) -> int:
        """The last turn with evidence; -1 where there is none."""
        return max((e.turn for e in self.evidence), default=-1)

    @property
    def last_plain_turn(self) -> int:
        """The last turn in which the rules found evidence, that is, plain words; -1 where there is none."""
        return max((e.turn for e in self.evidence if e.signal != CLASSIFIER), default=-1)

    def to_json(self) -> dict[str, Any]:
        """The object that ``counsel screen`` prints on one line. It holds no text of the conversation."""
        body = asdict(self)
        return body | {
            "level": self.level.name,
            "categories": list(self.categories),
            "evidence": list(body["evidence"]),
        }


Kind = Literal[
    "method", "encouragement", "delusion", "diagnosis", "medication", "advice", "diet", "human_claim",
    "secrecy", "romance", "guilt", "contact", "personal_data", "toxicity", "repetition", "template",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
Remedy = Literal["replace", "regenerate", "fallback"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a reply that must not reach a person: characters ``start`` to ``end`` of message number ``turn``."""

    kind: Kind
    turn: int
    start: int
    end: int
    action: Remedy
    """``replace`` the sentence, ``regenerate`` once behind the last released one, or ``fallback`` to written words."""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)
