"""Intervals: how far a measured number could lie from the truth. NumPy only.

Replies to one prompt resemble each other, so they are not independent observations. What is resampled here is
therefore the *group* (all conversations that share a prompt), never the row: an interval over rows would be
too narrow. The interval is the bootstrap's percentile interval, its tails widened for small numbers of groups
as Hesterberg proposes ("What teachers should know about the bootstrap", 2015, section 3.2).

Its coverage was simulated on groups of uneven size with skewed values (``tests/test_statistics.py``): of the
intervals named 95 %, 90 % hold the truth at 5 and at 15 groups, 92 % at 25, 93 % at 50 and 94 % at 100. The
plain percentile interval holds it in 81 %, 87 %, 90 %, 92 % and 94 %; BCa was no better than that here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]
"""From sums over groups, shape (..., columns), to values, shape (...)."""
Interval = tuple[float, float]

RESAMPLES = 10_000
LEVEL = 0.95
_NORMAL = NormalDist()
_CELLS = 2_000_000  # drawn at once: bounds the memory at a few dozen megabytes


def ratio(top: int, bottom: int) -> Statistic:
    """Column ``top`` over column ``bottom``: a mean weighted by the bottom, such as loss a token."""
    return lambda sums: sums[..., top] / sums[..., bottom]


def ratio_difference(first: int, second: int, bottom: int) -> Statistic:
    """The second weighted mean minus the first, over the same rows, so that what they share cancels out."""
    return lambda sums: (sums[..., second] - sums[..., first]) / sums[..., bottom]


def relative_fall(before: int, after: int) -> Statistic:
    """How far ``after`` lies below ``before``, as a share of ``before``."""
    return lambda sums: 1 - sums[..., after] / sums[..., before]


def group_sums(groups: Sequence[str], columns: Floats) -> Floats:
    """Sum rows of one group.

    Args:
        groups: the group of each row.
        columns: shape (rows, columns).

    Returns:
        Shape (groups, columns), groups in sorted order.

    Raises:
        ValueError: when the two disagree about the number of rows.
    """
    if len(groups) != len(columns):
        raise ValueError(f"{len(groups)} groups for {len(columns)} rows")
    names, which = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sums = np.zeros((len(names), columns.shape[1]))
    np.add.at(sums, which, columns)
    return sums


@dataclass(frozen=True)
class Bootstrap:
    """Sums over groups, drawn again and again with replacement; every statistic shares the same draws."""

    sums: Floats
    """Shape (groups, columns)."""
    drawn: Floats
    """Shape (resamples, columns): the columns' sums over each draw of as many groups."""

    @classmethod
    def of(cls, groups: Sequence[str], columns: Floats, *, seed: int, resamples: int = RESAMPLES) -> Bootstrap:
        """Draw ``resamples`` times. The same seed gives the same draws.

        Args:
            groups: the group of each row.
            columns: shape (rows, columns).
            seed: of the draws.
            resamples: how many draws.
        """
        sums = group_sums(groups, columns)
        random = np.random.default_rng(seed)
        size = len(sums)
        step = max(1, _CELLS // max(size, 1))
        parts = [np.zeros((0, columns.shape[1]))]
        for at in range(0, resamples if size else 0, step):
            chosen = random.integers(size, size=(min(step, resamples - at), size))
            parts.append(np.stack([column[chosen].sum(axis=1) for column in sums.T], axis=1))
        return cls(sums, np.concatenate(parts))

    def estimate(self, statistic: Statistic) -> float:
        """The statistic of the data themselves."""
        return float(statistic(self.sums.sum(axis=0)))

    def interval(self, statistic: Statistic, level: float = LEVEL) -> Interval | None:
        """The interval of a statistic; None with fewer than two groups, because nothing could vary."""
        if len(self.sums) < 2:
            return None
        tail = _widened_tail((1 - level) / 2, len(self.sums))
        low, high = np.quantile(statistic(self.drawn), [tail, 1 - tail])
        return float(low), float(high)


def _widened_tail(tail: float, groups: int) -> float:
    """The normal tail beyond Student's quantile, which is further out the fewer groups there are.

    The quantile is Cornish and Fisher's expansion about the normal one: within 1 % from 5 groups on.
    """
    z, v = -_NORMAL.inv_cdf(tail), groups - 1
    student = (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
    return _NORMAL.cdf(-student * sqrt(groups / v))


def wilson(successes: int, trials: int, level: float = LEVEL) -> Interval | None:
    """Wilson's interval (1927) of a share of independent yes/no trials; None without trials.

    Unlike the textbook interval it stays within 0 and 1, and has a width even where all trials agree.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if not trials:
        return None
    z = _NORMAL.inv_cdf((1 + level) / 2)
    share = successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else middle - half  # set exactly, because rounding would miss these ends
    return low, 1.0 if successes == trials else middle + half
