"""Which columns hold prompt, reply and author: those that the user named, or those whose names are known."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from counsel.errors import CounselError

PAIRS = (
    ("Context", "Response"),
    ("questionText", "answerText"),
    ("prompt", "response"),
    ("prompt", "completion"),
    ("question", "answer"),
    ("instruction", "output"),
    ("input", "output"),
)
"""Known names of the columns for prompt and reply; capitals do not matter."""
AUTHORS = ("therapistInfo", "therapistName", "therapist", "counselor", "counsellor", "author")
"""Columns that name who wrote the reply."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that the user named; None leaves the choice to the known names."""

    prompt: str | None = None
    reply: str | None = None

    def find(self, seen: list[str]) -> tuple[str, str] | None:
        """The columns of prompt and reply among those seen, or None."""
        lower = {name.casefold().strip(): name for name in reversed(seen)}
        for prompt, reply in PAIRS:
            found = tuple(lower.get((a or b).casefold()) for a, b in ((self.prompt, prompt), (self.reply, reply)))
            if found[0] and found[1]:
                return found[0], found[1]
        return None

    def missing(self, seen: list[str], where: str) -> CounselError:
        """The error that says what was looked for, which columns there are, and which come nearest."""
        names = ", ".join(seen[:30]) + (", …" if len(seen) > 30 else "")
        for flag, name in (("--prompt-column", self.prompt), ("--reply-column", self.reply)):
            if name and name not in seen:
                near = difflib.get_close_matches(name, seen, 1)
                return CounselError(
                    f"there is no column {name!r}; the columns are: {names}",
                    where=where,
                    fix=f"use {flag} {near[0]!r}" if near else f"name one of them with {flag}",
                )
        known = {n.casefold(): n for pair in PAIRS for n in pair}
        near = [s for s in seen if difflib.get_close_matches(s.casefold(), list(known), 1, 0.6)]
        return CounselError(
            f"no column has a known name for the prompt or the reply; the columns are: {names}",
            where=where,
            fix="name them with --prompt-column and --reply-column"
            + (f" (nearest: {', '.join(near)})" if near else ""),
        )
