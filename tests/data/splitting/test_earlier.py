"""Whatever joins them, earlier groups keep their names and parts, and nothing that was held out is trained on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.data.canaries import make_canaries
from counsel.data.splitting.earlier import Earlier, read_earlier
from counsel.data.splitting.leak import leaks
from counsel.data.splitting.parts import Part, Shares
from counsel.data.splitting.split import Split, split
from counsel.data.splitting.spool import Spool
from counsel.data.writing.files import write_files
from counsel.errors import CounselError
from counsel.files import read_json, sha256_of, write_json
from counsel.text import jaccard, key, shingles, words

from ..conftest import cleaned

SHARES = Shares(0.2, 0.2)
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
STREAM = [SYLLABLES[n % 70] + SYLLABLES[(11 * n + n // 70) % 70] + SYLLABLES[(29 * n) % 70] for n in range(150)]


def window(at: int) -> str:
    """Prompt number ``at``, twelve words of a stream: near-equal to its neighbours, and far from the fourth one."""
    return " ".join(STREAM[at : at + 12])


def near(a: str, b: str) -> float:
    return jaccard(shingles(words(a)), shingles(words(b)))


def test_windows_are_near_to_their_neighbours_alone() -> None:
    for at in range(130):
        assert near(window(at), window(at + 1)) > 0.8
        assert all(near(window(at), window(other)) < 0.6 for other in range(at + 4, 135))


Pair = tuple[str, ...]
"""A prompt, a reply and, where it was another, the prompt as it came."""


def made_of(folder: Path, pairs: list[Pair], like: Path | None = None, seed: int = 0, **changed: Any) -> Split:
    """Split pairs as ``prepare`` does, into a directory that can be kept."""
    with Spool(folder, 0.7) as spool:
        earlier: Earlier | None = read_earlier(like, 0.7, lambda prompt: prompt, spool) if like else None
        for pair in pairs:
            spool.add(cleaned(*pair))
        made = split(spool, "group", SHARES, seed=seed, earlier=earlier, **changed)
        assert leaks(spool, made, "group", SHARES, seed)["this_split"] == {"prompt": 0.0, "pair": 0.0}
        files = write_files(folder, spool, made, *make_canaries(2, seed))
    write_json(folder / "audit.json", {"files": files, "settings": {"split": "group", "similarity": 0.7}})
    return made


def sides(pairs: list[Pair], made: Split) -> dict[str, tuple[int, int]]:
    """Where each prompt is that is used: part and group."""
    return {
        words(pair[0]): (int(made.part[i]), int(made.group[i]))
        for i, pair in enumerate(pairs)
        if made.part[i] != Part.LEFT_OUT
    }


PLACES = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 2)), min_size=8, max_size=40)


def pairs_of(numbers: list[tuple[int, int]]) -> list[Pair]:
    return [(window(at), f"reply {reply} to number {at}") for at, reply in numbers]


@settings(max_examples=150, deadline=None)
@given(PLACES, PLACES, st.booleans(), st.integers(0, 3), st.data())
def test_old_places_stay_and_nothing_leaks(
    old: list[tuple[int, int]], new: list[tuple[int, int]], come_again: bool, seed: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as home:
        first, second = Path(home) / "first", Path(home) / "second"
        first.mkdir()
        second.mkdir()
        before = pairs_of(old)
        after = data.draw(st.permutations(pairs_of(new) + (before if come_again else [])))
        try:
            was = sides(before, made_of(first, before, seed=seed))
            made = made_of(second, after, first, seed=seed + 1)
        except CounselError as e:
            assert "too few different prompts" in e.what
            return
        now = sides(after, made)
        # Every old prompt that came again is where it was, in the group that it was in.
        assert all(now.get(prompt) == was[prompt] for prompt in {words(pair[0]) for pair in after} & was.keys())
        # A group has one part, whichever prompts are in it.
        assert len({group for _, group in now.values()}) == len(set(now.values()))
        everywhere = {**{p: s for p, s in was.items()}, **now}
        for a, (part, group) in now.items():
            for b, (other, _) in everywhere.items():
                if part != other and not (a in was and b in was):
                    assert near(a, b) < 0.8, f"{a!r} and {b!r} are near-equal, in parts {part} and {other}"
            assert a in was or group not in {g for _, g in was.values()} or (part, group) in was.values()


@settings(max_examples=60, deadline=None)
@given(PLACES, st.integers(0, 3))
def test_the_same_rows_fall_the_same_way(old: list[tuple[int, int]], seed: int) -> None:
    with tempfile.TemporaryDirectory() as home:
        first, second = Path(home) / "first", Path(home) / "second"
        first.mkdir()
        second.mkdir()
        try:
            made_of(first, pairs_of(old), seed=seed)
        except CounselError:
            return
        made_of(second, pairs_of(old), first, seed=seed)
        assert all((first / p.file).read_bytes() == (second / p.file).read_bytes() for p in (Part.VALID, Part.EVAL))
        lines = [(home / "train.jsonl").read_text().splitlines()[:-2] for home in (first, second)]  # less the canaries
        assert lines[0] == lines[1]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """An earlier preparation of five prompts that are far apart."""
    folder = tmp_path / "old"
    folder.mkdir()
    return folder


def far(count: int) -> list[int]:
    return [5 * n for n in range(count)]


def placed(old: Path, count: int = 12) -> tuple[list[Pair], dict[int, int]]:
    """Far prompts, prepared, and the part of each by its number."""
    pairs = pairs_of([(at, 0) for at in far(count)])
    made = made_of(old, pairs)
    return pairs, {at: int(made.part[i]) for i, at in enumerate(far(count))}


def again(tmp_path: Path, pairs: list[Pair], like: Path, **changed: Any) -> Split:
    folder = tmp_path / "new"
    folder.mkdir(exist_ok=True)
    return made_of(folder, pairs, like, **changed)


def at_in(parts: dict[int, int], part: Part) -> int:
    return next(at for at, p in parts.items() if p == part)


@pytest.mark.parametrize("part", [Part.TRAIN, Part.VALID, Part.EVAL])
def test_a_prompt_that_is_near_joins_its_group_though_that_did_not_come_again(
    part: Part, old: Path, tmp_path: Path
) -> None:
    _, parts = placed(old)
    at = at_in(parts, part)
    new = pairs_of([(at + 1, 7), *[(70 + 5 * n, 7) for n in range(12)]])
    made = again(tmp_path, new, old)
    assert made.part[0] == part
    assert made.like and made.like["prompts_joined"] == 1 and made.like["groups_kept"][part.name.lower()] == 1


def test_what_bridges_two_parts_is_left_out_and_told(old: Path, tmp_path: Path) -> None:
    pairs, parts = placed(old)
    at = next(
        a for a in parts if a + 5 in parts and Part.TRAIN in (parts[a], parts[a + 5]) and parts[a] != parts[a + 5]
    )
    bridge = pairs_of([(at + n, 7) for n in range(1, 5)])
    made = again(tmp_path, bridge + pairs + pairs_of([(at, 8), (at + 5, 8)]), old)
    assert made.part[:4].tolist() == [Part.LEFT_OUT] * 4
    assert made.part[4 : 4 + len(pairs)].tolist() == list(parts.values())
    assert made.part[-2:].tolist() == [parts[at], parts[at + 5]]  # a further reply to a prompt that was there
    assert made.like and made.like["bridges"] == 1 and made.like["rows_left_out"] == 4


def test_what_bridges_two_groups_of_one_part_joins_one(old: Path, tmp_path: Path) -> None:
    pairs, parts = placed(old)
    at = next(a for a in parts if parts.get(a + 5) == parts[a] == Part.TRAIN)
    made = again(tmp_path, pairs_of([(at + n, 7) for n in range(1, 5)]) + pairs, old)
    assert made.part[:4].tolist() == [Part.TRAIN] * 4
    names = {int(made.group[4 + far(12).index(a)]) for a in (at, at + 5)}
    assert len(names) == 2 and {int(g) for g in made.group[:4]} == {min(names)}
    assert made.like and (made.like["bridges"], made.like["rows_left_out"]) == (0, 0)


def test_only_new_groups_are_placed_by_the_shares(old: Path, tmp_path: Path) -> None:
    pairs, parts = placed(old, 20)
    new = [(f"{n * 7919} something else about {n * 31} {n}", "reply") for n in range(80)]
    made = again(tmp_path, pairs + new, old, seed=5)
    assert made.part[:20].tolist() == list(parts.values())
    assert [int((made.part == p).sum()) for p in (Part.EVAL, Part.VALID)] == [20, 20]
    assert made.like and made.like["groups_new"] == 80 and sum(made.like["groups_kept"].values()) == 20


def test_a_conversation_whose_prompt_is_worded_anew_stays_by_its_letters(old: Path, tmp_path: Path) -> None:
    # A lost line break joined two short words: no prompt is near to the other, and the conversation is the same.
    before = [(f"why me{n * 7919}", f"reply {n}") for n in range(10)]
    made = made_of(old, before)
    held = int((made.part == Part.EVAL).argmax())
    mended = before[held][0].replace("why me", "whyme"), before[held][1]
    assert near(mended[0], before[held][0]) < 0.7
    new = [(f"{n * 6007} other worries {n}", "reply") for n in range(40)]
    for seed, pairs in enumerate(([mended, *before], *[[mended, *before[:held], *before[held + 1 :], *new]] * 4)):
        now = again(tmp_path, pairs, old, seed=seed)
        assert Part.EVAL in (now.part[0], now.part[1 + held]) and Part.TRAIN not in (now.part[0], now.part[1 + held])


def test_of_two_that_came_equal_in_two_parts_the_held_out_one_stays(old: Path, tmp_path: Path) -> None:
    pairs, parts = placed(old)
    rows = {part: pairs[far(12).index(at_in(parts, part))] for part in (Part.TRAIN, Part.EVAL)}
    same = [(*rows[part], "one prompt, told apart by cleaning") for part in rows]
    others = [pair for pair in pairs if pair not in rows.values()]
    made = again(tmp_path, same + others, old)
    assert made.part[:2].tolist() == [Part.LEFT_OUT, Part.EVAL]


def test_of_equal_rows_the_one_that_was_there_stays(old: Path, tmp_path: Path) -> None:
    pairs, parts = placed(old)
    at = next(a for a in parts if Part.EVAL in (parts[a], parts.get(a + 5)) and parts[a] != parts.get(a + 5, parts[a]))
    held = at if parts[at] == Part.EVAL else at + 5
    reply = pairs[far(12).index(held)][1]
    torn = pairs_of([(at + n, 7) for n in (1, 3, 4)])
    double = (window(at + 2), reply, window(held))  # came as the held-out row did, and is cleaned into a bridge
    made = again(tmp_path, [double, *torn, *pairs], old)
    assert made.exact_duplicates == 1 and made.part[0] == Part.LEFT_OUT
    assert made.part[4 + far(12).index(held)] == Part.EVAL


def test_a_group_is_known_by_its_name_when_the_files_lack_the_prompt_that_it_is_named_by(
    old: Path, tmp_path: Path
) -> None:
    start = next(s for s in range(40) if min(range(6), key=lambda n: key(words(window(s + n)))) == 0)
    named, rest = window(start), window(start + 5)
    pairs = [*pairs_of([(start + n, 0) for n in range(6)]), *pairs_of([(at, 0) for at in range(60, 120, 5)])]
    made = made_of(old, pairs)
    part = Part(int(made.part[0]))
    lines = (old / part.file).read_text().splitlines(keepends=True)
    kept = [line for line in lines if not any(window(start + n) in line for n in range(5))]  # as a sample may have done
    assert len(kept) < len(lines) and any(rest in line for line in kept)
    (old / part.file).write_text("".join(kept))
    audit = read_json(old / "audit.json")
    audit["files"][part.file]["sha256"] = sha256_of(old / part.file)
    write_json(old / "audit.json", audit)
    now = again(tmp_path, [(named, "new reply"), *pairs[6:]], old, seed=3)
    assert int(now.group[0]) == int(made.group[0]) and now.part[0] == part
    assert now.like and now.like["groups_new"] == 0


def rewritten(name: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def rewrite(folder: Path) -> None:
        body = read_json(folder / name)
        change(body)
        write_json(folder / name, body)

    return rewrite


def without(folder: Path) -> None:
    (folder / "audit.json").unlink()


def touched(folder: Path) -> None:
    with (folder / "eval.jsonl").open("a") as f:
        f.write("\n")


@pytest.mark.parametrize(
    ("spoil", "what", "fix"),
    [
        (without, "holds no prepared data", "counsel prepare FILES"),
        (touched, "has changed since it was prepared", "--overwrite"),
        (rewritten("audit.json", lambda a: a["settings"].update(split="row")), "was split by row", "--split group"),
        (
            rewritten("audit.json", lambda a: a["settings"].update(similarity=0.9)),
            "--similarity 0.9",
            "use --similarity",
        ),
        (rewritten("audit.json", lambda a: a.pop("settings")), "does not say how", "nobody has changed"),
    ],
)
def test_a_directory_whose_groups_cannot_be_kept_is_an_error(
    spoil: Callable[[Path], None], what: str, fix: str, old: Path, tmp_path: Path
) -> None:
    pairs, _ = placed(old)
    spoil(old)
    with pytest.raises(CounselError) as error:
        again(tmp_path, pairs, old)
    assert what in error.value.what and fix in error.value.fix and str(old) in error.value.where


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CounselError, match="the directory of prepared data does not exist"):
        again(tmp_path, pairs_of([(0, 0)]), tmp_path / "nowhere")
