"""``counsel chat``: a conversation in the terminal, the disclaimer first, replies as they come."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from textwrap import fill
from typing import TextIO

from counsel.chat.guard import Guard
from counsel.chat.settings import ChatSettings
from counsel.conversation import Conversation, Message
from counsel.model.adapter import base_of
from counsel.model.engine import Engine, Sampling, TooLong, load_engine
from counsel.records import Run
from counsel.safety.counters import Counters
from counsel.safety.notices import Policy

DANGER = """\
If you or someone else is in danger, call the emergency number of the place where you are.
findahelpline.com lists free helplines by country. What you type here stays on this machine."""
UNGUARDED = (
    "UNGUARDED: neither your messages nor the replies are checked. For study only, not for anybody who needs help."
)
HELP = "Type your message. /reset starts over, /quit ends (so does Ctrl-D), Ctrl-C stops a reply."

# Everything that could move the cursor, change the terminal or hide text: C0 and C1 controls but newline and
# tab, and the marks that reorder or hide text.
UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")


@dataclass
class Talk:
    """One conversation under way.

    Args:
        engine: answers.
        sampling: how.
        system: instructions before the first message, or empty.
        guard: screens both sides; None shows the model's own words.
    """

    engine: Engine
    sampling: Sampling
    system: str = ""
    guard: Guard | None = None
    turns: list[Message] = field(default_factory=list)
    forgotten: int = 0
    """The oldest turns, which no longer fit into the model; the guard knows them still."""

    def conversation(self) -> Conversation:
        """What the model is told of what has been said, the system message first."""
        opening = (Message("system", self.system),) if self.system else ()
        return Conversation(opening + tuple(self.turns[self.forgotten :]))

    def say(self, text: str, write: Callable[[str], None]) -> None:
        """Take the user's message and write the reply as it comes. A reply that was stopped stays as far as it got."""
        self.turns.append(Message("user", text))
        pieces: list[str] = []
        try:
            for piece in self._pieces():
                shown = UNPRINTABLE.sub("", piece)
                pieces.append(shown)
                write(shown)
        except BaseException:
            self._keep("".join(pieces))
            raise
        self._keep("".join(pieces))

    def _pieces(self) -> Iterator[str]:
        return self.guard.answer(self.turns, self._generate) if self.guard else self._generate("")

    def _generate(self, begun: str) -> Iterator[str]:
        while True:
            try:
                yield from self.engine.stream(self.conversation(), self.sampling, begun)
                return
            except TooLong:  # said before the first word
                if len(self.turns) - self.forgotten < 3:
                    raise
                self.forgotten += 2

    def _keep(self, reply: str) -> None:
        if reply.strip():
            self.turns.append(Message("assistant", reply.strip()))
        else:  # nothing was said: the turn did not happen, so that turns go on alternating
            self.turns.pop()

    def restart(self) -> None:
        """Begin a new conversation."""
        self.turns.clear()
        self.forgotten = 0
        if self.guard:
            self.guard.restart()


def chat(settings: ChatSettings, source: TextIO | None = None, target: TextIO | None = None) -> None:
    """Talk until the user has had enough.

    Args:
        settings: which run, and how.
        source: where messages come from, standard input by default.
        target: where replies go, standard output by default.

    Raises:
        CounselError: when the run is not finished or its model cannot be loaded.
    """
    source, target = source or sys.stdin, target or sys.stdout
    run = Run.open_finished(settings.run)
    counters = Counters(settings.counts) if settings.counts else None
    policy = Policy(settings.jurisdiction)
    guard = None if settings.unguarded else Guard(settings.country, policy, counters=counters)
    opening = [n.text for n in guard.notices()] if guard else [UNGUARDED]
    print("\n".join([*(fill(text, 110) for text in opening), DANGER, ""]), file=target, flush=True)
    trained = run.settings
    adapter = None if settings.base_only else run.adapter
    engine = load_engine(base_of(run.adapter), adapter, four_bit=trained["four_bit"])
    who = f"{trained['base']}, " + ("before tuning" if settings.base_only else f"tuned in {run.path}")
    print(f"Model: {who}.\n{HELP}", file=target, flush=True)
    sampling = Sampling(
        temperature=settings.temperature,
        top_p=settings.top_p,
        max_new_tokens=settings.max_new_tokens,
        seed=settings.seed,
    )
    loop(Talk(engine, sampling, settings.system, guard), source, target)
    if guard and guard.trouble:
        print(f"error: {guard.trouble}", file=sys.stderr)


def loop(talk: Talk, source: TextIO, target: TextIO) -> None:
    """Read, answer, read again, until the end of input or ``/quit``."""

    def write(text: str) -> None:
        target.write(text)
        target.flush()

    while True:
        try:
            write("\nyou> ")
            line = source.readline()
        except KeyboardInterrupt:
            write("\n(/quit ends the conversation)")
            continue
        except UnicodeDecodeError:
            write("That could not be read as text; please type it again.")
            continue
        if not line:
            write("\n")
            return
        text = UNPRINTABLE.sub("", line).strip()
        if text == "/quit":
            return
        if text == "/reset":
            talk.restart()
            write("A new conversation.\n")
        elif text.startswith("/"):
            write(f"{HELP}\n")
        elif text:
            _answer(talk, text, write)


def _answer(talk: Talk, text: str, write: Callable[[str], None]) -> None:
    write("\ncounsel> ")
    try:
        talk.say(text, write)
    except KeyboardInterrupt:
        write(" (stopped)")
    except TooLong as e:
        write(f"This message is too long for the model: {e.what}. Please say it in fewer words.")
    write("\n")
