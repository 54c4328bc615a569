"""A guarded turn: the person's words screened, the protocol where it must lead, every sentence of a reply screened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from counsel.conversation import Message
from counsel.errors import CounselError
from counsel.helplines import numbers, sites
from counsel.safety import protocol
from counsel.safety.counters import Counters
from counsel.safety.notices import Notice, Policy, Situation, asks_if_human, due
from counsel.safety.replies.judge import Context
from counsel.safety.replies.stream import ReplyScreen
from counsel.safety.screening.screen import Screen
from counsel.safety.verdict import Verdict

Generate = Callable[[str], Iterator[str]]
"""The model's reply in pieces, going on behind the words given."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Guard:
    """Keeps one conversation safe.

    Args:
        country: whose helplines are offered; None where nobody has said.
        policy: which law's notices are given, and what is kept.
        screen: of what the person writes.
        now: the clock.
        counters: where a conversation's first referral to human help is counted, without content; None for nowhere.
    """

    country: str | None = None
    policy: Policy = field(default_factory=Policy)
    screen: Callable[[Sequence[Message]], Verdict] = field(default_factory=Screen)
    now: Callable[[], datetime] = _now
    counters: Counters | None = None
    state: protocol.State | None = None
    verdict: Verdict = field(default_factory=Verdict)
    trouble: str = ""
    """What went wrong with the counting; whoever runs the chat is told at its end."""
    _started: datetime | None = None
    _noticed: datetime | None = None
    _referred: bool = False

    def restart(self) -> None:
        """Forget the conversation."""
        self.state, self.verdict, self._referred = None, Verdict(), False

    def notices(self, text: str = "", language: str = "en") -> tuple[Notice, ...]:
        """What the law and honesty ask to be said now: at the start, on request, every few hours."""
        now = self.now()
        first = self._started is None
        self._started = self._started or now
        minor = "minor" in self.verdict.categories
        situation = Situation(
            now=now,
            started_at=self._started,
            last_notice_at=None if first else self._noticed,
            language=language,
            known_minor=minor,
            asked=asks_if_human(text),
        )
        found = due(self.policy, situation)
        if found:
            self._noticed = now
        return found

    def answer(self, turns: Sequence[Message], generate: Generate) -> Iterator[str]:
        """The reply to the last of ``turns``, the person's, in pieces that have all been judged."""
        text = turns[-1].content
        self.verdict = self.screen(turns)
        led = self._led(text)
        for notice in self.notices(text, self.verdict.language):
            if not (led and notice.kind == "asked"):  # the protocol answers that in its own words
                yield f"({notice.text})\n\n"
        if led:
            yield led
        else:
            yield from self._screened(turns, generate)

    def _led(self, text: str) -> str:
        """The protocol's reply where it leads, else nothing."""
        if self.verdict.action == "pass" and self.state is None:
            return ""
        today: date = self.now().date()
        self.state, reply = protocol.respond(self.state, self.verdict, text, country=self.country, today=today)
        if reply.leads and reply.helplines:
            self._count(today)
        return reply.text if reply.leads else ""

    def _count(self, today: date) -> None:
        if self.counters and not self._referred:
            self._referred = True
            try:
                self.counters.referred(self.verdict.categories, today)
            except CounselError as e:  # nobody in danger waits for a count
                self.trouble = str(e)

    def _screened(self, turns: Sequence[Message], generate: Generate) -> Iterator[str]:
        """The model's words, each sentence held until it is judged; a bad one is generated again once."""
        said = "\n".join(m.content for m in turns if m.role == "user")
        screen = ReplyScreen(Context(self.verdict, said, len(turns), numbers(), sites()))
        yield from _released(screen, generate(""))
        if screen.state == "regenerate":
            screen.resume()
            yield from _released(screen, generate(screen.released))


def _released(screen: ReplyScreen, pieces: Iterator[str]) -> Iterator[str]:
    """What the screen lets through of one attempt; the model is stopped where the screen stops."""
    for piece in pieces:
        if shown := screen.feed(piece):
            yield shown
        if screen.state != "open":
            return
    if shown := screen.close():
        yield shown
