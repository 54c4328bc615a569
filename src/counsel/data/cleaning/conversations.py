"""From a row to a cleaned conversation, with the words by which it is compared with others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from counsel.conversation import Conversation
from counsel.data.cleaning.excerpts import Excerpts
from counsel.data.cleaning.masking import Masker
from counsel.data.cleaning.turns import CleanedTurn, Cleaner
from counsel.data.reading.record import Row
from counsel.text import words


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a conversation, as ``counsel.text.words`` gives them."""

    prompt: str
    """The words of its first prompt."""
    whole: str
    """The words of all its turns, without the system message."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A conversation that is worth training on."""

    conversation: Conversation
    came: Wording
    """Its words before cleaning, without markup; the turns are separated by a sign that occurs in no word."""
    kept: Wording
    """Its words after cleaning, with the turns run together."""


class ConversationCleaner:
    """Cleans rows and counts those that cannot be used.

    Args:
        masker: finds what is personal.
        excerpts: keeps what a person should look at.
    """

    def __init__(self, masker: Masker, excerpts: Excerpts) -> None:
        self._turns, self._excerpts = Cleaner(masker), excerpts
        self.without_prompt = 0
        self.without_reply = 0

    def figures(self) -> dict[str, Any]:
        """What the audit says about cleaning, by the names of its fields."""
        return {
            "rows_without_prompt": self.without_prompt,
            "rows_without_reply": self.without_reply,
            "cleaned": {rule: n for rule, n in sorted(self._turns.counts.items()) if n},
        }

    def clean(self, row: Row) -> Cleaned | None:
        """A row as a conversation; None, and counted, when it lacks a prompt or a reply.

        Raises:
            ValueError: with the reason, when the row is not a conversation.
        """
        turns = list(row.turns)
        while turns and turns[-1][0] != "assistant" and any(role == "assistant" for role, _ in turns):
            turns.pop()  # a question that nobody answered teaches nothing
            self._turns.counts["unanswered_turns"] += 1
        cleaned = [self._turns.turn(text, role, row.author) for role, text in turns]
        if self._excerpts.size:
            for turn in cleaned:
                self._excerpts.look(turn.before, turn.text, turn.spans, row.where)
        cleaned = [t for t in cleaned if t.text or t.role != "system"]
        said = [t for t in cleaned if t.role != "system"]
        if not said or (said[0].role == "user" and not said[0].text):
            self.without_prompt += 1
            return None
        if said[-1].role != "assistant" or not said[-1].text:
            self.without_reply += 1
            return None
        conversation = Conversation.of([{"role": t.role, "content": t.text} for t in cleaned], source=row.source)
        return Cleaned(conversation, _came(said), _kept(said, conversation))


def _came(said: list[CleanedTurn]) -> Wording:
    return Wording(" ".join(t.came for t in _opening(said)), "\x1e".join(t.came for t in said))


def _kept(said: list[CleanedTurn], conversation: Conversation) -> Wording:
    prompt = said[0].words if len(_opening(said)) == 1 else words(conversation.prompt)
    return Wording(prompt, "".join(t.words for t in said))


def _opening(said: list[CleanedTurn]) -> list[CleanedTurn]:
    """The turns that the first prompt is made of: several user turns in a row are one."""
    return list(takewhile(lambda turn: turn.role == "user", said))
