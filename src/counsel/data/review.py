"""What a person should look at: what was masked, what looks missed, and which tokens train."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from counsel.conversation import Conversation
from counsel.data.personal import Span
from counsel.model.render import Renderer

AROUND = 40
"""Characters shown on each side of a place."""
_SUSPECT = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]+)*|\d[\d ./-]{3,}\d|\S*@\S*")


@dataclass(frozen=True)
class _Place:
    where: str
    line: str


class Samples:
    """Keeps a fair draw of masked places and of places that look missed.

    Args:
        size: how many of each.
        draw: where the chance comes from.
    """

    def __init__(self, size: int, draw: random.Random) -> None:
        self.size, self._draw = size, draw
        self.masked: list[_Place] = []
        self.missed: list[_Place] = []
        self._seen = [0, 0]

    def look(self, before: str, after: str, spans: Sequence[Span], where: str) -> None:
        """Consider one turn, before and after masking."""
        if not self.size:
            return
        for span in spans:
            text = _around(before, span.start, span.end)
            self._keep(0, self.masked, _Place(where, f"[{span.kind}] by {span.rule}: {text}"))
        for match in _SUSPECT.finditer(after):
            self._keep(1, self.missed, _Place(where, _around(after, *match.span())))

    def _keep(self, which: int, kept: list[_Place], place: _Place) -> None:
        # Reservoir sampling: every place has the same chance, however many there are.
        self._seen[which] += 1
        if len(kept) < self.size:
            kept.append(place)
        elif (at := self._draw.randrange(self._seen[which])) < self.size:
            kept[at] = place

    def tell(self, say: Callable[[str], None]) -> None:
        """Show both draws on the screen; they are personal data and are written nowhere."""
        for title, places, seen in (
            ("Masked", self.masked, self._seen[0]),
            ("Looks missed (a capital within a sentence, digits, an @)", self.missed, self._seen[1]),
        ):
            say(f"{title}: {len(places)} of {seen:,}")
            for place in places:
                say(f"  {place.where}: {place.line}")


def _around(text: str, start: int, end: int) -> str:
    left, right = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    return " ".join(f"…{left}»{text[start:end]}«{right}…".split())


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
