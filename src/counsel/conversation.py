"""A conversation: frozen, validated, hashed by content, read from JSON. It knows nothing of files, tokens or storage.

No error here repeats a word of what was said, because errors may end up in a log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant"]
ROLES: tuple[str, ...] = get_args(Role)
SILENT_ROLES = frozenset(("assistant", "system", "developer", "tool", "function"))
"""The roles that are not a person's, in the formats that conversations are kept in."""
SILENCE = "…"
"""Stands for a turn without words, so that the turns after it keep their numbers."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: who speaks, and what is said (never blank)."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"the role of a message must be one of {', '.join(ROLES)}")
        if not isinstance(self.content, str) or not self.content.strip():
            raise ValueError(f"the {self.role} message is empty or is not text")


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
                raise ValueError(f"message {i + 1} is from {message.role}, but should be from {expected}")

    @classmethod
    def of(cls, messages: Iterable[Mapping[str, str]], **origin: str) -> Conversation:
        """Build from ``{"role", "content"}`` mappings; turns of one speaker in a row are joined.

        Raises:
            ValueError: with the reason, when the messages are not a conversation.
        """
        joined: list[Message] = []
        for m in messages:
            message = Message(m["role"], m["content"])  # type: ignore[arg-type]
            if joined and joined[-1].role == message.role:
                message = Message(message.role, f"{joined[-1].content}\n\n{message.content}")
                joined.pop()
            joined.append(message)
        return cls(tuple(joined), **origin)

    @classmethod
    def from_json(cls, value: Any) -> Conversation:
        """Build from the decoded JSON of ``to_json``, or from a bare list of messages.

        Raises:
            ValueError: with the reason, when it is not a conversation.
        """
        named = value if isinstance(value, dict) else {}
        origin = {k: named[k] for k in ("id", "source", "group") if k in named}
        if not all(isinstance(v, str) for v in origin.values()):
            raise ValueError("id, source and group must be text")
        return cls.of(({"role": m.role, "content": m.content} for m in messages_of(value)), **origin)

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


def json_value(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: with the reason in plain words, when it is not JSON.
    """
    try:
        return json.loads(text)
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e
    except json.JSONDecodeError as e:
        if text.strip() in ("{", "["):
            raise ValueError("a value runs over several lines; write each value on one line") from e
        raise ValueError(f"it is not valid JSON: {e.msg} at character {e.pos + 1}") from e
    except ValueError as e:  # Python's bound on the digits of an integer
        raise ValueError("it holds a number that is too long") from e


def messages_of(value: Any) -> list[Message]:
    """The messages of a decoded object with ``messages``, or of a bare list of them; each must hold words.

    Raises:
        ValueError: with the reason.
    """
    return [_message(entry) for entry in _entries(value)]


def heard_in(value: Any) -> list[Message]:
    """The same, for screening what people said: a turn of anybody else may hold anything.

    A turn without words, such as an assistant's that only calls a tool, or a person's blank one, becomes a system
    message ``SILENCE``. So message i of the result is entry i of the value.

    Raises:
        ValueError: with the reason, when a turn that may be a person's cannot be read, or when no turn holds words.
    """
    entries = _entries(value)
    silent = [_is_silent(entry) for entry in entries]
    if all(silent):
        raise ValueError("it holds no words that anybody said")
    return [
        Message("system", SILENCE) if is_silent else _message(entry)
        for entry, is_silent in zip(entries, silent, strict=True)
    ]


def _entries(value: Any) -> list[Any]:
    entries = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(entries, list) or not entries:
        raise ValueError("it holds no list of messages")
    return entries


def _message(entry: Any) -> Message:
    if not isinstance(entry, dict) or not {"role", "content"} <= entry.keys():
        raise ValueError("a message needs a role and a content")
    return Message(entry["role"], entry["content"])


def _is_silent(entry: Any) -> bool:
    """Whether a turn plainly holds no word of a person."""
    if not isinstance(entry, dict) or not isinstance(entry.get("role"), str):
        return False
    role, content = entry["role"], entry.get("content")
    if not isinstance(content, str):
        return role in SILENT_ROLES
    return (role in ROLES and not content.strip()) or role in SILENT_ROLES - {*ROLES}
