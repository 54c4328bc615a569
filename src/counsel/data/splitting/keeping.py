"""Which rows go where an earlier preparation put their group, and which must be left out between two of its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counsel.data.splitting.earlier import Earlier
from counsel.data.splitting.groups import PromptGroups
from counsel.data.splitting.parts import FILLED, Keys, Numbers, Part, Parts


@dataclass(frozen=True)
class Kept:
    """What becomes of each row, shape (rows,) each."""

    group: Keys
    """The name of its group: the earlier one, where there was one."""
    is_old: NDArray[np.bool_]
    """Whether its very prompt was there before."""
    is_torn: NDArray[np.bool_]
    """Whether its prompt is new and near to prompts in different parts, directly or through other new prompts."""
    bridges: int
    """How many sets of near-equal prompts hold earlier groups of different parts."""


def keep_groups(groups: PromptGroups, earlier: Earlier | None) -> Kept:
    """Give earlier groups their names back, and find what new prompts bridge.

    An earlier prompt stays with its group. A new one joins the earlier group that it is near to; of several in one part
    it joins the one that is named first. Where the groups are in different parts it would be a leak wherever it
    went, and which of several new prompts makes the bridge is not told: all of them are torn.
    """
    rows = groups.prompt
    if earlier is None:
        return Kept(groups.names[rows], np.zeros(len(rows), bool), np.zeros(len(rows), bool), 0)
    old, none = len(earlier.group), len(earlier.names)
    component = groups.joined[:old]
    first = np.full(len(groups.keys), none, np.int64)
    np.minimum.at(first, component, earlier.group)
    part = earlier.parts[earlier.group]
    low, high = np.full(len(first), Part.EVAL, np.int8), np.full(len(first), Part.LEFT_OUT, np.int8)
    np.minimum.at(low, component, part)
    np.maximum.at(high, component, part)
    is_bridge = low < high
    owner, is_torn, is_old = first[groups.joined], is_bridge[groups.joined], np.zeros(len(first), bool)
    owner[:old], is_torn[:old], is_old[:old] = earlier.group, False, True
    names = np.where(owner < none, np.append(earlier.names, np.uint64(0))[owner], groups.names)
    return Kept(names[rows], is_old[rows], is_torn[rows], int(is_bridge.sum()))


def part_equals(part: Parts, prompts: Keys) -> Parts:
    """``part`` without rows whose prompt came equal to that of a row in a part that is held out more strictly.

    Args:
        part: of each row, shape (rows,).
        prompts: the key of each row's first prompt as it came, shape (rows,).
    """
    number = np.unique(prompts, return_inverse=True)[1]
    strictest = np.zeros(len(prompts), np.int8)
    np.maximum.at(strictest, number, part)
    return np.where(part < strictest[number], np.int8(Part.LEFT_OUT), part)


def report(earlier: Earlier, kept: Kept, part: Parts, rows: Numbers, prompt: Numbers) -> dict[str, Any]:
    """How many earlier groups came again, how many are new, and what bridges two parts, for the audit.

    Args:
        earlier: the groups.
        kept: what became of each row.
        part: of each row, shape (rows,).
        rows: those that were to be placed: drawn, and no duplicates.
        prompt: the number of each row's prompt, shape (rows,).
    """
    is_used = part != Part.LEFT_OUT
    used = np.unique(kept.group[is_used])
    came = np.isin(earlier.names, used)
    joined = is_used & ~kept.is_old & np.isin(kept.group, earlier.names)
    return {
        "directory": earlier.directory,
        "sha256": earlier.digest,
        "groups": {p.name.lower(): int((earlier.parts == p).sum()) for p in FILLED},
        "groups_kept": {p.name.lower(): int((earlier.parts[came] == p).sum()) for p in FILLED},
        "groups_new": len(used) - int(came.sum()),
        "prompts_joined": len(np.unique(prompt[joined])),
        "bridges": kept.bridges,
        "rows_left_out": int((~is_used[rows]).sum()),
    }
