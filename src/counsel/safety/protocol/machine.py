"""The crisis protocol: from what a person wrote and the verdict on it to the next reply, with no model at all.

``respond`` is pure: the same state, verdict, words and day give the same reply. The flows and steps stand in
``steps``, the words in ``en.toml`` and ``es.toml``, the telephone numbers in
``helplines.toml`` alone. docs/protocol.md shows whole conversations and tells how to edit the words.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from counsel.safety.helplines import check_country
from counsel.safety.protocol import steps as steps
from counsel.safety.protocol.phrasebook import LANGUAGES, barriers_in, load, read_answer
from counsel.safety.protocol.reply import VIOLENCE, Fill, compose, plain_reply
from counsel.safety.protocol.state import PLAIN, Reply, State
from counsel.safety.verdict import Level, Verdict

__all__ = ["Fill", "Reply", "State", "respond"]

_FLOW_OF = {
    "suicide": "suicide", "self_harm": "suicide", "harm_to_others": "harm", "abuse": "abuse",
    "sexual_violence": "abuse", "eating_disorder": "eating", "psychosis_or_mania": "psychosis",
}  # fmt: skip
_SUICIDAL = frozenset({"suicide", "self_harm"})
_DANGER = {"substance_emergency": "substance", "medical_emergency": "medical"}
_ATTACK = {"abuse": "abuse", "sexual_violence": "abuse", "harm_to_others": "harm"}


def respond(
    state: State | None,
    verdict: Verdict,
    text: str,
    *,
    country: str | None,
    today: date,
    fill: Fill | None = None,
) -> tuple[State, Reply]:
    """The next state and the next reply.

    Args:
        state: as the last call gave it; None for a conversation in which the protocol has not spoken.
        verdict: the screen's word on the whole conversation, ``text`` included.
        text: the person's last message.
        country: as the person or a setting gave it, never guessed; None where nobody has said.
        today: the day, for helplines that have expired.
        fill: gives a sentence for a marked place, called with its name, or None; it must screen what it gives.

    Raises:
        CounselError: when ``country`` is no country code.
    """
    cues = read_answer(text)
    before = state or State(*_opening(verdict, young=False))
    now = replace(
        before,
        country=check_country(country) if country else before.country,
        language=_language(state, verdict, text),
        young=before.young or ("minor" in verdict.categories and verdict.subject != "other"),
        veteran=before.veteran or "veteran" in cues,
    )
    if now.language not in LANGUAGES:
        return plain_reply(_after(now, verdict), verdict, today)
    if state is None or state.step == PLAIN or _opens(before, verdict, cues):
        flow, step = _opening(verdict, now.young)
        moved = True
    else:
        flow, step = steps.next_place(before.flow, before.step, _signals(now, verdict, cues))
        moved = (flow, step) != (before.flow, before.step)
    about = _about(flow, verdict) if state is None or flow != before.flow else before.about
    now = _after(replace(now, flow=flow, step=step, about=about), verdict)
    if step == "check":
        now = replace(now, asked=now.turns, denied=False)
    elif before.step == "check":
        now = replace(now, denied="no" in cues)
    return compose(now, before, verdict, cues, moved, today, fill)


def _opens(before: State, verdict: Verdict, cues: frozenset[str]) -> bool:
    """Whether plain words open a flow, in a talk that the protocol has only watched until now."""
    if before.flow not in steps.WATCHING or verdict.action not in ("protocol", "refuse"):
        return False
    return not (before.step == "check" and "yes" in cues)  # the question was asked and answered: it is not asked again


def _opening(verdict: Verdict, young: bool) -> steps.Place:
    """The flow that a first message calls for, and its first step."""
    if verdict.action == "check":
        return "check", "check"
    if verdict.action == "support":
        return "support", "open"
    categories = set(verdict.categories)
    if verdict.subject == "other" and verdict.level > Level.none:
        return "third_party", "urgent" if verdict.level == Level.imminent else "open"
    if verdict.level == Level.imminent or _DANGER.keys() & categories:
        return "imminent", "urge"
    first = next((c for c in verdict.categories if c in _FLOW_OF), None)
    flow = "suicide" if "suicide" in categories else _FLOW_OF.get(first or "", "support")
    if young and verdict.level > Level.none and flow in ("suicide", "abuse", "support"):
        return "minor", "home" if flow == "abuse" else "ask"
    return flow, steps.OPENING[flow]


def _about(flow: str, verdict: Verdict) -> str:
    """Which wording of its own a flow takes, if it has one."""
    categories = verdict.categories
    if flow == "imminent":
        danger = next((name for key, name in _DANGER.items() if key in categories), None)
        return danger or (_ATTACK.get(categories[0], "") if categories else "")
    if flow == "suicide" and "substance_emergency" in categories:
        return "substance"
    if flow == "suicide":
        return "self_harm" if "self_harm" in categories and "suicide" not in categories else ""
    if flow == "third_party":
        return "abuse" if VIOLENCE & set(categories) and not _SUICIDAL & set(categories) else ""
    return "sexual_violence" if flow == "abuse" and "sexual_violence" in categories else ""


def _language(state: State | None, verdict: Verdict, text: str) -> str:
    """The language to answer in: the person's, and the talk's where a short answer does not tell."""
    said = verdict.language
    base = said.split("-")[0]
    said = base if base in LANGUAGES else said
    if state is not None and (said == "und" or (said != state.language and len(text.split()) < 4)):
        return state.language
    if said == "und":
        letters = [c for c in text if c.isalpha()]
        return "en" if not letters or sum(c.isascii() for c in letters) * 2 > len(letters) else "und"
    return said


def _signals(state: State, verdict: Verdict, cues: frozenset[str]) -> set[str]:
    """What the answer and the verdict say, in the terms of ``steps.SIGNALS``."""
    found = set(cues) & steps.SIGNALS.keys()
    barriers = barriers_in(cues)
    where = state.flow if f"{state.flow}.barrier_refuse" in load(state.language).steps else "shared"
    aside = {"about_ai", "about_privacy"} & cues
    fresh, plain = verdict.last_turn > state.seen, verdict.last_plain_turn > state.seen
    lately = state.asked >= 0 and state.turns - state.asked < steps.PAUSE
    categories, level = set(verdict.categories), verdict.level
    leads = verdict.action in ("protocol", "refuse")
    urgent = state.flow == "imminent" and state.step != "settle"
    urgent |= state.flow == "third_party" and state.step in ("urgent", "with_them") and verdict.subject == "other"
    tests = {
        "barrier": bool(barriers),
        "new": any(name in steps.BARRIERS and not state.times(f"{where}.barrier_{name}") for name in barriers),
        "aside": bool(aside) and not found - {"no", "unsure"},
        "rises": level == Level.imminent and (state.level < level or fresh) and not urgent and leads,
        "other": verdict.subject == "other",
        "suicidal": leads
        and "suicide" in categories - set(state.categories)
        and level >= Level.moderate
        and verdict.subject != "other"
        and state.flow not in ("suicide", "imminent", "minor"),
        "plan": level >= Level.high,
        "thoughts": level >= Level.moderate and bool(_SUICIDAL & categories),
        "low": level <= Level.low and not fresh,
        "worse": level >= Level.moderate and (plain or (leads and level > state.level)),
        "doubt": fresh and verdict.action == "check" and not lately,
        "second": fresh and level >= Level.moderate and lately and not state.denied,
        "graver": level > state.level,
        "grave": level == Level.imminent,
        "young": state.young,
        "attack": state.about == "abuse",
        "violence": state.about == "harm",
        "substance": state.about == "substance",
        "medical": state.about == "medical",
    }
    return found | {name for name, holds in tests.items() if holds}


def _after(state: State, verdict: Verdict) -> State:
    """The state with this turn's verdict taken in."""
    return replace(
        state,
        categories=verdict.categories,
        level=int(verdict.level),
        seen=max(state.seen, verdict.last_turn),
        turns=state.turns + 1,
    )
