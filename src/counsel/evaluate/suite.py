"""The suite: what is measured on a model's replies, whoever gives them.

A scorer sees conversations and ways to have them answered, never a model, so that one suite measures the bare
model, the guarded product or a remote endpoint. To add one: write it in a file of its own beside this one and
name it in ``SCORERS``; its result is written to ``results/NAME.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counsel.conversation import Conversation
from counsel.evaluate import samples

Respond = Callable[[Sequence[Conversation]], list[str]]
"""Conversations that end with the user's turn in, one reply to each out."""


@dataclass(frozen=True)
class Suite:
    """What every scorer is given."""

    conversations: Sequence[Conversation]
    """The eval set, whole conversations with their references."""
    respond: Mapping[str, Respond]
    """Who is measured, by name: here ``base`` and ``tuned``, in this order."""
    count: int
    """How many conversations a scorer that shows examples may take."""
    seed: int
    """Of every draw."""


Scorer = Callable[[Suite], dict[str, Any]]

SCORERS: dict[str, Scorer] = {
    "samples": lambda suite: samples.score(suite.conversations, suite.respond, suite.count, suite.seed),
}
