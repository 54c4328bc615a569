"""The messages of one conversation as JSON: the card's list of role and content, or ShareGPT's of speaker and value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "system": "system",
}
"""The speakers that chat formats name, as roles."""
_KINDS = {str: "text", list: "a list", bool: "true or false", int: "a number", float: "a number", type(None): "null"}


def messages_of(messages: list[Any]) -> tuple[tuple[str, str], ...]:
    """(role, content) of each message, in order; contents may be blank.

    Raises:
        ValueError: with the reason, when one is not a message with a known role and text.
    """
    said = []
    for n, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise ValueError(f"message {n} is {kind_of(message)}, but should be an object with a role and a content")
        speaker = message.get("role", message.get("from"))
        if not isinstance(speaker, str) or speaker.casefold() not in ROLES:
            raise ValueError(f"message {n} has the role {speaker!r}, but the role should be user, assistant or system")
        content = message["content"] if "content" in message else message.get("value")
        said.append((ROLES[speaker.casefold()], text_of(content, f"the content of message {n}")))
    return tuple(said)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if isinstance(value, Mapping):
        return "an object"
    return _KINDS.get(type(value), type(value).__name__)


def text_of(value: Any, name: str) -> str:
    """A field's text; one that is missing is empty.

    Raises:
        ValueError: when it is something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is {kind_of(value)}, but should be text")
    return value
