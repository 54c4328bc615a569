"""The steps of the crisis protocol and the ways between them: one table, which docs/protocol.md draws.

A *flow* is what the talk is about, a *step* is one reply and the question it ends with. Which step follows depends on
*signals*: what the person's answer was read as (the cues in ``en.toml``) and what the verdict says. A rule is a
pair: the signals that must all be there, joined by ``+``, and the step that follows. The first one that fits decides.
"""

from __future__ import annotations

from collections.abc import Set

Rule = tuple[str, str]
Place = tuple[str, str]
"""A flow and a step."""

BARRIERS = ("hospital", "police", "cost", "burden", "past", "voice")
"""What stands between a person and help, when they name it; ``refuses`` is a plain no to calling anybody."""

SIGNALS = {
    # read in the answer
    "yes": "says yes", "no": "says no", "unsure": "is not sure", "safe": "says they are safe or calmer now",
    "means": "has the means near", "now": "says today or now", "alone": "has nobody",
    "calling": "is calling or will call", "body": "names an alarming sign of the body",
    "barrier": "refuses, or names what stands in the way", "new": "names a barrier that has had no answer yet",
    "human": "wants a human being", "numbers": "asks for a number",
    "aside": "asks only whether this is an AI, or what is private",
    # read in the verdict and the state
    "rises": "the verdict has become imminent", "other": "somebody else is at risk",
    "suicidal": "suicide comes up while the talk is about something else", "plan": "the verdict is high",
    "thoughts": "the verdict says present suicidal thoughts or self-harm", "low": "the verdict is low",
    "worse": "a new disclosure in plain words since the protocol stepped back", "graver": "the level has risen",
    "doubt": "a new weak sign, and no question about one lately",
    "second": "a further weak sign soon after such a question, which was not answered with no",
    "grave": "the verdict is still imminent", "young": "the person is a minor",
    "attack": "it began with violence against them", "violence": "it began with a threat to somebody",
    "substance": "it began with something taken", "medical": "it began with a medical emergency",
    "any": "whatever else is said",
}  # fmt: skip

URGENT: tuple[Rule, ...] = (
    ("rises+other", "third_party.urgent"),
    ("rises", "imminent.urge"),
    ("suicidal+young", "minor.ask"),
    ("suicidal", "suicide.ask"),
)
"""From every step, before its own rules."""

WISHES: tuple[Rule, ...] = (("human", "handed"), ("numbers", "contact"), ("aside", "same"))
"""From every step where the protocol leads, before its own rules. ``same`` asks the step's question in other words."""

_SAFE: Rule = ("safe", "coping")
_TO_OFFER: tuple[Rule, ...] = (("calling", "contact"), ("young", "minor.adult"), ("any", "offer"))
_OFFERED: tuple[Rule, ...] = (
    ("barrier", "barrier"),
    _SAFE,
    ("yes", "contact"),
    ("calling", "contact"),
    ("unsure", "barrier"),
    ("no", "barrier"),
    ("any", "people"),
)
_DISCLOSED: tuple[Rule, ...] = (
    ("yes+plan", "suicide.means"),
    ("yes", "suicide.plan"),
    ("unsure+plan", "suicide.means"),
    ("unsure", "suicide.plan"),
)
_STAY: tuple[Rule, ...] = (
    _SAFE,
    ("calling", "contact"),
    ("new", "barrier"),
    ("low", "beside"),
    ("any", "stay"),
)

SHARED: dict[str, tuple[Rule, ...]] = {
    "contact": (("barrier", "barrier"), _SAFE, ("any", "safety")),
    "barrier": (("new", "barrier"), _SAFE, ("yes", "contact"), ("calling", "contact"), ("any", "people")),
    "people": (_SAFE, ("alone", "nobody"), ("no", "nobody"), ("any", "safety")),
    "nobody": (_SAFE, ("any", "safety")),
    "safety": (_SAFE, ("any", "steps")),
    "steps": (_SAFE, ("any", "handoff")),
    "handoff": (("yes", "handed"), _SAFE, ("any", "stay")),
    "handed": (_SAFE, ("any", "stay")),
    "stay": _STAY,
    "coping": (("grave", "stay"), ("worse", "open"), ("any", "beside")),
    "beside": (("worse", "open"), ("doubt", "check.check"), ("human", "handed"), ("any", "beside")),
}
"""Steps that a flow has beside its own; ``open`` is the flow's first step."""
BORROWED = {
    "imminent": frozenset[str](), "check": frozenset[str](), "support": frozenset[str](),
    "third_party": frozenset({"beside"}),
}  # fmt: skip
"""The shared steps of a flow that does not have them all."""

FLOWS: dict[str, dict[str, tuple[Rule, ...]]] = {
    "suicide": {
        "ask": (
            *_DISCLOSED,
            ("no+low", "ease"),
            ("no+young", "minor.adult"),
            ("no", "offer"),
            ("safe", "coping"),
            ("thoughts+plan", "means"),
            ("thoughts", "plan"),
            ("any", "again"),
        ),
        "again": (*_DISCLOSED, ("no+low", "ease"), _SAFE, *_TO_OFFER),
        "plan": (
            ("means+now", "imminent.urge"),
            ("no+young", "minor.adult"),
            ("no", "offer"),
            _SAFE,
            ("any", "means"),
        ),
        "means": (
            ("means+now", "imminent.urge"),
            ("yes+now", "imminent.urge"),
            ("means", "distance"),
            ("yes", "distance"),
            ("unsure", "distance"),
            _SAFE,
            *_TO_OFFER,
        ),
        "distance": (_SAFE, *_TO_OFFER),
        "offer": _OFFERED,
        "ease": (("worse", "plan"), ("any", "beside")),
        "stay": (("graver", "means"), *_STAY),
    },
    "imminent": {
        "urge": (
            ("safe", "settle"),
            ("barrier", "barrier"),
            ("yes", "contact"),
            ("calling", "contact"),
            ("means", "distance"),
            ("any", "together"),
        ),
        "barrier": (
            ("safe", "settle"),
            ("new", "barrier"),
            ("yes", "contact"),
            ("calling", "contact"),
            ("any", "together"),
        ),
        "together": (("safe", "settle"), ("barrier", "barrier"), ("calling", "contact"), ("any", "distance")),
        "distance": (("safe", "settle"), ("barrier", "barrier"), ("calling", "contact"), ("any", "hold")),
        "contact": (("safe", "settle"), ("barrier", "barrier"), ("no", "hold"), ("any", "waiting")),
        "waiting": (("safe", "settle"), ("barrier", "hold"), ("any", "waiting")),
        "hold": (("safe", "settle"), ("new", "barrier"), ("calling", "contact"), ("yes", "contact"), ("any", "hold")),
        "handed": (("safe", "settle"), ("yes", "contact"), ("any", "hold")),
        "settle": (
            ("attack", "abuse.safety"),
            ("violence", "harm.coping"),
            ("substance", "suicide.ask"),
            ("medical", "support.beside"),
            ("any", "suicide.coping"),
        ),
    },
    "abuse": {
        "open": (("no", "unsafe"), ("unsure", "unsafe"), ("any", "ask")),
        "unsafe": _TO_OFFER,
        "ask": (("yes", "danger"), ("unsure", "danger"), ("now", "danger"), *_TO_OFFER),
        "danger": (_SAFE, *_TO_OFFER),
        "offer": _OFFERED,
    },
    "eating": {
        "open": (("yes", "medical"), ("unsure", "medical"), ("body", "medical"), ("any", "mood")),
        "medical": (("any", "mood"),),
        "mood": (*_DISCLOSED, *_TO_OFFER),
        "offer": _OFFERED,
    },
    "psychosis": {
        "open": (("yes", "urgent"), ("unsure", "urgent"), ("any", "ground")),
        "urgent": (("barrier", "barrier"), ("any", "ground")),
        "ground": (_SAFE, *_TO_OFFER),
        "offer": _OFFERED,
    },
    "harm": {
        "open": (("no+young", "minor.adult"), ("no", "offer"), ("any", "near")),
        "near": (
            ("means+now", "imminent.urge"),
            ("yes+now", "imminent.urge"),
            ("yes", "apart"),
            ("means", "apart"),
            ("unsure", "apart"),
            *_TO_OFFER,
        ),
        "apart": (_SAFE, *_TO_OFFER),
        "offer": _OFFERED,
    },
    "minor": {
        "ask": (
            *_DISCLOSED,
            ("no", "adult"),
            ("thoughts+plan", "suicide.means"),
            ("thoughts", "suicide.plan"),
            ("any", "adult"),
        ),
        "home": (("no", "danger"), ("unsure", "danger"), ("any", "adult")),
        "danger": (("any", "adult"),),
        "adult": _OFFERED,
    },
    "third_party": {
        "open": (("yes", "urgent"), ("unsure", "urgent"), ("any", "how")),
        "urgent": (("safe", "how"), ("any", "with_them")),
        "with_them": (("safe", "how"), ("any", "how")),
        "how": (("any", "offer"),),
        "offer": (("barrier", "barrier"), ("unsure", "barrier"), ("no", "barrier"), ("any", "care")),
        "barrier": (("any", "care"),),
        "contact": (("any", "care"),),
        "handed": (("any", "care"),),
        "care": (("any", "beside"),),
    },
    "support": {
        "open": (("doubt", "check.check"), ("any", "beside")),
        "beside": (("doubt", "check.check"), ("any", "beside")),
    },
    "check": {
        "check": (
            ("yes+plan", "suicide.means"),
            ("yes", "suicide.plan"),
            ("no", "beside"),
            ("unsure", "suicide.ask"),
            ("second", "suicide.ask"),
            ("any", "beside"),
        ),
        "beside": (("second", "suicide.ask"), ("doubt", "check"), ("any", "beside")),
    },
}
OPENING = {flow: next(iter(steps)) for flow, steps in FLOWS.items()}

FULL = frozenset({"offer", "adult", "urge", "urgent", "danger", "apart", "settle"})
"""Steps that show whole helplines, once in a talk unless they are urgent or asked for."""
WITH_EMERGENCY = frozenset({"urge", "urgent", "danger", "apart", "hold", "handed"})
"""Of the steps with helplines, those that put the emergency number first."""
HAND_OFF = frozenset({"handoff", "handed"})
ASIDE = frozenset({"beside", "check"})
"""Steps where the protocol does not lead: the model talks; ``check`` asks one gentle question behind its reply."""
WATCHING = frozenset({"check", "support"})
"""Flows in which the protocol has not led yet: plain words open the flow that they call for."""
PAUSE = 6
"""Replies after a question about a weak sign before the next one; sooner, a sign is a second one or stays unasked."""


def steps_of(flow: str) -> dict[str, tuple[Rule, ...]]:
    """Every step of a flow with its rules, those that it shares with others after its own."""
    own, borrowed = FLOWS[flow], BORROWED.get(flow, SHARED.keys())
    return own | {step: rules for step, rules in SHARED.items() if step in borrowed and step not in own}


def rules_of(flow: str, step: str) -> tuple[Rule, ...]:
    """The rules at a place, in the order in which they are tried."""
    wishes = () if step in ASIDE or flow in WATCHING else WISHES
    return (*URGENT, *wishes, *steps_of(flow)[step])


def next_place(flow: str, step: str, signals: Set[str]) -> Place:
    """Where the talk goes from a place. ``any`` need not be among the signals."""
    given = signals | {"any"}
    for when, target in rules_of(flow, step):
        if given >= set(when.split("+")):
            return resolve(flow, step, target)
    raise AssertionError(f"{flow}.{step} has no rule for whatever else is said")


def resolve(flow: str, step: str, target: str) -> Place:
    """The place that a rule's target names, seen from a place."""
    if target == "same":
        return flow, step
    if target == "open":
        return flow, OPENING[flow]
    if "." in target:
        other, _, there = target.partition(".")
        return other, there
    return flow, target
