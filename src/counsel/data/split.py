"""Who goes where: duplicates out, near-equal prompts together, train, valid and eval apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counsel.data.settings import PrepareSettings
from counsel.data.spool import Spool
from counsel.errors import CounselError
from counsel.text import Groups

LEFT_OUT, TRAIN, VALID, EVAL = range(4)
NAMES = {TRAIN: "train", VALID: "valid", EVAL: "eval"}
LEAK_SEEDS = 20
"""Over how many random draws the leak of a split by row is averaged."""
LEAK_SHARE = 0.1
"""The share that such a split holds out."""

Keys = NDArray[np.uint64]
Places = NDArray[np.int8]


@dataclass(frozen=True)
class Plan:
    """For every row where it goes, and the group of prompts that it belongs to."""

    place: Places
    """LEFT_OUT, TRAIN, VALID or EVAL, shape (rows,)."""
    group: Keys
    """The group's number, the same whatever the order of the rows, shape (rows,)."""
    exact_duplicates: int
    """Rows whose words are those of an earlier row."""
    cleaned_duplicates: int
    """Further rows that became equal by cleaning, or are equal letter for letter."""
    near_equal: int
    """Distinct prompts that joined a group for being near-equal, not equal."""


def plan(spool: Spool, settings: PrepareSettings) -> Plan:
    """Decide the place of every row.

    Raises:
        CounselError: when there is too little to split.
    """
    group, near_equal = _groups(spool)
    kept, exact, cleaned = _distinct(spool)
    rows = np.arange(len(spool)) if settings.split == "row" else np.flatnonzero(kept)
    random = np.random.default_rng(settings.seed)
    if settings.sample is not None:
        if settings.sample > len(rows):
            raise CounselError(
                f"--sample {settings.sample} is more than the {len(rows)} conversations there are",
                fix=f"ask for at most {len(rows)}",
            )
        rows = random.permutation(rows)[: settings.sample]
    place = np.zeros(len(spool), np.int8)
    if settings.split == "row":
        # As the card did: one share is held out, and it is eval; valid would be a third draw that it never made.
        held = round(len(rows) * settings.eval_share)
        order = random.permutation(rows)
        place[order[held:]], place[order[:held]] = TRAIN, EVAL
        _refuse_empty(place, {TRAIN: 1.0, EVAL: settings.eval_share})
    else:
        shares = {EVAL: settings.eval_share, VALID: settings.valid_share}
        place[rows] = _by_group(group[rows], shares, settings.seed)
        _refuse_empty(place, {TRAIN: 1.0, **shares})
    return Plan(place, group, exact, cleaned, near_equal)


def _refuse_empty(place: Places, shares: dict[int, float]) -> None:
    for part, share in shares.items():
        if share > 0 and not (place == part).any():
            raise CounselError(
                f"there are too few different prompts: none is left for {NAMES[part]}.jsonl",
                fix="give more conversations, or a smaller --eval-share and --valid-share",
            )


def _groups(spool: Spool) -> tuple[Keys, int]:
    """Each row's group: rows with equal or near-equal first prompts, before or after cleaning, share one."""
    keys, roots, _ = spool.near_groups()
    near_equal = int((roots != np.arange(len(roots))).sum())
    by_key = np.argsort(keys)
    number = by_key[np.searchsorted(keys, spool.clean_prompts, sorter=by_key)]
    groups = Groups(len(keys))
    for i in np.flatnonzero(roots != np.arange(len(roots))).tolist():
        groups.join(i, int(roots[i]))
    # Cleaning may tell apart what came equal, as when only one of two rows names its author: keep them together.
    order = np.argsort(spool.prompts, kind="stable")
    came, now = spool.prompts[order], number[order]
    for i in np.flatnonzero((came[1:] == came[:-1]) & (now[1:] != now[:-1])).tolist():
        groups.join(int(now[i]), int(now[i + 1]))
    joined = groups.roots()
    # A group is named by the smallest key in it, which does not depend on the order of the rows.
    smallest = np.full(len(keys), np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(smallest, joined, keys)
    return smallest[joined[number]], near_equal


def _distinct(spool: Spool) -> tuple[NDArray[np.bool_], int, int]:
    """Which rows stay when of equal ones only the first does."""
    kept = np.zeros(len(spool), bool)
    kept[np.unique(spool.pairs, return_index=True)[1]] = True
    exact = len(spool) - int(kept.sum())
    rows = np.flatnonzero(kept)
    first = np.unique(spool.clean_pairs[rows], return_index=True)[1]
    kept[:] = False
    kept[rows[first]] = True
    return kept, exact, len(rows) - len(first)


def _by_group(group: Keys, shares: dict[int, float], seed: int) -> Places:
    """Places for rows: whole groups, in an order drawn by seed and group alone, until each share is full.

    A group's turn depends on nothing but the seed and its own name, so held-out prompts largely stay held
    out when rows are added.
    """
    names, inverse, sizes = np.unique(group, return_inverse=True, return_counts=True)
    turn = np.argsort([_draw(int(name), seed) for name in names], kind="stable").tolist()
    place = np.full(len(names), TRAIN, np.int8)
    for part, share in shares.items():
        wanted, taken, passed = share * len(group), 0, []
        for i in turn:
            if taken >= wanted or (share > 0 and taken and taken + sizes[i] - wanted > wanted - taken):
                passed.append(i)  # full, or further off with this group than without
            elif share > 0:
                place[i] = part
                taken += int(sizes[i])
            else:
                passed.append(i)
        turn = passed
    return place[inverse]


def _draw(name: int, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")


def row_leak(keys: Keys, seed: int) -> float:
    """The share of held-out rows whose key a random 90/10 split by row also puts in train; mean of 20 draws."""
    rows = len(keys)
    held = round(rows * LEAK_SHARE)
    if not held:
        return 0.0
    number = np.unique(keys, return_inverse=True)[1]
    shares = []
    for draw in range(LEAK_SEEDS):
        order = np.random.default_rng([seed, draw]).permutation(rows)
        in_train = np.zeros(int(number.max()) + 1, bool)
        in_train[number[order[held:]]] = True
        shares.append(in_train[number[order[:held]]].mean())
    return float(np.mean(shares))


def leak(place: Places, keys: Keys) -> float:
    """The share of valid and eval rows whose key also stands in train, or of eval rows in valid."""
    held = (place == VALID) | (place == EVAL)
    if not held.any():
        return 0.0
    seen = held & np.isin(keys, keys[place == TRAIN])
    seen |= (place == EVAL) & np.isin(keys, keys[place == VALID])
    return float(seen.sum() / held.sum())


def leaks(spool: Spool, plan: Plan, settings: PrepareSettings) -> dict[str, dict[str, float]]:
    """The leak of a naive split by row, of Counsel's by group, and of the one that was made."""
    keys = {"prompt": spool.prompts, "pair": spool.pairs}
    if settings.split == "group":
        by_group = plan.place
    else:
        rows = np.flatnonzero(_distinct(spool)[0])
        by_group = np.zeros(len(spool), np.int8)
        shares = {EVAL: settings.eval_share, VALID: settings.valid_share}
        by_group[rows] = _by_group(plan.group[rows], shares, settings.seed)
    return {
        "row_split": {name: round(row_leak(k, settings.seed), 4) for name, k in keys.items()},
        "group_split": {name: round(leak(by_group, k), 4) for name, k in keys.items()},
        "this_split": {name: round(leak(plan.place, k), 4) for name, k in keys.items()},
    }
