"""What happens in a turn, in order. A terminal, a page or an API only translates these events."""

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
        """The whole text, helplines included."""
        return self.reply.text


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of the reply that may be shown: every character of it has been judged.

    Attributes:
        text: the new piece; the pieces joined are the reply.
        helplines: those that the piece names, for a page's buttons.
    """

    text: str
    helplines: tuple[Helpline, ...] = ()


@dataclass(frozen=True, slots=True)
class Withheld:
    """Something that the model wrote and that nobody is shown. What stands in its place comes as ``Said``."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that the model was shown and the tokens that it drew; both are 0 where the protocol led."""

    prompt: int = 0
    completion: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a turn that went well. A turn without this event did not happen.

    Attributes:
        session: the conversation with this turn in it.
        text: the whole reply as it was shown, without the notices.
        verdict: on the person's words; its ``action`` says what was done.
        usage: how many tokens the model took.
        ended: why the reply ended.
        trouble: what went wrong besides the talk, for whoever runs the service; empty when nothing did.
    """

    session: Session
    text: str
    verdict: Verdict
    usage: Usage
    ended: Ended
    trouble: str = ""


Event = Notice | Led | Said | Withheld | Done
"""``Notice``s are shown as they are, before the reply, and do not belong to it."""
