"""Where each row goes: duplicates are left out, near-equal prompts stay together, and the parts stay apart."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from counsel.data.splitting.earlier import Earlier
from counsel.data.splitting.groups import group_prompts
from counsel.data.splitting.keeping import keep_groups, part_equals, report
from counsel.data.splitting.parts import Keys, Numbers, Part, Parts, Shares
from counsel.data.splitting.spool import Spool
from counsel.errors import CounselError


@dataclass(frozen=True)
class Split:
    """Where every row goes, and which group of prompts it belongs to."""

    part: Parts
    """The part of each row, shape (rows,)."""
    group: Keys
    """The group's number, the same whatever the order of the rows, shape (rows,)."""
    exact_duplicates: int
    """Rows whose words are those of an earlier row."""
    cleaned_duplicates: int
    """Further rows that became equal by cleaning, or are equal letter for letter."""
    near_equal: int
    """Distinct prompts that joined a group for being near-equal, not equal."""
    like: dict[str, Any] | None = None
    """What became of an earlier preparation's groups, for the audit."""

    def figures(self, spool: Spool) -> dict[str, Any]:
        """What the audit says about the split, by the names of its fields."""
        figures: dict[str, Any] = {
            "rows": len(spool),
            "exact_duplicates": self.exact_duplicates,
            "duplicates_after_cleaning": self.cleaned_duplicates,
            "prompts": len(np.unique(spool.prompts)),
            "pairs": len(spool) - self.exact_duplicates,
            "near_equal_prompts": self.near_equal,
            "groups": len(np.unique(self.group)),
        }
        return figures | ({"like": self.like} if self.like else {})

    @property
    def used(self) -> Numbers:
        """The rows that are not left out."""
        return np.flatnonzero(self.part != Part.LEFT_OUT)


def split(
    spool: Spool,
    by: Literal["group", "row"],
    shares: Shares,
    *,
    sample: int | None = None,
    seed: int = 0,
    earlier: Earlier | None = None,
) -> Split:
    """Decide where every row goes.

    Args:
        spool: the rows.
        by: whether whole groups of prompts are held out, or single rows.
        shares: how much is held out.
        sample: use only so many rows, drawn at random; by row they are drawn before deduplication.
        seed: decides every draw.
        earlier: groups that keep the places they had; only with ``by="group"``.

    Raises:
        CounselError: when there is too little to split.
    """
    groups = group_prompts(spool, earlier)
    kept = keep_groups(groups, earlier)
    distinct, exact, cleaned = without_duplicates(spool, kept.is_old)
    random = np.random.default_rng(seed)
    rows = _sampled(np.arange(len(spool)) if by == "row" else np.flatnonzero(distinct), sample, random)
    part = np.zeros(len(spool), np.int8)
    wanted = {Part.TRAIN: 1.0, Part.EVAL: shares.eval}
    if by == "row":
        # As the card did: one share is held out, and it is eval. The card never drew a third part for valid.
        held = round(len(rows) * shares.eval)
        order = random.permutation(rows)
        part[order[held:]], part[order[:held]] = Part.TRAIN, Part.EVAL
    else:
        wanted[Part.VALID] = shares.valid
        placed = rows[~kept.is_torn[rows]]
        part[placed] = parts_by_group(kept.group[placed], shares, seed, earlier)
        part = part_equals(part, spool.prompts) if earlier else part
    _refuse_empty(part, wanted)
    like = report(earlier, kept, part, rows, groups.prompt) if earlier else None
    return Split(part, kept.group, exact, cleaned, groups.near_equal, like)


def _sampled(rows: Numbers, sample: int | None, random: np.random.Generator) -> Numbers:
    if sample is None:
        return rows
    if sample > len(rows):
        raise CounselError(
            f"--sample {sample} asks for more than the {len(rows)} conversations that there are",
            fix=f"ask for at most {len(rows)}",
        )
    return random.permutation(rows)[:sample]


def _refuse_empty(part: Parts, shares: dict[Part, float]) -> None:
    for wanted, share in shares.items():
        if share > 0 and not (part == wanted).any():
            raise CounselError(
                f"there are too few different prompts, so none is left for {wanted.file}",
                fix="give more conversations, or a smaller --eval-share and --valid-share",
            )


def without_duplicates(spool: Spool, preferred: NDArray[np.bool_] | None = None) -> tuple[NDArray[np.bool_], int, int]:
    """Which rows stay when one of several equal rows does: the first, or the first preferred one.

    Returns:
        whether each row stays, shape (rows,); how many do not for words that came equal; how many more do not.
    """
    order = np.arange(len(spool)) if preferred is None else np.argsort(~preferred, kind="stable")
    first = order[np.unique(spool.pairs[order], return_index=True)[1]]
    exact = len(spool) - len(first)
    rows = order[np.isin(order, first)]
    stays = rows[np.unique(spool.clean_pairs[rows], return_index=True)[1]]
    kept = np.zeros(len(spool), bool)
    kept[stays] = True
    return kept, exact, len(rows) - len(stays)


def parts_by_group(group: Keys, shares: Shares, seed: int, earlier: Earlier | None = None) -> Parts:
    """Parts for rows: whole groups, in an order drawn by seed and group alone, until each share is full.

    A group's turn depends on nothing but the seed and its own name, so held-out prompts largely stay held
    out when rows are added. Groups of an earlier preparation have their part already and count towards its share.
    """
    names, inverse, sizes = np.unique(group, return_inverse=True, return_counts=True)
    turn = np.argsort([_draw(int(name), seed) for name in names], kind="stable").tolist()
    part = np.full(len(names), Part.TRAIN, np.int8)
    if earlier:
        old = np.flatnonzero(np.isin(names, earlier.names))
        part[old] = earlier.parts[np.searchsorted(earlier.names, names[old])]
        has_part = set(old.tolist())
        turn = [i for i in turn if i not in has_part]
    for held_out, share in ((Part.EVAL, shares.eval), (Part.VALID, shares.valid)):
        wanted, taken, passed = share * len(group), int(sizes[part == held_out].sum()), []
        for i in turn:
            if taken >= wanted or (share > 0 and taken and taken + sizes[i] - wanted > wanted - taken):
                passed.append(i)  # full, or further from its share with this group than without it
            elif share > 0:
                part[i] = held_out
                taken += int(sizes[i])
            else:
                passed.append(i)
        turn = passed
    return part[inverse]


def _draw(name: int, seed: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest(), "big")
