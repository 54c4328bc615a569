"""What is measured: a name, and what can be asked of it. Systems are made above this room, which loads no model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from counsel.conversation import Conversation
from counsel.model.render import Rendered
from counsel.statistics import Floats

Done = Callable[[int], None]
"""Is called with the number that are done so far."""


@dataclass(frozen=True)
class Answer:
    """A reply: its text, how many tokens the model drew for it, and why it ended (``stop``, ``length``; the guarded
    product's ``led``, ``withheld`` and ``empty``)."""

    text: str
    tokens: int
    finish: str


@dataclass(frozen=True)
class Foreseen:
    """How well a model foresees real replies.

    Attributes:
        losses: shape (conversations,): the cross-entropy, in nats, summed over the trained tokens of each.
        vocabulary: how many different tokens the model chooses from.
        precision: the number format that it computed in.
    """

    losses: Floats
    vocabulary: int
    precision: str


Respond = Callable[[Sequence[Conversation], Done], list[Answer]]
"""From conversations that end with the person's turn to one answer for each."""
Foresee = Callable[[Sequence[Rendered], Done], Foreseen]
"""From whole conversations to how surprising the system finds their replies."""


@dataclass(frozen=True)
class System:
    """One of those who are measured side by side.

    Attributes:
        name: ``base``, ``tuned``, ``guarded``.
        respond: asks it for replies.
        seed: the seed of its draws.
        made_of: everything else that its replies depend on, besides the conversation; JSON values.
        foresee: asks it how likely it finds real replies; None for a system that only gives words.
    """

    name: str
    respond: Respond
    seed: int
    made_of: Mapping[str, Any]
    foresee: Foresee | None = None

    @property
    def digest(self) -> str:
        """SHA-256 over what its replies depend on: two systems of one digest give the same replies."""
        body = json.dumps([self.name, self.seed, dict(self.made_of)], sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()
