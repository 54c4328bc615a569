"""One conversation as a value: everything that the next turn depends on, besides the next message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from counsel.conversation import Message
from counsel.errors import CounselError
from counsel.safety import protocol

VERSION = 1
"""The version of the JSON form."""


@dataclass(frozen=True, slots=True)
class Session:
    """Where a conversation stands. It never changes: a turn gives a new one; until it has, this one holds.

    Attributes:
        turns: what was said, alternately the person's message and the reply; without notices or a system message.
        forgotten: how many of the oldest turns no longer fit into the model; the screen still reads them.
        protocol: where the crisis protocol stands; None until it has spoken or begun to watch.
        started_at: when the visit began, with a time zone; None before that.
        noticed_at: when notices were last shown.
        referred: whether help from people has been offered already, so that it is counted only once.
    """

    turns: tuple[Message, ...] = ()
    forgotten: int = 0
    protocol: protocol.State | None = None
    started_at: datetime | None = None
    noticed_at: datetime | None = None
    referred: bool = False

    def stopped(self, text: str, said: str) -> Session:
        """The conversation after the person stopped a reply: the part that they read stays, and nothing else changes.

        A reply of which nothing was shown leaves the conversation as it was.
        """
        if not said.strip():
            return self
        return replace(self, turns=(*self.turns, Message("user", text), Message("assistant", said.strip())))

    def to_json(self) -> dict[str, Any]:
        """This session as a JSON object. It holds what was said, so it must be stored encrypted."""
        return {
            "version": VERSION,
            "turns": [[m.role, m.content] for m in self.turns],
            "forgotten": self.forgotten,
            "protocol": self.protocol.to_json() if self.protocol else None,
            "started_at": _iso(self.started_at),
            "noticed_at": _iso(self.noticed_at),
            "referred": self.referred,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Session:
        """The session that ``to_json`` wrote.

        Raises:
            CounselError: when it is not a session, or is one of another version.
        """
        try:
            if body["version"] != VERSION:
                raise ValueError(f"it has version {body['version']}, but this program reads version {VERSION}")
            turns = tuple(Message(role, content) for role, content in body["turns"])
            if any(m.role != ("assistant" if i % 2 else "user") for i, m in enumerate(turns)) or len(turns) % 2:
                raise ValueError("the turns do not alternate")
            if not 0 <= body["forgotten"] <= len(turns) or body["forgotten"] % 2:
                raise ValueError(f"{body['forgotten']} turns cannot be forgotten when there are {len(turns)}")
            return cls(
                turns,
                int(body["forgotten"]),
                protocol.State.from_json(body["protocol"]) if body["protocol"] is not None else None,
                _time(body["started_at"]),
                _time(body["noticed_at"]),
                bool(body["referred"]),
            )
        except (TypeError, KeyError, ValueError, AttributeError) as e:
            raise CounselError(f"the stored conversation is broken: {e}", fix="begin a new one") from e


def _iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    time = datetime.fromisoformat(text)
    if time.utcoffset() is None:
        raise ValueError(f"{text} has no time zone")
    return time
