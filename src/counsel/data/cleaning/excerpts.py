"""What a person should look at: excerpts around what was masked, and around what looks missed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from counsel.data.cleaning.masking import Span

AROUND = 40
"""Characters shown on each side."""
_SUSPECT = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}(?: [A-Z][a-z]+)*|\d[\d ./-]{3,}\d|\S*@\S*")


@dataclass(frozen=True)
class _Excerpt:
    where: str
    text: str


class Excerpts:
    """Keeps a fair draw of what was masked and of what looks missed.

    Args:
        size: how many of each.
        draw: where the chance comes from.
    """

    def __init__(self, size: int, draw: random.Random) -> None:
        self.size, self._draw = size, draw
        self.masked: list[_Excerpt] = []
        self.missed: list[_Excerpt] = []
        self._seen = [0, 0]

    def look(self, before: str, after: str, spans: Sequence[Span], where: str) -> None:
        """Consider one turn, before and after masking."""
        if not self.size:
            return
        for span in spans:
            text = _around(before, span.start, span.end)
            self._keep(0, self.masked, _Excerpt(where, f"[{span.kind}] by {span.rule}: {text}"))
        for match in _SUSPECT.finditer(after):
            self._keep(1, self.missed, _Excerpt(where, _around(after, *match.span())))

    def _keep(self, which: int, kept: list[_Excerpt], excerpt: _Excerpt) -> None:
        # Reservoir sampling gives each one the same chance, however many there are.
        self._seen[which] += 1
        if len(kept) < self.size:
            kept.append(excerpt)
        elif (at := self._draw.randrange(self._seen[which])) < self.size:
            kept[at] = excerpt

    def tell(self, say: Callable[[str], None]) -> None:
        """Show both draws on the screen. They are personal data, so they are written nowhere else."""
        for title, kept, seen in (
            ("Masked", self.masked, self._seen[0]),
            ("Looks missed (a capital within a sentence, digits, an @)", self.missed, self._seen[1]),
        ):
            say(f"{title}: {len(kept)} of {seen:,}")
            for excerpt in kept:
                say(f"  {excerpt.where}: {excerpt.text}")


def _around(text: str, start: int, end: int) -> str:
    left, right = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    return " ".join(f"…{left}»{text[start:end]}«{right}…".split())
