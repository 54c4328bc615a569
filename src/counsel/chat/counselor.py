"""The counselor: the only way from a person's message to words, for the terminal, a page, an API and evaluation.

It holds the services and no conversation, so one counselor serves many people at once. A turn is a function of a
session and a message; only its last event carries the new session.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from counsel.chat import memory
from counsel.chat.events import Done, Ended, Event, Led, Notice, Said, Usage, Withheld
from counsel.chat.session import Session
from counsel.chat.settings import ChatSettings
from counsel.conversation import Conversation, Message
from counsel.errors import CounselError
from counsel.helplines import numbers, sites
from counsel.model.adapter import base_of
from counsel.model.engine import Delta, Engine, Request, Sampling, load_engine
from counsel.records import Run
from counsel.safety.counters import Counters
from counsel.safety.notices import Policy, Situation, asks_if_human, due
from counsel.safety.protocol import Lead, lead
from counsel.safety.replies.judge import Context
from counsel.safety.replies.stream import ReplyScreen
from counsel.safety.screening.opinion import judge_of
from counsel.safety.screening.screen import Screen
from counsel.safety.verdict import Verdict
from counsel.text import printable


def _now() -> datetime:
    return datetime.now(UTC)


def opening(policy: Policy, now: datetime) -> tuple[Session, tuple[Notice, ...]]:
    """A new conversation, and what is to be shown before its first message."""
    return Session(started_at=now, noticed_at=now), due(policy, Situation(now=now, started_at=now))


@dataclass(frozen=True)
class Counselor:
    """The services that answer.

    Args:
        engine: the model.
        sampling: how the model's words are drawn.
        system: instructions before the first message, or empty.
        tuned: whether the model answers with its adapter, or as the base was before tuning.
        country: whose helplines are offered; None where nobody has said.
        policy: which law's notices are given, and what the notices say is kept.
        screen: reads what the person writes; None shows the model's own words alone, unguarded and without notices.
        now: the clock.
        counters: where a conversation's first referral to human help is counted, without content; None for nowhere.
    """

    engine: Engine
    sampling: Sampling = field(default_factory=Sampling)
    system: str = ""
    tuned: bool = True
    country: str | None = None
    policy: Policy = field(default_factory=Policy)
    screen: Callable[[Sequence[Message]], Verdict] | None = field(default_factory=Screen)
    now: Callable[[], datetime] = _now
    counters: Counters | None = None

    @classmethod
    def of(cls, settings: ChatSettings, engine: Engine) -> Counselor:
        """The counselor that these settings ask for, over an engine that is loaded already."""
        return cls(
            engine,
            Sampling(
                temperature=settings.temperature,
                top_p=settings.top_p,
                max_new_tokens=settings.max_new_tokens,
                seed=settings.seed,
            ),
            system=settings.system,
            tuned=not settings.base_only,
            country=settings.country,
            policy=Policy(settings.jurisdiction),
            screen=None if settings.unguarded else Screen(judge=judge_of(settings)),
            counters=Counters(settings.counts) if settings.counts else None,
        )

    def begin(self) -> tuple[Session, tuple[Notice, ...]]:
        """A new conversation, and what is to be shown before its first message."""
        session, notices = opening(self.policy, self.now())
        return session, notices if self.screen is not None else ()

    def answer(self, session: Session, text: str) -> Generator[Event, None, None]:
        """One turn, as it happens; the last event is ``Done``. Whoever leaves earlier, or fails, keeps ``session``.

        Args:
            session: the conversation so far.
            text: the person's message.

        Raises:
            CounselError: when the message is empty; ``TooLong`` when it leaves the model no room.
        """
        text = printable(text).strip()
        if not text:
            raise CounselError("the message is empty", fix="write something")
        turn = _Turn(self, session, text)
        if self.screen is None:
            yield from turn.unguarded()
        else:
            yield from turn.guarded(self.screen)
        yield turn.done()

    def reply(self, conversation: Conversation) -> Done:
        """Answer the last message of a conversation, as a person would have been answered there.

        Args:
            conversation: ends with the person's message. Its earlier replies stand as they are; the protocol is led
                through the person's earlier messages, so that it stands where it would.
        """
        asked = replace(self, system=conversation.system or self.system)
        session, _ = asked.begin()
        *before, last = conversation.question.turns
        for at in range(0, len(before), 2):
            session = asked._replayed(session, before[at], before[at + 1])
        *_, done = asked.answer(session, last.content)
        assert isinstance(done, Done)
        return done

    def _replayed(self, session: Session, message: Message, reply: Message) -> Session:
        """The session after a turn whose reply was written by somebody else."""
        turns = (*session.turns, message)
        state = session.protocol
        if self.screen is not None:
            state = self._lead(session, self.screen(turns), message.content, self.now().date()).state
        return replace(session, turns=(*turns, reply), protocol=state)

    def _lead(self, session: Session, verdict: Verdict, text: str, today: date) -> Lead:
        return lead(session.protocol, verdict, text, country=self.country, today=today, policy=self.policy)


def load_counselor(settings: ChatSettings) -> Counselor:
    """The counselor that ``counsel chat`` talks with, its model loaded.

    Raises:
        CounselError: when the run is not finished or its model cannot be loaded.
    """
    run = Run.open_finished(settings.run)
    engine = load_engine(base_of(run.adapter), run.adapter, four_bit=bool(run.settings.get("four_bit", True)))
    return Counselor.of(settings, engine)


class _Turn:
    """One turn under way: what has been said so far, and what the session will be."""

    def __init__(self, counselor: Counselor, session: Session, text: str) -> None:
        self.counselor, self.session, self.text = counselor, session, text
        self.turns = (*session.turns, Message("user", text))
        self.verdict = Verdict()
        self.pieces: list[str] = []
        self.usage = Usage()
        self.ended: Ended = "stop"
        self.trouble = ""
        self._told = 0  # findings

    def guarded(self, screen: Callable[[Sequence[Message]], Verdict]) -> Iterator[Event]:
        """Notices, then whoever leads."""
        now = self._clock()
        led = self.counselor._lead(self.session, screen(self.turns), self.text, now.date())
        self.verdict = led.verdict
        yield from self._notices(now, led)
        if led.reply and led.in_place:
            self.ended = "led"
            self.pieces.append(led.reply.text)
            yield Led(led.reply)
        else:
            yield from self._screened()
            if led.reply:
                yield self._say("\n\n" + led.reply.text, led)
        self.session = replace(self.session, protocol=led.state)
        if led.reply and led.in_place and led.reply.helplines:
            self._count(now.date())

    def unguarded(self) -> Iterator[Event]:
        """The model's own words."""
        for delta in self._model(""):
            if delta.text:
                yield self._say(delta.text)

    def done(self) -> Done:
        """The end."""
        said = "".join(self.pieces).strip()
        # An unguarded model may say nothing. Then the turn did not happen, so that the turns still alternate.
        turns = (*self.turns, Message("assistant", said)) if said else self.session.turns
        return Done(replace(self.session, turns=turns), said, self.verdict, self.usage, self.ended, self.trouble)

    def _clock(self) -> datetime:
        """The time, but never before the last notice: a clock that was set back must keep nobody from an answer."""
        known = [t for t in (self.session.started_at, self.session.noticed_at) if t]
        return max([self.counselor.now(), *known])

    def _notices(self, now: datetime, led: Lead) -> Iterator[Notice]:
        """The notices that the law and honesty ask for now: at the start, on request, or after some hours."""
        situation = Situation(
            now=now,
            started_at=self.session.started_at or now,
            last_notice_at=self.session.noticed_at,
            language=self.verdict.language,
            known_minor="minor" in self.verdict.categories,
            asked=asks_if_human(self.text),
        )
        found = due(self.counselor.policy, situation)
        self.session = replace(
            self.session,
            started_at=situation.started_at,
            noticed_at=now if found else self.session.noticed_at,
        )
        # To somebody who asks what this is, the protocol gives its own answer.
        yield from (n for n in found if not (led.in_place and n.kind == "asked"))

    def _screened(self) -> Iterator[Event]:
        """The model's words. Each sentence is held until it is judged, and a bad one is generated again once."""
        said = "\n".join(m.content for m in self.turns if m.role == "user")
        screen = ReplyScreen(Context(self.verdict, said, len(self.turns), numbers(), sites()))
        yield from self._released(screen, "")
        if screen.state == "regenerate":
            screen.resume()
            yield from self._released(screen, screen.released)
        if any(f.action == "fallback" for f in screen.findings):
            self.ended = "withheld"
        if not "".join(self.pieces).strip():
            self.ended = "empty"
            yield self._say(screen.fallback("template"))

    def _released(self, screen: ReplyScreen, begun: str) -> Iterator[Event]:
        """What the screen lets through of one attempt. Where the screen stops, the model is stopped too."""
        apart = bool(begun) and not begun[-1].isspace()
        with closing(self._model(begun)) as deltas:
            for delta in deltas:
                glued = apart and delta.text[:1].strip()  # a second attempt may begin without the space before it
                apart = apart and not delta.text
                yield from self._judged(screen, screen.feed(f" {delta.text}" if glued else delta.text))
                if screen.state != "open":
                    return
        yield from self._judged(screen, screen.close())

    def _judged(self, screen: ReplyScreen, shown: str) -> Iterator[Event]:
        for finding in screen.findings[self._told :]:
            self._told += 1
            yield Withheld(finding)
        if shown:
            yield self._say(shown)

    def _model(self, begun: str) -> Generator[Delta, None, None]:
        """The model's reply to as much of the conversation as it can read, going on after the words given."""
        c = self.counselor
        conversation, forgotten, tokens = memory.shown(
            self.turns, self.session.forgotten, c.system, c.engine, c.sampling.max_new_tokens
        )
        self.session = replace(self.session, forgotten=forgotten)
        self.usage = replace(self.usage, prompt=tokens)
        with closing(c.engine.stream(Request(conversation, c.sampling, c.tuned, begun))) as deltas:
            for delta in deltas:
                self.usage = replace(self.usage, completion=self.usage.completion + delta.tokens)
                self.ended = delta.finish or self.ended
                yield delta

    def _say(self, text: str, led: Lead | None = None) -> Said:
        said = Said(printable(text), led.reply.helplines if led and led.reply else ())
        self.pieces.append(said.text)
        return said

    def _count(self, today: date) -> None:
        if self.session.referred:
            return
        self.session = replace(self.session, referred=True)
        if self.counselor.counters:
            try:
                self.counselor.counters.referred(self.verdict.categories, today)
            except CounselError as e:  # nobody in danger should wait for a counter
                self.trouble = str(e)
