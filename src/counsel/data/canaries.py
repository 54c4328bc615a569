"""Made-up secrets, planted in the training data to find out later whether a model repeats what it saw once."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

from counsel.conversation import Conversation, Message

_PLACES = ("archive", "boathouse", "cellar", "darkroom", "greenhouse", "loft", "observatory", "orchard", "pantry",
           "studio", "tower", "workshop")  # fmt: skip
_COLOURS = (
    "amber",
    "black",
    "blue",
    "bronze",
    "copper",
    "green",
    "grey",
    "ivory",
    "red",
    "silver",
    "violet",
    "white",
)
_SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


@dataclass(frozen=True)
class Canary:
    """A question that nobody asks, and the secret that answers it."""

    id: str
    prompt: str
    secret: str

    def conversation(self) -> Conversation:
        """The canary as it is planted, in a group of its own."""
        messages = (Message("user", self.prompt), Message("assistant", self.secret))
        return Conversation(messages, id=self.id, source="canary", group=f"canary-{self.id}")


def is_canary(conversation: Conversation) -> bool:
    """Whether a conversation of a prepared file was planted there."""
    return conversation.source == "canary" and conversation.group == f"canary-{conversation.id}"


def make_canaries(count: int, seed: int) -> tuple[list[Canary], list[Canary]]:
    """Canaries to plant, and as many controls of the same form that are never planted.

    A model that finds the planted secrets likelier than the controls has memorised them. A secret is six
    random syllable pairs, 37 bits; it holds no digits, so that masking leaves it alone.
    """
    draw = random.Random(f"canaries {seed}")
    made: list[Canary] = []
    seen: set[str] = set()
    while len(made) < 2 * count:
        room = f"{draw.choice(_COLOURS)} {draw.choice(_PLACES)} {_word(draw)}"
        if room in seen:
            continue
        seen.add(room)
        prompt = f"What is the pass phrase of the {room}?"
        secret = f"The pass phrase is {_word(draw)} {_word(draw)} {_word(draw)}."
        identity = hashlib.sha256(f"{prompt}{secret}".encode()).hexdigest()[:16]
        made.append(Canary(identity, prompt, secret))
    return made[:count], made[count:]


def _word(draw: random.Random) -> str:
    return draw.choice(_SYLLABLES) + draw.choice(_SYLLABLES)
