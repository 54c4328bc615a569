"""A conversation: frozen, validated, hashed by content. It knows nothing of files, tokens or storage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant"]
ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who speaks, and what is said (never blank)."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} is none of {', '.join(ROLES)}")
        if not isinstance(self.content, str) or not self.content.strip():
            raise ValueError(f"the {self.role} message is empty")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages that alternate user, assistant, user, … after at most one leading system message.

    ``id`` and ``source`` say where it came from; ``group`` names the set of equal or near-equal first
    prompts that it was split with. None of the three is part of its identity (``digest``).
    """

    messages: tuple[Message, ...]
    id: str = ""
    source: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        turns = self.messages[1:] if self.messages and self.messages[0].role == "system" else self.messages
        if not turns:
            raise ValueError("a conversation needs at least one user message")
        for i, message in enumerate(turns):
            expected = "assistant" if i % 2 else "user"
            if message.role != expected:
                raise ValueError(f"message {i + 1} is from {message.role}, expected {expected}")

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, str]], **origin: str) -> Conversation:
        """Build from ``{"role", "content"}`` mappings; turns of one speaker in a row are joined.

        Raises:
            ValueError: with the reason, when the messages are no conversation.
        """
        joined: list[Message] = []
        for m in messages:
            message = Message(m["role"], m["content"])  # type: ignore[arg-type]
            if joined and joined[-1].role == message.role:
                message = Message(message.role, f"{joined[-1].content}\n\n{message.content}")
                joined.pop()
            joined.append(message)
        return cls(tuple(joined), **origin)

    @property
    def system(self) -> str:
        """The system message, or an empty string."""
        return self.messages[0].content if self.messages[0].role == "system" else ""

    @property
    def turns(self) -> tuple[Message, ...]:
        """The messages without the system message."""
        return self.messages[1:] if self.system else self.messages

    @property
    def prompt(self) -> str:
        """The first user message."""
        return self.turns[0].content

    @property
    def is_answered(self) -> bool:
        """Whether the last word is the assistant's, as training and references need."""
        return self.messages[-1].role == "assistant"

    @property
    def question(self) -> Conversation:
        """The conversation up to its last user message: what a model is asked to answer."""
        return replace(self, messages=self.messages[:-1]) if self.is_answered else self

    @property
    def reply(self) -> str:
        """The last assistant message, or an empty string while it is the user's turn."""
        return self.messages[-1].content if self.is_answered else ""

    @property
    def digest(self) -> str:
        """SHA-256 over roles and contents, in hexadecimal."""
        body = json.dumps([[m.role, m.content] for m in self.messages], ensure_ascii=False)
        return hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """The JSON object of one line of a prepared file."""
        body: dict[str, Any] = {"messages": [{"role": m.role, "content": m.content} for m in self.messages]}
        return body | {k: v for k in ("id", "source", "group") if (v := getattr(self, k))}
