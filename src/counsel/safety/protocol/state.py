"""Where a talk stands in the crisis protocol, and what is said next: plain frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from counsel.errors import CounselError
from counsel.helplines import Helpline
from counsel.safety.protocol import agenda
from counsel.safety.protocol.agenda import Standing
from counsel.safety.verdict import Level

Manner = Literal["leads", "beside", "silent"]

PLAIN = "plain"
"""The step of a talk in a language that the protocol has no words for."""


@dataclass(frozen=True, slots=True)
class State:
    """Where a talk stands; all that the next reply depends on, besides the next message.

    Attributes:
        flow: what it is about, a key of ``agenda.AGENDA``, or ``imminent``.
        step: the step that was said last.
        about: a wording of its own within the flow, such as ``self_harm``, or empty.
        known: what the person has answered, by subject (``agenda.ASKS``).
        done: the steps of this flow that were said.
        person: somebody near whom they named, as they are spoken of: ``your sister``, ``Anna``. Nothing else that the
            person wrote is kept here.
        categories: the verdict's, at the last turn.
        level: the verdict's, at the last turn, as an integer.
        seen: the last turn whose evidence has been answered.
        turns: replies so far.
        country: as the person or a setting gave it, or empty.
        language: BCP 47 tag of the talk.
        young: whether the person is a minor.
        veteran: whether they said that they have served.
        told: whether it was said that this is an AI.
        offered: whether whole helplines have been shown.
        asked: the reply that last asked about a weak sign, counted like ``turns``; -1 for none.
        denied: whether that question was answered with no.
        used: how often each list of wordings was drawn from.
    """

    flow: str
    step: str
    about: str = ""
    known: tuple[tuple[str, str], ...] = ()
    done: tuple[str, ...] = ()
    person: str = ""
    categories: tuple[str, ...] = ()
    level: int = 0
    seen: int = -1
    turns: int = 0
    country: str = ""
    language: str = "en"
    young: bool = False
    veteran: bool = False
    told: bool = False
    offered: bool = False
    asked: int = -1
    denied: bool = False
    used: tuple[tuple[str, int], ...] = ()

    def times(self, key: str) -> int:
        """How often the wordings of a key were drawn from."""
        return dict(self.used).get(key, 0)

    def using(self, key: str) -> State:
        """The state after one more draw."""
        return replace(self, used=tuple({**dict(self.used), key: self.times(key) + 1}.items()))

    def standing(self, team: bool) -> Standing:
        """What the agenda looks at."""
        return Standing(
            dict(self.known), frozenset(self.done), Level(self.level), self.about, bool(self.person), team
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        lists = {"categories": list(self.categories), "done": list(self.done)}
        return asdict(self) | lists | {"known": dict(self.known), "used": dict(self.used)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> State:
        """The state that ``to_json`` wrote.

        Raises:
            CounselError: when it is not a state, or names a step that no longer exists.
        """
        try:
            pairs = {name: tuple(body[name].items()) for name in ("known", "used")}
            lists = {name: tuple(body[name]) for name in ("categories", "done")}
            state = cls(**{**body, **pairs, **lists})
            known = state.step == PLAIN or (state.flow, state.step) in agenda.PLACES
        except (TypeError, KeyError, AttributeError) as e:
            raise CounselError("the stored state of the protocol is damaged", fix="begin the conversation anew") from e
        if not known:
            raise CounselError(f"the protocol has no step {state.flow}.{state.step}", fix="begin the conversation anew")
        return state


@dataclass(frozen=True, slots=True)
class Reply:
    """What is said next.

    Attributes:
        text: all of it, helplines included; never empty.
        asks: whether it ends with a question.
        helplines: those that it shows or mentions, so that a page can make them buttons.
        offers_handoff: whether it offers to pass the talk to a human being, or does so.
        urgent: whether a life may be at stake right now.
        manner: ``leads`` in place of the model's reply; ``beside`` it, behind its last word; ``silent`` while the model
            talks and help stays on offer: ``text`` then is what to say where there is no model.
        declines: whether it declines what was asked for.
    """

    text: str
    asks: bool = False
    helplines: tuple[Helpline, ...] = ()
    offers_handoff: bool = False
    urgent: bool = False
    manner: Manner = "leads"
    declines: bool = False

    @property
    def leads(self) -> bool:
        """Whether this is said in place of the model's reply."""
        return self.manner == "leads"
