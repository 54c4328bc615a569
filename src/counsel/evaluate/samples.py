"""Sample replies: the same held-out prompts answered before and after tuning, for a person to read, unedited."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from counsel.conversation import Conversation


def score(
    conversations: Sequence[Conversation],
    respond: Mapping[str, Callable[[Sequence[Conversation]], list[str]]],
    count: int,
    seed: int,
) -> dict[str, Any]:
    """Replies of each respondent to ``count`` prompts.

    The prompts are drawn blindly, one a group, before anything is answered: nobody picked the good ones.

    Returns:
        ``{"drawn_from", "replies": [{"id", "group", "messages", "reference", "replies": {name: text}}]}``.
    """
    by_group: dict[str, list[Conversation]] = {}
    for c in sorted(conversations, key=lambda c: c.digest):
        if c.is_answered:
            by_group.setdefault(c.group, []).append(c)
    draw = random.Random(seed)
    groups = draw.sample(sorted(by_group), min(count, len(by_group)))
    chosen = [draw.choice(by_group[g]) for g in groups]
    asked = [c.question for c in chosen]
    answers = {name: answer(asked) if asked else [] for name, answer in respond.items()}
    return {
        "drawn_from": len(by_group),
        "replies": [
            {
                "id": c.id,
                "group": c.group,
                "messages": q.to_json()["messages"],
                "reference": c.reply,
                "replies": {name: answers[name][i] for name in respond},
            }
            for i, (c, q) in enumerate(zip(chosen, asked, strict=True))
        ],
    }
