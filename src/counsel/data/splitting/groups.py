"""Groups of equal and near-equal first prompts: the unit of the split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from counsel.data.splitting.earlier import Earlier
from counsel.data.splitting.parts import Keys, Numbers
from counsel.data.splitting.spool import Spool
from counsel.text import Groups


@dataclass(frozen=True)
class PromptGroups:
    """The distinct first prompts, joined into groups."""

    keys: Keys
    """The key of each prompt, those of an earlier preparation first, shape (prompts,)."""
    joined: Numbers
    """For each prompt, the number of the first prompt in its group, shape (prompts,)."""
    prompt: Numbers
    """The number of each row's prompt, shape (rows,)."""
    near_equal: int
    """Prompts of rows that are near-equal to that of an earlier row, and not equal."""

    @property
    def names(self) -> Keys:
        """The name of each prompt's group, shape (prompts,): the smallest key in it, whatever the order of the rows."""
        smallest = np.full(len(self.keys), np.iinfo(np.uint64).max, np.uint64)
        np.minimum.at(smallest, self.joined, self.keys)
        return smallest[self.joined]


def group_prompts(spool: Spool, earlier: Earlier | None = None) -> PromptGroups:
    """Join prompts that are near-equal, that came equal, or whose whole conversation was in a group earlier."""
    keys, roots = spool.near_groups()
    prompt = number_of(spool.clean_prompts, keys)
    groups = Groups(len(keys))
    for i in np.flatnonzero(roots != np.arange(len(roots))).tolist():
        groups.join(i, int(roots[i]))
    # Cleaning may tell apart what came equal, as when only one of two rows names its author: keep them together.
    order = np.argsort(spool.prompts, kind="stable")
    came, now = spool.prompts[order], prompt[order]
    for i in np.flatnonzero((came[1:] == came[:-1]) & (now[1:] != now[:-1])).tolist():
        groups.join(int(now[i]), int(now[i + 1]))
    for a, b in earlier.joins(prompt, spool.clean_pairs) if earlier else ():
        groups.join(a, b)
    here = np.unique(prompt)
    return PromptGroups(keys, groups.roots(), prompt, len(here) - len(np.unique(roots[here])))


def number_of(wanted: Keys, keys: Keys) -> Numbers:
    """Where each wanted key stands among ``keys``; each occurs there exactly once."""
    by_key = np.argsort(keys)
    return by_key[np.searchsorted(keys, wanted, sorter=by_key)]
