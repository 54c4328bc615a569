"""Prepared conversations token by token, with the trained tokens marked."""

from __future__ import annotations

from collections.abc import Sequence

from counsel.conversation import Conversation
from counsel.model.render import Renderer


def show(conversations: Sequence[Conversation], renderer: Renderer, max_length: int, colour: bool) -> list[str]:
    """Lines that show conversations token by token, the trained tokens in green or in ⟦⟧."""
    on, off = ("\x1b[30;42m", "\x1b[0m") if colour else ("⟦", "⟧")
    lines = [f"Trained tokens stand in {'green' if colour else '⟦ ⟧'}; the cut at {max_length} is marked ✂."]
    for conversation, rendered in zip(conversations, renderer.render_many(conversations), strict=True):
        trained = rendered.cut(max_length).trained
        lines.append(f"— {conversation.source}: {len(rendered.ids)} tokens, {trained} trained")
        parts = []
        for i, (text, is_trained) in enumerate(renderer.show(rendered)):
            cut = "✂" if i == max_length else ""
            mark = is_trained and i < max_length
            parts.append(cut + (f"{on}{text}{off}" if mark else text if colour else f"{text}|"))
        lines.append("".join(parts).replace("\r", ""))
    return lines
