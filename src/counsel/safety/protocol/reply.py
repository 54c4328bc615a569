"""How a reply of the crisis protocol is put together: what is taken up, the wording, the helplines, the question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from counsel.helplines import Helpline
from counsel.safety.helplines import brief, helplines, spoken
from counsel.safety.notices import Policy, privacy
from counsel.safety.protocol import agenda
from counsel.safety.protocol.heard import Heard
from counsel.safety.protocol.phrasebook import Phrasebook, Variant, load, plain_line
from counsel.safety.protocol.state import PLAIN, Manner, Reply, State
from counsel.safety.verdict import VIOLENCE, Level, Verdict

SHOWN = 2
"""How many helplines an offer shows, the emergency number included; nobody in distress reads a longer list."""
MENTION_EVERY = 3
"""In a long talk, every third reply of a kind mentions a helpline or the emergency number in passing."""
_NOT_TAKEN_UP = frozenset({"corrected", "goodbye", "repair", "first", "close", "waiting", "contact", "named", "handed"})
"""Steps whose own first words already take up what was said."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What a reply depends on: the verdict, what was heard, whether the talk has moved on, the day and the policy."""

    verdict: Verdict
    heard: Heard
    moved: bool
    today: date
    policy: Policy

    @property
    def team(self) -> bool:
        """Whether people behind this chat can take over."""
        return self.policy.reads != "never"


def compose(now: State, before: State, turn: Turn) -> tuple[State, Reply]:
    """Put a reply together: what is said, the helplines, the question."""
    words = load(now.language)
    whole = _shows_whole(now, turn)
    variant, now = _draw(now, words, turn, again=before.offered and not whole)
    sentences = [variant.say]
    aside = _aside(before, turn)
    taken_up, now = ("", now) if aside else _taken_up(now, words, turn)
    if aside:
        answer, now = _next(now, words, f"shared.{aside}")
        sentences.insert(0, answer.say)
    elif "choked" in turn.heard.cues:
        medical, now = _next(now, words, "shared.choked")
        sentences.insert(0, medical.say)
    elif _mentions(now, before, whole, variant):
        passing, now = _next(now, words, "shared.mention")
        sentences.append(passing.say)
    manner = _manner(now, turn, aside)
    brief_enough = not aside and "choked" not in turn.heard.cues
    if manner == "leads" and _tells(now, turn.moved) and brief_enough:
        telling, now = _next(now, words, "shared.ai")
        # A sentence that ends with a colon and leads up to the helplines stays next to them.
        sentences.insert(0 if variant.say.endswith(":") else len(sentences), telling.say)
        now = replace(now, told=True)
    now = replace(now, told=now.told or aside == "about_ai", offered=now.offered or whole)
    lines, emergency = _lines(now, turn.today), _emergency(now, turn.today)
    passing_line = next((x for x in lines if not x.is_emergency), helplines(None, today=turn.today)[0])
    marks = {
        "emergency": emergency[0].number if emergency else words.emergency,
        "line": brief(passing_line, now.language, known=before.offered),
        "reflection": taken_up,
        "person": now.person,
        "subject": turn.heard.subject or words.something,
        "privacy": privacy(turn.policy, now.language),
    }
    if taken_up and "{reflection}" not in variant.say:
        sentences.insert(0, "{reflection}")
    # An offer of help after the model's own words asks no further question.
    said, asked = " ".join(sentences), "" if (now.flow, manner) == ("support", "beside") else variant.ask
    block = "\n".join(spoken(x, now.language) for x in lines) if whole else ""
    shown = lines if whole else (passing_line,) if "{line}" in said + asked else ()
    shown += tuple(x for x in emergency if x not in shown and "{emergency}" in said + asked)
    reply = Reply(
        text="\n\n".join(part for part in (_filled(said, marks), block, _filled(asked, marks)) if part),
        asks=bool(asked),
        helplines=shown,
        offers_handoff=turn.team and now.step in agenda.HAND_OFF,
        urgent=(now.flow == "imminent" and now.step != "coping") or now.step in ("urgent", "danger", "apart", "close"),
        manner=manner,
        declines=aside == "declined",
    )
    return now, reply


def _taken_up(state: State, words: Phrasebook, turn: Turn) -> tuple[str, State]:
    """A sentence that says back what the person said, never twice in a talk; empty where no written one fits."""
    # What is said in mania sounds like tiredness or joy, and saying it back would miss the person.
    if (
        "psychosis_or_mania" in turn.verdict.categories
        or state.step in _NOT_TAKEN_UP
        or (state.flow == "imminent" and state.step not in ("hold", "lesser"))
    ):
        return "", state
    for name in turn.heard.feelings:
        says, key = words.takeups[name].say, f"takeup.{name}"
        if state.times(key) < len(says):
            return says[state.times(key)], state.using(key)
    return "", state


def _shows_whole(state: State, turn: Turn) -> bool:
    """Whether this reply shows whole helplines: the first time, when asked, or in an emergency."""
    if "numbers" in turn.heard.cues:
        return True
    return state.step in agenda.FULL and (not state.offered or state.step in agenda.WITH_EMERGENCY)


def _mentions(now: State, before: State, whole: bool, variant: Variant) -> bool:
    """Whether one helpline is mentioned in passing, as with the first question after grave words."""
    if whole or "{line}" in variant.say or now.flow in ("imminent", "third_party", *agenda.WATCHING):
        return False
    return before.turns == 0 and now.level >= Level.moderate


def _tells(state: State, moved: bool) -> bool:
    """Whether it is time to say that this is an AI: in the second reply, and again in an emergency."""
    if state.step in ("urge", "urgent"):
        return moved
    return not state.told and state.turns > 1


def _manner(now: State, turn: Turn, aside: str) -> Manner:
    """Whether this is said in place of the model's reply, after it, or only where there is no model."""
    if aside == "declined":
        return "leads"
    if now.flow == "support" and now.step == "open":
        return "leads" if turn.verdict.action == "protocol" else "beside"
    if now.step == "check":
        return "beside"
    return "silent" if now.step in agenda.ASIDE else "leads"


def _aside(before: State, turn: Turn) -> str:
    """What is answered before anything else: a request that is refused, a question about this program."""
    if turn.verdict.action == "refuse" and (turn.verdict.last_turn > before.seen or not before.turns):
        return "declined"
    if before.flow == "eating" and "how_little" in turn.heard.cues:
        return "declined_eating"
    return next((name for name in ("about_ai", "about_privacy") if name in turn.heard.cues), "")


def _draw(state: State, words: Phrasebook, turn: Turn, *, again: bool) -> tuple[Variant, State]:
    """The next wording of the state's step: its own for what it is about, else the flow's, else the shared one."""
    tails = [f"_{state.about}"] if state.about else []
    tails += ["_again"] if again else []
    tails += ["_young"] if state.young else []
    tails += ["_thoughts"] if "thoughts" not in dict(state.known) and state.flow in ("suicide", "minor") else []
    tails += [] if turn.team else ["_alone"]
    tails += ["_person"] if turn.heard.person else []
    tails += (
        ["_no_line"] if VIOLENCE & set(turn.verdict.categories) and not _of_topic(state, "abuse", turn.today) else []
    )
    tails += ["_grave"] if state.level >= Level.high and turn.verdict.subject != "other" else []
    if state.step == "barrier":
        named = list(turn.heard.barriers)
        named.sort(key=lambda n: state.times(f"shared.barrier_{n}") + state.times(f"{state.flow}.barrier_{n}"))
        tails = [*(f"_{n}" for n in named if n != "refuses"), "_refuse"]
    for key in _keys(state, words, state.step, tails):
        return _next(state, words, key)
    raise AssertionError(f"there are no words for {state.flow}.{state.step}")  # a test walks every place


def _keys(state: State, words: Phrasebook, step: str, tails: Sequence[str]) -> Iterator[str]:
    """The lists of wordings that fit a step, the most particular first."""
    owners = [state.flow, *(["suicide"] if state.flow == "minor" else []), "shared"]
    if step == "barrier" and f"{state.flow}.barrier_refuse" in words.steps:
        owners = [state.flow]
    for owner in owners:
        for tail in (*tails, ""):
            if (key := f"{owner}.{step}{tail}") in words.steps:
                yield key


def _next(state: State, words: Phrasebook, key: str) -> tuple[Variant, State]:
    variants = words.steps[key]
    return variants[state.times(key) % len(variants)], state.using(key)


def _emergency(state: State, today: date) -> tuple[Helpline, ...]:
    return tuple(line for line in helplines(state.country or None, today=today) if line.is_emergency)


def _lines(state: State, today: date) -> tuple[Helpline, ...]:
    """The helplines for this talk, the most fitting first; in an emergency the emergency number comes before them."""
    topics: list[str] = ["minor"] if state.young else []
    abused = bool(VIOLENCE & set(state.categories)) or state.flow == "abuse"
    topics += ["abuse"] if abused and state.flow != "suicide" else []
    topics += ["veterans"] if state.veteran else []
    topics += ["suicide"] + (["abuse"] if abused else [])
    fitting = {topic: _of_topic(state, topic, today) for topic in topics}
    # First the first line of every topic, then the other lines of the most fitting topics.
    chosen = [*(lines[0] for lines in fitting.values() if lines), *(x for lines in fitting.values() for x in lines)]
    directory = [x for x in helplines(state.country or None, today=today) if x.is_directory]
    plain = [*dict.fromkeys(chosen)][:SHOWN] + directory
    if state.flow == "imminent" or state.step in agenda.WITH_EMERGENCY:
        return (*_emergency(state, today), *plain[: SHOWN - 1])
    return tuple(plain)


def _of_topic(state: State, topic: str, today: date) -> list[Helpline]:
    """A country's lines for a topic, those in the talk's language before the others."""
    found = helplines(state.country or None, topic, today=today, language=state.language)
    found = tuple(line for line in found if topic in line.topics)
    same = [line for line in found if not line.languages or state.language in line.languages]
    return same or list(found)


def _filled(text: str, marks: Mapping[str, str]) -> str:
    if "{reflection}" in text and not marks["reflection"]:
        text = text.replace(" {reflection}", "")
    filled = text.format_map(marks)
    return filled[:1].upper() + filled[1:]


def plain_reply(state: State, verdict: Verdict, today: date) -> tuple[State, Reply]:
    """In a language without words of its own: one plain sentence and every helpline, the emergency number first."""
    topic = "minor" if state.young else "abuse" if VIOLENCE & set(verdict.categories) else "suicide"
    found = helplines(state.country or None, topic, today=today, language=state.language)
    lines = tuple(line for line in found if line.audience == "everyone" or topic in line.topics)
    sentence = plain_line(state.language, state.turns - 1)
    now = replace(state, step=PLAIN, told=True, offered=True)
    text = "\n\n".join([sentence, "\n".join(spoken(line, state.language) for line in lines)])
    return now, Reply(text=text, helplines=lines, urgent=verdict.level == Level.imminent)
