"""What of a long conversation the model is shown: the latest turns, as many as leave room for a reply."""

from __future__ import annotations

from collections.abc import Sequence

from counsel.conversation import Conversation, Message
from counsel.model.engine import Engine, too_long

MOST_FOR_A_REPLY = 4
"""Room is kept for the longest reply that is allowed, but never more than the context divided by this."""


def shown(
    turns: Sequence[Message], forgotten: int, system: str, engine: Engine, reply_tokens: int
) -> tuple[Conversation, int, int]:
    """The conversation for the model, how many of its oldest turns are left out, and its length in tokens.

    Args:
        turns: all of them, the person's last message included.
        forgotten: turns that were left out before; they do not come back.
        system: instructions that always come first, or empty.
        engine: counts the tokens.
        reply_tokens: how long the reply may get.

    Raises:
        TooLong: when the last message alone leaves no room.
    """
    opening = (Message("system", system),) if system else ()
    room = engine.limit - min(reply_tokens, engine.limit // MOST_FOR_A_REPLY)
    while True:
        conversation = Conversation(opening + tuple(turns[forgotten:]))
        tokens = engine.count(conversation)
        if tokens <= room:
            return conversation, forgotten, tokens
        if len(turns) - forgotten < 3:
            raise too_long(tokens, room + 1)
        forgotten += 2
