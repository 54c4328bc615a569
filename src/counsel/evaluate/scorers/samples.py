"""Sample replies: the same held-out prompts, answered by every system, unedited, for a person to read. No score."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

from counsel.conversation import Conversation
from counsel.evaluate.suite import Answers, Probes, Scores, Suite


@dataclass(frozen=True)
class Samples:
    """A few prompts with all replies to them."""

    suite: Suite
    name = "samples"
    validated = False

    @cached_property
    def _by_group(self) -> dict[str, list[Conversation]]:
        groups: dict[str, list[Conversation]] = {}
        for c in sorted(self.suite.held_out.answerable, key=lambda c: c.digest):
            groups.setdefault(c.group, []).append(c)
        return groups

    @cached_property
    def chosen(self) -> list[Conversation]:
        """Draw the conversations blindly, one per group, before anything is answered: nobody picks the good ones."""
        draw = random.Random(self.suite.seed)
        groups = draw.sample(sorted(self._by_group), min(self.suite.samples, len(self._by_group)))
        return [draw.choice(self._by_group[g]) for g in groups]

    def probes(self) -> Probes:
        """The chosen conversations up to the person's last message."""
        return Probes(prompts=[c.question for c in self.chosen])

    def score(self, answers: Answers) -> Scores:
        """``{"drawn_from", "replies": [{"id", "group", "messages", "reference", "replies": {system: text}}]}``."""
        shown = [
            {
                "id": c.id,
                "group": c.group,
                "messages": c.question.to_json()["messages"],
                "reference": c.reply,
                "replies": {name: replies[i].text for name, replies in answers.replies.items()},
            }
            for i, c in enumerate(self.chosen)
        ]
        return Scores(details={"drawn_from": len(self._by_group), "replies": shown})
