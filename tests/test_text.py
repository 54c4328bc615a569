from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.text import Groups, NearDuplicates, jaccard, key, shingles, words

VOCABULARY = "i feel sad lost about my work home mother sleep again today never always with you the a".split()


def slow_groups(texts: list[str], threshold: float) -> list[int]:
    """Every pair compared exactly, groups grown until nothing changes: the twin that is right by reading it."""
    group = list(range(len(texts)))
    changed = True
    while changed:
        changed = False
        for i, a in enumerate(texts):
            for j in range(i):
                if group[i] != group[j] and jaccard(shingles(a), shingles(texts[j])) >= threshold:
                    low, high = sorted((group[i], group[j]))
                    group = [low if g == high else g for g in group]
                    changed = True
    return group


def fast_groups(texts: list[str], threshold: float) -> list[int]:
    near = NearDuplicates(threshold)
    for i in range(0, len(texts), 3):  # in several helpings
        near.add(texts[i : i + 3])
    return near.groups(texts.__getitem__).tolist()


def edited(base: list[str], draw: np.random.Generator, edits: int) -> str:
    out = list(base)
    for at in draw.integers(0, len(out), edits):
        out[at] = VOCABULARY[draw.integers(len(VOCABULARY))]
    return " ".join(out)


def test_finds_what_comparing_every_pair_finds() -> None:
    draw = np.random.default_rng(5)
    texts = []
    for _ in range(25):
        base = [f"{VOCABULARY[draw.integers(len(VOCABULARY))]}{draw.integers(50)}" for _ in range(30)]
        texts += [edited(base, draw, edits) for edits in (0, 1, 2, 6, 15)]
    fast, slow = fast_groups(texts, 0.7), slow_groups(texts, 0.7)
    # Every joined pair was checked exactly, so nothing is joined that should not be…
    assert all(slow[i] == slow[g] for i, g in enumerate(fast))
    # …and of what should be joined at most a pair close to the threshold is missed.
    assert len(set(fast)) - len(set(slow)) <= 1
    assert len(set(slow)) < 80


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=12))
def test_any_texts_group_and_equal_ones_always_together(texts: list[str]) -> None:
    texts = [words(t) or "-" for t in texts]
    found = fast_groups(texts, 0.7)
    assert all(found[i] == found[j] for i, a in enumerate(texts) for j, b in enumerate(texts) if a == b)
    slow = slow_groups(texts, 0.7)
    assert all(slow[i] == slow[g] for i, g in enumerate(found))


def test_signatures_estimate_the_similarity() -> None:
    draw = np.random.default_rng(2)
    near = NearDuplicates(0.7)
    errors = []
    for edits in (1, 3, 6, 10, 20):
        base = [f"w{draw.integers(500)}" for _ in range(60)]
        texts = [" ".join(base), edited(base, draw, edits)]
        one, other = near.signatures(texts)
        errors.append(float((one == other).mean()) - jaccard(*map(shingles, texts)))
    assert max(map(abs, errors)) < 0.15


def test_thousands_of_equal_bands_stay_affordable() -> None:
    near = NearDuplicates(0.7)
    texts = [f"the same long prompt that a form put before every single question number {n}" for n in range(3000)]
    near.add(texts)
    assert len(set(near.groups(texts.__getitem__).tolist())) == 1
    assert near.pairs_checked < 10 * len(texts)


def test_words_ignore_case_punctuation_and_space() -> None:
    assert words("  I CAN'T\n sleep… ") == words("i can t sleep")
    assert words("?!") == "?!" != words("…")
    assert key("a") == key("a") != key("b")


def test_the_root_is_the_smallest_member() -> None:
    groups = Groups(6)
    for a, b in ((5, 4), (3, 5), (1, 0)):
        groups.join(a, b)
    assert groups.roots().tolist() == [0, 0, 2, 3, 3, 3]
