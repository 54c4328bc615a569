"""Intervals: properties, a slow twin, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.statistics import (
    Bootstrap,
    group_sums,
    ratio,
    ratio_difference,
    relative_fall,
    wilson,
)
from counsel.statistics import _widened_tail as widened_tail


def _data(groups: int, seed: int, rows: int = 2) -> tuple[list[str], np.ndarray]:
    """Groups of uneven size with skewed effects; the true loss a token is 3, and 2.7 after."""
    random = np.random.default_rng(seed)
    which = np.repeat(np.arange(groups), 1 + random.poisson(rows, groups))
    effect = random.gamma(2, 0.5, groups)[which]
    tokens = np.exp(random.normal(4, 0.6, len(which))).round() + 1
    before = tokens * (2 + effect + random.normal(0, 0.3, len(which)))
    return [f"g{i}" for i in which], np.stack([before, 0.9 * before, tokens], axis=1)


def test_a_slow_twin_gives_the_same_interval() -> None:
    names, columns = _data(7, 1)
    fast = Bootstrap.of(names, columns, seed=4, resamples=300)
    order = sorted(set(names))
    draws = np.random.default_rng(4).integers(len(order), size=(300, len(order)))
    values = []
    for draw in draws:
        top = bottom = 0.0
        for g in draw:
            for name, (before, _, tokens) in zip(names, columns, strict=True):
                if name == order[g]:
                    top, bottom = top + before, bottom + tokens
        values.append(top / bottom)
    assert np.allclose(values, ratio(0, 2)(fast.drawn))
    tail = widened_tail(0.025, len(order))
    assert fast.interval(ratio(0, 2)) == pytest.approx(np.quantile(values, [tail, 1 - tail]))


@pytest.mark.parametrize(("groups", "student"), [(5, 2.776), (10, 2.262), (30, 2.045), (100, 1.984), (10_000, 1.960)])
def test_the_tails_are_students(groups: int, student: float) -> None:
    from statistics import NormalDist

    quantile = -NormalDist().inv_cdf(widened_tail(0.025, groups)) / np.sqrt(groups / (groups - 1))
    assert quantile == pytest.approx(student, rel=0.01)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10_000))
def test_an_interval_holds_its_estimate_and_ignores_order(groups: int, seed: int) -> None:
    names, columns = _data(groups, seed)
    here = Bootstrap.of(names, columns, seed=seed, resamples=400)
    low, high = here.interval(ratio(0, 2)) or (1.0, 0.0)
    assert low <= here.estimate(ratio(0, 2)) <= high
    order = np.random.default_rng(seed).permutation(len(names))
    there = Bootstrap.of([names[i] for i in order], columns[order], seed=seed, resamples=400)
    assert there.interval(ratio(0, 2)) == pytest.approx((low, high))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(0, 10_000))
def test_the_same_rows_on_both_sides_differ_by_nothing(groups: int, seed: int) -> None:
    names, columns = _data(groups, seed)
    draws = Bootstrap.of(names, columns, seed=seed, resamples=200)
    assert draws.interval(ratio_difference(0, 0, 2)) == (0, 0)
    assert draws.interval(relative_fall(0, 1)) == pytest.approx((0.1, 0.1))


def test_pairing_takes_out_what_both_sides_share() -> None:
    names, columns = _data(40, 2)
    draws = Bootstrap.of(names, columns, seed=0, resamples=2000)

    def width(statistic) -> float:
        low, high = draws.interval(statistic) or (0, 0)
        return high - low

    assert width(ratio_difference(0, 1, 2)) < 0.2 * width(ratio(0, 2))


def test_rows_of_a_group_are_not_counted_as_independent() -> None:
    names, columns = _data(20, 5)
    copies = np.tile(columns, (10, 1))
    by_group = Bootstrap.of(names * 10, copies, seed=0, resamples=1000).interval(ratio(0, 2))
    assert by_group == pytest.approx(Bootstrap.of(names, columns, seed=0, resamples=1000).interval(ratio(0, 2)))


def test_sums_are_by_group() -> None:
    sums = group_sums(["b", "a", "b"], np.array([[1.0, 2.0], [10.0, 20.0], [100.0, 200.0]]))
    assert sums.tolist() == [[10, 20], [101, 202]]
    with pytest.raises(ValueError, match="2 groups for 1 rows"):
        group_sums(["a", "b"], np.zeros((1, 1)))


def test_one_group_has_no_interval() -> None:
    names, columns = _data(1, 0)
    draws = Bootstrap.of(names, columns, seed=0)
    assert draws.interval(ratio(0, 2)) is None
    assert draws.estimate(ratio(0, 2)) > 0


def test_draws_in_pieces_are_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    names, columns = _data(10, 3)
    whole = Bootstrap.of(names, columns, seed=1, resamples=500)
    monkeypatch.setattr("counsel.statistics._CELLS", 30)
    pieces = Bootstrap.of(names, columns, seed=1, resamples=500)
    assert pieces.drawn.shape == whole.drawn.shape
    assert np.allclose(pieces.drawn, whole.drawn)


@pytest.mark.parametrize(("groups", "least"), [(8, 0.86), (30, 0.89), (100, 0.91)])
def test_intervals_hold_the_truth(groups: int, least: float) -> None:
    hits = 0
    for seed in range(400):
        names, columns = _data(groups, seed)
        low, high = Bootstrap.of(names, columns, seed=seed, resamples=500).interval(ratio(0, 2)) or (1, 0)
        hits += low <= 3 <= high
    assert least <= hits / 400 <= 0.98


def test_wilson_against_published_values() -> None:
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    for got, said in (((81, 263), (0.2553, 0.3662)), ((15, 148), (0.0624, 0.1605)), ((0, 20), (0, 0.1611)),
                      ((1, 29), (0.0061, 0.1718))):  # fmt: skip
        assert wilson(*got) == pytest.approx(said, abs=1e-4)
    assert wilson(0, 0) is None
    with pytest.raises(ValueError, match="3 successes in 2 trials"):
        wilson(3, 2)


@given(st.integers(1, 500), st.data())
def test_wilson_stays_within_bounds_and_mirrors(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials) or (1, 0)
    assert 0 <= low <= successes / trials <= high <= 1
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))
