"""What every scorer is given, and what it gives back.

A scorer sees conversations and what systems said to them, never a model, so that one suite measures the bare model, the
guarded product or a remote endpoint. It names its probes, is handed what each system made of them, and returns scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from counsel.conversation import Conversation
from counsel.evaluate.held_out import HeldOut
from counsel.evaluate.replies import Reply
from counsel.evaluate.systems import Foreseen
from counsel.model.render import Rendered


@dataclass(frozen=True)
class Suite:
    """What all scorers work from.

    Attributes:
        held_out: the conversations that the run never saw.
        systems: the names of those who are measured, ``base`` and ``tuned`` first.
        seed: the seed of every draw.
        resamples: how many draws are behind an interval.
        samples: how many prompts a scorer that shows examples may take.
    """

    held_out: HeldOut
    systems: tuple[str, ...]
    seed: int = 0
    resamples: int = 10_000
    samples: int = 6


@dataclass(frozen=True)
class Probes:
    """What a scorer wants to have asked: conversations to be answered, and whole ones to be foreseen."""

    prompts: Sequence[Conversation] = ()
    examples: Sequence[Rendered] = ()


@dataclass(frozen=True)
class Answers:
    """What the systems answered to a scorer's probes, by the system's name and in the order of the probes.

    Attributes:
        replies: one reply to each prompt.
        foreseen: how well the examples were foreseen; None for a system that only gives words.
    """

    replies: Mapping[str, Sequence[Reply]] = field(default_factory=dict)
    foreseen: Mapping[str, Foreseen | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """One number about one system.

    Attributes:
        name: what was measured.
        system: the system that was measured.
        value: the number; None where nothing could be scored, never 0 in its place.
        low: the lower end of the 95 % interval; None where there is none.
        high: its upper end.
        n: how many things the value is made from.
        unscored: how many could not be scored and are left out of the value.
    """

    name: str
    system: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unscored: int = 0

    def __post_init__(self) -> None:
        if (self.value is None) != (self.n == 0):
            raise ValueError(
                f"{self.name} of {self.system}: a score has a value if, and only if, something was scored (n above 0)"
            )
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.name} of {self.system}: an interval needs both ends or neither")

    @classmethod
    def none(cls, name: str, system: str, unscored: int) -> Score:
        """The score of a system of which nothing could be scored."""
        return cls(name, system, None, None, None, 0, unscored)


@dataclass(frozen=True)
class Scores:
    """What a scorer found.

    Attributes:
        scores: its numbers.
        details: what else ``results/SCORER.json`` holds.
        tables: further files, ``results/NAME.json``, by name.
        told: one sentence for the user who waits; may be empty.
    """

    scores: Sequence[Score] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""

    def to_json(self, scorer: Scorer) -> dict[str, Any]:
        """The body of ``results/SCORER.json``, without what made it."""
        head = {"scorer": scorer.name, "validated": scorer.validated, "scores": [asdict(s) for s in self.scores]}
        return head | dict(self.details)


class Scorer(Protocol):
    """One way to measure; a file of its own in ``scorers/``, made with the suite."""

    @property
    def name(self) -> str:
        """Its name in ``--only`` and ``results/NAME.json``."""

    @property
    def validated(self) -> bool:
        """Whether its numbers were shown to be what they claim: against people's judgement, or an exact definition."""

    def probes(self) -> Probes:
        """What it wants to have asked."""

    def score(self, answers: Answers) -> Scores:
        """Its numbers, from what the systems made of the probes."""
