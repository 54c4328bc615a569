"""What the crisis protocol still has to talk about: each flow is a list of steps, each with when it is due.

A *flow* is what the talk is about. A *step* is one reply and the question that it ends with. An answer is read for all
that it holds (``heard``), so a question that has been answered in passing is never asked. docs/protocol.md shows this
table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from counsel.safety.verdict import Level

Place = tuple[str, str]
"""A flow and a step."""
Known = dict[str, str]
"""What the person has said, by subject: ``yes``, ``no`` or ``unsure``."""

ASKS = {
    "ask": "thoughts", "again": "thoughts", "mood": "thoughts", "check": "thoughts",
    "plan": "plan", "means": "near", "distance": "apart",
    "offer": "willing", "adult": "willing", "barrier": "smaller", "named": "asked_person",
    "people": "who", "together": "who", "handoff": "human", "first": "safe_today",
    "abuse.open": "private", "abuse.ask": "today", "abuse.danger": "place", "minor.home": "private",
    "eating.open": "body", "psychosis.open": "orders", "psychosis.urgent": "will_call",
    "harm.open": "intent", "harm.near": "near", "harm.apart": "apart",
    "third_party.open": "today", "third_party.urgent": "will_call", "third_party.with_them": "with",
    "third_party.how": "could_ask",
    "imminent.urge": "will_call", "imminent.hold": "will_call", "imminent.lesser": "smaller",
    "imminent.contact": "through",
}  # fmt: skip
"""What a step's question is about, under ``flow.step`` or, for all flows, ``step``."""


def asks(flow: str, step: str) -> str:
    """What the question of a step is about; empty where any answer will do."""
    return ASKS.get(f"{flow}.{step}", ASKS.get(step, ""))


@dataclass(frozen=True, slots=True)
class Standing:
    """What the agenda looks at."""

    known: Known
    done: frozenset[str]
    """The steps of this flow that have been said."""
    level: Level
    about: str
    person: bool
    """Whether they named somebody."""
    team: bool
    """Whether a team stands behind this chat, to which a talk can be passed."""

    def said(self, subject: str, *answers: str) -> bool:
        """Whether one of these is the answer to a subject; any answer where none is named."""
        return self.known.get(subject) in answers if answers else subject in self.known

    @property
    def thoughts(self) -> bool:
        """Whether thoughts of suicide must be assumed: they were named, left open, or said before and not denied."""
        return self.said("thoughts", "yes", "unsure") or (
            self.level >= Level.moderate and self.about != "abuse" and not self.said("thoughts")
        )

    @property
    def denied(self) -> bool:
        """Whether thoughts of suicide were denied."""
        return self.said("thoughts", "no")

    @property
    def planned(self) -> bool:
        """Whether a plan must be assumed."""
        return self.said("plan", "yes", "unsure") or (self.level >= Level.high and not self.said("plan", "no"))

    @property
    def reaching(self) -> bool:
        """Whether they are already reaching out to somebody."""
        return self.said("calling", "yes")


@dataclass(frozen=True, slots=True)
class Item:
    """A step of an agenda."""

    step: str
    when: str
    """When the step is due, in words, for docs/protocol.md; no step is due a second time."""
    due: Callable[[Standing], bool]


def _always(s: Standing) -> bool:
    return True


_THOUGHTS = (
    Item(
        "plan",
        "thoughts of suicide are named or not denied, and no plan was told or denied",
        lambda s: s.thoughts and not s.said("plan") and s.level < Level.high,
    ),
    Item(
        "means",
        "a plan is told or likely, and whether the means are near was not said",
        lambda s: s.thoughts and s.planned and not s.said("near"),
    ),
    Item(
        "distance",
        "the means are near, or may be, and were not put away",
        lambda s: s.said("near", "yes", "unsure") and not s.said("apart"),
    ),
)
_OFFER = (
    Item("offer", "they are not reaching out already", lambda s: not s.reaching),
    Item("contact", "they would, or do, reach out", lambda s: s.said("willing", "yes") or s.reaching),
)
_PEOPLE = (
    Item("named", "they named somebody near", lambda s: s.person),
    Item("people", "nobody was named, nor said to be missing", lambda s: not s.person and not s.said("who")),
    Item("nobody", "they said that there is nobody", lambda s: s.said("who", "no")),
)
_PLAN = (
    Item("safety", "they have not said what helps", lambda s: not s.said("helps")),
    Item("steps", "always", _always),
    Item("handoff", "a team stands behind the chat", lambda s: s.team),
)

AGENDA: dict[str, tuple[Item, ...]] = {
    "suicide": (
        Item("ask", "thoughts of suicide were neither named nor denied", lambda s: not s.said("thoughts")),
        Item("again", "the question was not answered", lambda s: not s.said("thoughts")),
        Item("ease", "thoughts were denied, and the level is low", lambda s: s.denied and s.level <= Level.low),
        *_THOUGHTS,
        *_OFFER,
        *_PEOPLE,
        *_PLAN,
    ),
    "abuse": (
        Item("open", "always", _always),
        Item("unsafe", "it is not safe to write", lambda s: s.said("private", "no", "unsure")),
        Item(
            "ask",
            "it is safe to write, and today's danger was not told",
            lambda s: not s.said("today") and not s.said("private", "no", "unsure"),
        ),
        Item("danger", "they may be hurt today", lambda s: s.said("today", "yes", "unsure")),
        *_OFFER,
        *_PEOPLE,
        *_PLAN,
    ),
    "eating": (
        Item("open", "always", _always),
        Item("medical", "the body gives alarm", lambda s: s.said("body", "yes", "unsure")),
        Item("mood", "thoughts of suicide were neither named nor denied", lambda s: not s.said("thoughts")),
        *_OFFER,
        *_PEOPLE,
        *_PLAN,
    ),
    "psychosis": (
        Item("open", "always", _always),
        Item("urgent", "something tells them to do harm", lambda s: s.said("orders", "yes", "unsure")),
        Item("ground", "always", _always),
        *_OFFER,
        *_PEOPLE,
        *_PLAN,
    ),
    "harm": (
        Item("open", "the intent was neither told nor denied", lambda s: not s.said("intent")),
        Item(
            "near", "it was not denied, nor nearness told", lambda s: not s.said("near") and not s.said("intent", "no")
        ),
        Item(
            "apart",
            "the person or the means are near",
            lambda s: s.said("near", "yes", "unsure") and not s.said("apart", "yes"),
        ),
        *_OFFER,
        *_PEOPLE,
        *_PLAN,
    ),
    "minor": (
        Item("home", "it is about violence", lambda s: s.about == "abuse"),
        Item(
            "ask",
            "it is about suicide, which was neither named nor denied",
            lambda s: not s.said("thoughts") and s.about != "abuse",
        ),
        *_THOUGHTS,
        Item("danger", "they are not safe where they are", lambda s: s.said("private", "no", "unsure")),
        Item("adult", "they are not reaching out already", lambda s: not s.reaching),
        Item("contact", "they would, or do, reach out", lambda s: s.said("willing", "yes") or s.reaching),
        *_PEOPLE,
        *_PLAN,
    ),
    "third_party": (
        Item("open", "whether it may be today was not told", lambda s: not s.said("today") and "urgent" not in s.done),
        Item("urgent", "it may be today", lambda s: s.said("today", "yes", "unsure")),
        Item("with_them", "it may be today", lambda s: "urgent" in s.done and not s.said("better", "yes")),
        Item("how", "always", _always),
        Item("offer", "always", _always),
        Item("contact", "they would, or do, bring somebody in", lambda s: s.said("willing", "yes") or s.person),
        Item("care", "always", _always),
    ),
    "support": (Item("open", "always", _always),),
    "check": (Item("check", "always", _always),),
}
"""The steps of each flow in order. The first that is due is said; when none is left, the talk is handed back."""

IMMINENT = (
    "urge",
    "together",
    "distance",
    "lesser",
    "credit",
    "hold",
    "barrier",
    "contact",
    "waiting",
    "handed",
    "settle",
)
"""The steps of imminent danger, which depend on the answers and have no end of their own (``course``)."""
REACTIONS = ("barrier", "corrected", "goodbye", "repair", "first", "handed", "coping", "close", "beside")
"""Steps that answer what was said, wherever the talk stands."""

FULL = frozenset({"offer", "adult", "urge", "urgent", "danger", "apart", "settle"})
"""Steps that show whole helplines: once in a talk, unless it is urgent or the person asks for them."""
WITH_EMERGENCY = frozenset({"urge", "urgent", "danger", "apart", "handed", "settle"})
"""The steps with helplines that put the emergency number first."""
HAND_OFF = frozenset({"handoff", "handed"})
ASIDE = frozenset({"beside", "check"})
"""Steps where the protocol does not lead and the model talks. ``check`` asks one gentle question after its reply."""
WATCHING = frozenset({"check", "support"})
"""Flows in which the protocol has not led yet. In these, plain words open the flow that they call for."""
PAUSE = 6
"""How many replies pass before another weak sign is asked about; an earlier sign is a second one or is not asked."""

PLACES: frozenset[Place] = frozenset(
    {(flow, item.step) for flow, items in AGENDA.items() for item in items}
    | {(flow, step) for flow in AGENDA for step in REACTIONS}
    | {("imminent", step) for step in (*IMMINENT, "close")}
)
"""Every place where a talk can stand."""


def due(flow: str, standing: Standing) -> str:
    """The step of a flow that is said next; empty where nothing is left to say."""
    return next((i.step for i in AGENDA[flow] if i.step not in standing.done and i.due(standing)), "")
