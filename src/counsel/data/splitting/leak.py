"""How much of what is held out training would have seen, by this split and by others."""

from __future__ import annotations

from typing import Literal

import numpy as np

from counsel.data.splitting.parts import Keys, Part, Parts, Shares
from counsel.data.splitting.split import Split, parts_by_group, without_duplicates
from counsel.data.splitting.spool import Spool

DRAWS = 20
"""Over how many random draws the leak of a split by row is averaged."""
HELD_OUT = 0.1
"""The share that such a split holds out."""


def leaks(
    spool: Spool, made: Split, by: Literal["group", "row"], shares: Shares, seed: int
) -> dict[str, dict[str, float]]:
    """The leak of a naive split by row, of Counsel's by group, and of the one that was made."""
    keys = {"prompt": spool.prompts, "pair": spool.pairs}
    by_group = made.part
    if by == "row":
        rows = np.flatnonzero(without_duplicates(spool)[0])
        by_group = np.zeros(len(spool), np.int8)
        by_group[rows] = parts_by_group(made.group[rows], shares, seed)
    return {
        "row_split": {name: round(row_leak(k, seed), 4) for name, k in keys.items()},
        "group_split": {name: round(leak(by_group, k), 4) for name, k in keys.items()},
        "this_split": {name: round(leak(made.part, k), 4) for name, k in keys.items()},
    }


def row_leak(keys: Keys, seed: int) -> float:
    """The share of held-out rows whose key a random 90/10 split by row also puts in train; mean of 20 draws."""
    rows = len(keys)
    held = round(rows * HELD_OUT)
    if not held:
        return 0.0
    number = np.unique(keys, return_inverse=True)[1]
    shares = []
    for draw in range(DRAWS):
        order = np.random.default_rng([seed, draw]).permutation(rows)
        in_train = np.zeros(int(number.max()) + 1, bool)
        in_train[number[order[held:]]] = True
        shares.append(in_train[number[order[:held]]].mean())
    return float(np.mean(shares))


def leak(part: Parts, keys: Keys) -> float:
    """The share of valid and eval rows whose key also stands in train, or of eval rows in valid."""
    held = (part == Part.VALID) | (part == Part.EVAL)
    if not held.any():
        return 0.0
    seen = held & np.isin(keys, keys[part == Part.TRAIN])
    seen |= (part == Part.EVAL) & np.isin(keys, keys[part == Part.VALID])
    return float(seen.sum() / held.sum())
