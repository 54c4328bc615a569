"""How a reply of the crisis protocol is put together: the next wording, the helplines, the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date

from counsel.helplines import Helpline
from counsel.safety.helplines import brief, helplines, spoken
from counsel.safety.protocol import steps as steps
from counsel.safety.protocol.phrasebook import Phrasebook, Variant, barriers_in, load, plain_line
from counsel.safety.protocol.state import PLAIN, Manner, Reply, State
from counsel.safety.verdict import Level, Verdict

SHOWN = 3
"""Helplines in a whole offer, the emergency number not counted."""
MENTION_EVERY = 3
"""In a long talk, every third reply mentions a helpline in passing, or recites it in an emergency."""
MAX_FILL = 30
"""Words that a model may put into a marked place."""
VIOLENCE = frozenset({"abuse", "sexual_violence"})
_UNSAYABLE = re.compile(r"[\d?\n@]|https?:|www\.")

Fill = Callable[[str], str | None]


def compose(
    now: State,
    before: State,
    verdict: Verdict,
    cues: frozenset[str],
    moved: bool,
    today: date,
    fill: Fill | None,
) -> tuple[State, Reply]:
    """Put a reply together: what is said, the helplines, the question."""
    words = load(now.language)
    whole = _shows_whole(now, cues)
    variant, now = _draw(now, words, cues, again=before.offered and not whole)
    sentences = [variant.say]
    aside = _aside(before, verdict, cues)
    if aside:
        answer, now = _next(now, words, f"shared.{aside}")
        sentences.insert(0, answer.say)
    elif _mentions(now, before, whole, variant):
        passing, now = _next(now, words, "shared.mention")
        sentences.append(passing.say)
    if _tells(now, moved) and aside != "about_ai":
        telling, now = _next(now, words, "shared.ai")
        # What leads up to the helplines, with a colon, stays next to them.
        sentences.insert(0 if variant.say.endswith(":") else len(sentences), telling.say)
        now = replace(now, told=True)
    now = replace(now, told=now.told or aside == "about_ai", offered=now.offered or whole)
    lines, emergency = _lines(now, today), _emergency(now, today)
    passing_line = next((x for x in lines if not x.is_emergency), helplines(None, today=today)[0])
    marks = {
        "emergency": emergency[0].number if emergency else words.emergency,
        "line": brief(passing_line, now.language, known=before.offered),
        "reflection": _reflection(fill) if fill and not aside else "",
    }
    manner = _manner(now, verdict, aside)
    # Behind the model's own words an offer of help asks nothing more.
    said, asked = " ".join(sentences), "" if (now.flow, manner) == ("support", "beside") else variant.ask
    block = "\n".join(spoken(x, now.language) for x in lines) if whole else ""
    shown = lines if whole else (passing_line,) if "{line}" in said + asked else ()
    shown += tuple(x for x in emergency if x not in shown and "{emergency}" in said + asked)
    reply = Reply(
        text="\n\n".join(part for part in (_filled(said, marks), block, _filled(asked, marks)) if part),
        asks=bool(asked),
        helplines=shown,
        offers_handoff=now.step in steps.HAND_OFF,
        urgent=now.flow == "imminent" or now.step in ("urgent", "danger", "apart"),
        manner=manner,
        declines=aside == "declined",
    )
    return now, reply


def _shows_whole(state: State, cues: frozenset[str]) -> bool:
    """Whether this reply recites the helplines: the first time, when asked, in an emergency."""
    if "numbers" in cues:
        return True
    if state.flow == "imminent":
        return state.step in steps.FULL or (state.step == "hold" and state.times("imminent.hold") % MENTION_EVERY == 2)
    return state.step in steps.FULL and (not state.offered or state.step in steps.WITH_EMERGENCY)


def _mentions(now: State, before: State, whole: bool, variant: Variant) -> bool:
    """Whether one helpline is mentioned in passing."""
    if whole or "{line}" in variant.say or now.flow in ("imminent", "third_party", *steps.WATCHING):
        return False
    if before.turns == 0 or now.step == steps.OPENING[now.flow]:
        return now.level >= Level.moderate
    if now.step in ("stay", "beside"):
        rounds = sum(n for key, n in now.used if key.endswith(f".{now.step}"))
        return rounds % MENTION_EVERY == (1 if now.step == "beside" else 0)
    return now.step == "ease"


def _tells(state: State, moved: bool) -> bool:
    """Whether it is time to say that this is an AI: in the second reply, and again in an emergency."""
    if state.step in ("urge", "urgent"):
        return moved
    return not state.told and state.turns > 1


def _manner(now: State, verdict: Verdict, aside: str) -> Manner:
    """Whether this is said in place of the model's reply, behind it, or only where there is no model."""
    if aside == "declined":
        return "leads"
    if now.flow == "support" and now.step == "open":
        return "leads" if verdict.action == "protocol" else "beside"
    if now.step == "check":
        return "beside"
    return "silent" if now.step in steps.ASIDE else "leads"


def _aside(before: State, verdict: Verdict, cues: frozenset[str]) -> str:
    """What is answered before anything else: a request that is refused, a question about this program."""
    if verdict.action == "refuse" and (verdict.last_turn > before.seen or not before.turns):
        return "declined"
    return next((name for name in ("about_ai", "about_privacy") if name in cues), "")


def _draw(state: State, words: Phrasebook, cues: frozenset[str], *, again: bool) -> tuple[Variant, State]:
    """The next wording of the state's step: its own for what it is about, else the flow's, else the shared one."""
    tails = [f"_{state.about}"] if state.about else []
    tails += ["_again"] if again else []
    tails += ["_young"] if state.young else []
    if state.step == "barrier":
        named = [n for n in barriers_in(cues) if n != "refuses"]
        named.sort(key=lambda n: state.times(f"shared.barrier_{n}") + state.times(f"{state.flow}.barrier_{n}"))
        tails = [*(f"_{n}" for n in named), "_refuse"]
    owners = (state.flow, "shared")
    if state.step == "barrier" and f"{state.flow}.barrier_refuse" in words.steps:
        owners = (state.flow, state.flow)
    for owner in owners:
        for tail in (*tails, ""):
            key = f"{owner}.{state.step}{tail}"
            if key in words.steps:
                return _next(state, words, key)
    raise AssertionError(f"there are no words for {state.flow}.{state.step}")  # a test walks every place


def _next(state: State, words: Phrasebook, key: str) -> tuple[Variant, State]:
    variants = words.steps[key]
    return variants[state.times(key) % len(variants)], state.using(key)


def _emergency(state: State, today: date) -> tuple[Helpline, ...]:
    return tuple(line for line in helplines(state.country or None, today=today) if line.is_emergency)


def _lines(state: State, today: date) -> tuple[Helpline, ...]:
    """The helplines for this talk, the most fitting first; in an emergency its number before them."""
    topics: list[str] = ["minor"] if state.young else []
    abused = bool(VIOLENCE & set(state.categories)) or state.flow == "abuse"
    topics += ["abuse"] if abused and state.flow != "suicide" else []
    topics += ["veterans"] if state.veteran else []
    topics += ["suicide"] + (["abuse"] if abused else [])
    fitting = {topic: _of_topic(state, topic, today) for topic in topics}
    # The first line of every topic, then what else there is for the most fitting ones.
    chosen = [*(lines[0] for lines in fitting.values() if lines), *(x for lines in fitting.values() for x in lines)]
    directory = [x for x in helplines(state.country or None, today=today) if x.is_directory]
    plain = [*dict.fromkeys(chosen)][:SHOWN] + directory
    if state.flow == "imminent" or state.step in steps.WITH_EMERGENCY:
        return (*_emergency(state, today), *plain[: SHOWN - 1])
    return tuple(plain)


def _of_topic(state: State, topic: str, today: date) -> list[Helpline]:
    """A country's lines for a topic, those in the talk's language before the others."""
    found = helplines(state.country or None, topic, today=today, language=state.language)
    found = tuple(line for line in found if topic in line.topics)
    same = [line for line in found if not line.languages or state.language in line.languages]
    return same or list(found)


def _reflection(fill: Fill) -> str:
    """The model's sentence, if it has one that is short, asks nothing and holds no number or address."""
    said = (fill("reflection") or "").strip()
    if not said or len(said.split()) > MAX_FILL or _UNSAYABLE.search(said):
        return ""
    return said if said[-1] in ".!…" else f"{said}."


def _filled(text: str, marks: Mapping[str, str]) -> str:
    if "{reflection}" in text and not marks["reflection"]:
        text = text.replace(" {reflection}", "")
    filled = text.format_map(marks)
    return filled[:1].upper() + filled[1:]


def plain_reply(state: State, verdict: Verdict, today: date) -> tuple[State, Reply]:
    """In a language without words of its own: one plain sentence, and every helpline, the emergency number first."""
    topic = "minor" if state.young else "abuse" if VIOLENCE & set(verdict.categories) else "suicide"
    found = helplines(state.country or None, topic, today=today, language=state.language)
    lines = tuple(line for line in found if line.audience == "everyone" or topic in line.topics)
    sentence = plain_line(state.language, state.turns - 1)
    now = replace(state, step=PLAIN, told=True, offered=True)
    text = "\n\n".join([sentence, "\n".join(spoken(line, state.language) for line in lines)])
    return now, Reply(text=text, helplines=lines, urgent=verdict.level == Level.imminent)
