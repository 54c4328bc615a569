"""The crisis protocol: from what a person wrote and the verdict on it to the next reply, with no model at all.

A turn is read for all that it holds, and what was answered is not asked again. Danger comes first, then what the person
wants from this talk, then what stands in the way of help, and last what is left on the flow's agenda.
``respond`` is pure: the same state, verdict, words and day give the same reply. The words stand in ``en.toml`` and
``es.toml``, the numbers in the registry alone. docs/protocol.md shows whole conversations and how to edit the words.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from counsel.safety.helplines import check_country
from counsel.safety.notices import Policy
from counsel.safety.protocol import agenda
from counsel.safety.protocol.course import Course, about_of, asks_thoughts, opening
from counsel.safety.protocol.heard import Heard, hear, language_of
from counsel.safety.protocol.phrasebook import LANGUAGES
from counsel.safety.protocol.reply import Turn, compose, plain_reply
from counsel.safety.protocol.state import PLAIN, Reply, State
from counsel.safety.verdict import Verdict

__all__ = ["Reply", "State", "respond"]

_TURNING = frozenset({"offer", "adult", "people", "nobody", "named", "barrier", "contact", "handoff"})
"""Steps after which a person who is named is somebody to turn to."""
_NO_ANSWER = frozenset({"elsewhere", "angry", "goodbye", "corrected", "human", "numbers", "about_ai", "about_privacy"})
"""Cues that do not answer the question that was asked."""


def respond(
    state: State | None,
    verdict: Verdict,
    text: str,
    *,
    country: str | None,
    today: date,
    policy: Policy | None = None,
) -> tuple[State, Reply]:
    """The next state and the next reply.

    Args:
        state: as the last call gave it; None for a conversation in which the protocol has not spoken.
        verdict: the screen's word on the whole conversation, ``text`` included.
        text: the person's last message.
        country: as the person or a setting gave it, never guessed; None where nobody has said.
        today: the day, for helplines that have expired.
        policy: what is kept, and whether a team reads: a hand-off is offered only where there is one.

    Raises:
        CounselError: when ``country`` is not a country code.
    """
    policy = policy or Policy()
    before = state or State(*opening(verdict, young=False))
    now = replace(
        before,
        country=check_country(country) if country else before.country,
        language=_language(state, verdict, text),
        young=before.young or ("minor" in verdict.categories and verdict.subject != "other"),
    )
    if now.language not in LANGUAGES:
        return plain_reply(_seen(now, verdict), verdict, today)
    heard = hear(text, now.language, about_people=before.step in _TURNING or before.step == "together")
    now = replace(now, veteran=now.veteran or "veteran" in heard.cues)
    now = _learn(now, heard, first=state is None)
    turn = Course(before, now, verdict, heard, policy, first=state is None or state.step == PLAIN)
    flow, step = turn.next_place()
    now = turn.state
    if flow != now.flow:
        now = replace(now, flow=flow, about=about_of(flow, verdict), done=())
    elif turn.first or step == "check":
        now = replace(now, about=about_of(flow, verdict))
    if not step:
        step = agenda.due(flow, _seen(now, verdict).standing(turn.team)) or "beside"
    moved = turn.first or (flow, step) != (before.flow, before.step)
    now = _seen(replace(now, step=step, done=tuple(dict.fromkeys((*now.done, step)))), verdict)
    if step == "check":
        now = replace(now, asked=now.turns, denied=False)
    elif before.step == "check":
        now = replace(now, denied=heard.answer == "no")
    return compose(now, before, Turn(verdict, heard, moved, today, policy))


def _language(state: State | None, verdict: Verdict, text: str) -> str:
    """The language to answer in: the person's, and the talk's where a short answer does not tell."""
    said = verdict.language
    base = said.split("-")[0]
    said = base if base in LANGUAGES else said
    known = state.language if state else ""
    if said == "und" or (known and said != known and len(text.split()) < 4):
        told = language_of(text)
        if told and not (known and len(text.split()) < 2):
            return told
        letters = [c for c in text if c.isalpha()]
        roman = not letters or sum(c.isascii() for c in letters) * 2 > len(letters)
        return known or ("en" if roman else "und")
    return said


def _seen(state: State, verdict: Verdict) -> State:
    """The state with this turn's verdict taken in."""
    return replace(
        state,
        categories=verdict.categories,
        level=int(verdict.level),
        seen=max(state.seen, verdict.last_turn),
        turns=state.turns + 1,
    )


def _learn(state: State, heard: Heard, first: bool) -> State:
    """The state with what the message answers: the question that was asked, and whatever else was said in passing."""
    known = dict(state.known)
    subject = "" if first else agenda.asks(state.flow, state.step)
    if state.step == "first" and asks_thoughts(state):
        subject = "thoughts"
    if state.step == "check":
        subject = {"": "thoughts", "harm": "intent", "mind": "orders"}.get(state.about, "")
    if subject and heard.answer:
        mixed = subject == "thoughts" and heard.answer == "yes" and "safe" in heard.cues  # "yes, I am safe"
        known[subject] = "unsure" if mixed else heard.answer
    elif subject in ("plan", "near") and not heard.cues & _NO_ANSWER:
        known[subject] = "unsure"  # the person told something, and it was not a no
    if known.pop("smaller", "") == "yes":
        known["willing"] = "yes"
    cues = heard.cues
    facts = {
        "plan": ("plan", "yes"), "no_plan": ("plan", "no"), "means": ("near", "yes"), "no_means": ("near", "no"),
        "apart": ("apart", "yes"), "now": ("time", "yes"), "safe": ("better", "yes"), "alone": ("who", "no"),
        "calling": ("calling", "yes"), "connected": ("calling", "yes"), "helps": ("helps", "yes"),
        "body": ("body", "yes"),
    }  # fmt: skip
    for cue, (name, value) in facts.items():
        if cue in cues:
            known[name] = value
    if "means" in cues and "apart" not in cues:
        known.pop("apart", None)
    if state.step in ("safety", "steps") and not first and not heard.answer and heard.cues <= {"helps"}:
        known["helps"] = "yes"
    if heard.person:
        known["who"] = "yes"
    if known.pop("asked_person", "") == "yes":
        known["calling"] = "yes"
    return replace(state, known=tuple(known.items()), person=heard.person or state.person)
