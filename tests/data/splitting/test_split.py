"""Whatever comes in, no prompt, no pair and no group of prompts stands on two sides."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.conversation import Conversation
from counsel.data.splitting.leak import leak, leaks, row_leak
from counsel.data.splitting.parts import Part, Shares
from counsel.data.splitting.split import Split, split
from counsel.data.splitting.spool import Spool
from counsel.errors import CounselError
from counsel.text import jaccard, shingles, words

from ..conftest import cleaned, many

Pair = tuple[str, str]


def planned(pairs: list[Pair], **changed: Any) -> tuple[Split, dict[str, dict[str, float]], list[Conversation]]:
    shares = Shares(changed.pop("valid_share", 0.1), changed.pop("eval_share", 0.1))
    by, seed = changed.get("by", "group"), changed.get("seed", 0)
    with tempfile.TemporaryDirectory() as folder, Spool(Path(folder), 0.7) as spool:
        for prompt, reply in pairs:
            spool.add(cleaned(prompt, reply))
        made = split(spool, **{"by": "group", "shares": shares, **changed})
        return made, leaks(spool, made, by, shares, seed), [spool.conversation(i) for i in range(len(spool))]


SENTENCES = [
    f"{a} {b} {c}"
    for a in ("I cannot sleep because of", "Every morning I think about", "Nobody understands")
    for b in ("my mother and her illness", "the long winter at home", "what happened at work")
    for c in ("any more.", "and it scares me", "since he left!", "")
]
SAID = st.one_of(st.sampled_from(SENTENCES), st.text("ab .", min_size=1, max_size=6).filter(str.strip))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=40), st.integers(0, 5))
def test_no_prompt_pair_or_group_on_two_sides(pairs: list[Pair], seed: int) -> None:
    try:
        made, leaked, kept = planned(pairs, seed=seed, valid_share=0.2, eval_share=0.2)
    except CounselError as e:
        assert "too few different prompts" in e.what
        return
    sides: dict[str, set[int]] = {}
    for part, group, conversation in zip(made.part.tolist(), made.group.tolist(), kept, strict=True):
        if part != Part.LEFT_OUT:
            pair = words(conversation.prompt), words(conversation.reply)
            for name in (f"group {group}", f"prompt {pair[0]}", f"pair {pair}"):
                sides.setdefault(name, set()).add(part)
    assert all(len(parts) == 1 for parts in sides.values())
    assert leaked["group_split"] == leaked["this_split"] == {"prompt": 0.0, "pair": 0.0}
    # Every pair of words is kept exactly once.
    every = {(words(p), words(r)) for p, r in pairs}
    rows = [i for i, p in enumerate(made.part.tolist()) if p != Part.LEFT_OUT]
    assert len(rows) + made.exact_duplicates + made.cleaned_duplicates == len(pairs)
    assert len(every) == len(pairs) - made.exact_duplicates


def test_near_equal_prompts_stay_together() -> None:
    base = "Every evening when the children sleep I sit in the kitchen and cannot stop thinking about the accident"
    near = base.replace("evening", "night")
    assert 0.7 <= jaccard(shingles(words(base)), shingles(words(near))) < 1
    pairs = [(base, "one"), (near, "two")] + [(m["messages"][0]["content"], "r") for m in many(40)]
    for seed in range(10):
        made, _, _ = planned(pairs, seed=seed)
        assert made.group[0] == made.group[1] and made.part[0] == made.part[1]
        assert made.near_equal == 1


def test_shares_are_met_and_all_replies_to_a_prompt_are_kept() -> None:
    pairs = [
        (f"{n * 7919} prompt about {n} and {n * 31}", f"reply {n} {k}") for n in range(200) for k in range(1 + n % 4)
    ]
    made, _, _ = planned(pairs)
    counts = [int((made.part == p).sum()) for p in (Part.LEFT_OUT, Part.TRAIN, Part.VALID, Part.EVAL)]
    assert counts[0] == 0 and abs(counts[2] - 50) <= 2 and abs(counts[3] - 50) <= 2


def test_places_depend_on_the_seed_and_not_on_the_order() -> None:
    pairs = [(m["messages"][0]["content"], m["messages"][1]["content"]) for m in many(50)]
    forward, backward = planned(pairs, seed=3)[0], planned(pairs[::-1], seed=3)[0]
    assert forward.part.tolist() == backward.part.tolist()[::-1]
    assert forward.group.tolist() == backward.group.tolist()[::-1]
    assert planned(pairs, seed=4)[0].part.tolist() != forward.part.tolist()


def test_what_is_held_out_mostly_stays_so_when_rows_are_added() -> None:
    pairs = [(m["messages"][0]["content"], m["messages"][1]["content"]) for m in many(140)]
    before, after = planned(pairs[:150])[0], planned(pairs)[0]
    held = [i for i in range(150) if before.part[i] == Part.EVAL]
    assert sum(after.part[i] == Part.TRAIN for i in held) <= len(held) // 5


def test_a_split_by_row_leaks_and_says_so() -> None:
    pairs = [("the same old question", f"reply {n % 20}") for n in range(400)]
    made, leaked, _ = planned(pairs, by="row", sample=200)
    assert [(made.part == p).sum() for p in (Part.TRAIN, Part.VALID, Part.EVAL)] == [180, 0, 20]
    assert leaked["this_split"]["prompt"] == 1.0 and leaked["this_split"]["pair"] > 0.9
    assert leaked["group_split"]["prompt"] == 0.0


def test_the_leak_of_a_split_by_row_matches_a_slow_count() -> None:
    keys = np.array([1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 10, 10, 11, 12, 13, 14], np.uint64)
    slow = []
    for draw in range(20):
        order = np.random.default_rng([0, draw]).permutation(20)
        train = set(keys[order[2:]].tolist())
        slow.append(np.mean([k in train for k in keys[order[:2]].tolist()]))
    assert row_leak(keys, 0) == pytest.approx(np.mean(slow))


def test_leak_counts_every_side() -> None:
    keys = np.array([1, 1, 2, 3, 3, 4], np.uint64)
    part = np.array([Part.TRAIN, Part.EVAL, Part.VALID, Part.VALID, Part.EVAL, Part.EVAL], np.int8)
    assert leak(part, keys) == pytest.approx(2 / 5)


def test_too_large_a_sample_is_an_error() -> None:
    with pytest.raises(CounselError, match="more than the 3 conversations"):
        planned([("a b", "c"), ("d e", "f"), ("g h", "i")], sample=9)
