"""What happens in a turn, in order. An adapter of a terminal, a page or a protocol only translates these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from counsel.chat.session import Session
from counsel.helplines import Helpline
from counsel.safety.notices import Notice
from counsel.safety.protocol import Reply
from counsel.safety.verdict import Finding, Verdict

__all__ = ["Done", "Ended", "Event", "Led", "Notice", "Said", "Usage", "Withheld"]

Ended = Literal["stop", "length", "led", "withheld", "empty"]
"""Why a reply ended: the model ended it, it ran out of room, written words led, written words cut it off, or the model
said nothing and written words stand in its place."""


@dataclass(frozen=True, slots=True)
class Led:
    """The protocol's written words, in place of the model's: text, helplines, urgency, hand-off."""

    reply: Reply

    @property
    def text(self) -> str:
        """All of it, helplines included."""
        return self.reply.text


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the reply that may be shown: every character of it has been judged.

    Attributes:
        text: what is new; joined, the pieces are the reply.
        helplines: those that it names, for buttons.
    """

    text: str
    helplines: tuple[Helpline, ...] = ()


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something that the model wrote and nobody is shown. What stands in its place comes as ``Said``."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of the conversation as the model was shown it, and those that it drew; none where the protocol led."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a turn that went well; a turn without it did not happen.

    Attributes:
        session: the conversation with this turn in it.
        text: the whole reply as it was shown, without the notices.
        verdict: on the person's words, its ``action`` being what was done.
        usage: of the model.
        ended: why the reply ended.
        trouble: what went wrong beside the talk, for whoever runs the service; empty for nothing.
    """

    session: Session
    text: str
    verdict: Verdict
    usage: Usage
    ended: Ended
    trouble: str = ""


Event = Notice | Led | Said | Withheld | Done
"""``Notice``s are shown as they are, before the reply, and are no part of it."""
