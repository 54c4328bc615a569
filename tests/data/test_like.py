"""``--like`` from files to files: what was held out stays so while rows, lists of words and shares change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from counsel.data.prepared import Prepared
from counsel.data.settings import PrepareSettings
from counsel.errors import CounselError

from .conftest import Prepare, chat, lines, many, write_lines

FILES = ("train.jsonl", "valid.jsonl", "eval.jsonl")


def parts(folder: Path) -> dict[str, tuple[str, str]]:
    """File and group of every conversation, by its id."""
    return {r["id"]: (name, r["group"]) for name in FILES for r in lines(folder / name) if r["source"] != "canary"}


def more(count: int) -> list[dict[str, Any]]:
    return [chat(f"{n * 6007} new worries of {n * 31} kinds, {n}", f"Which one first, {n}?") for n in range(count)]


@pytest.fixture
def old(run: Prepare, tmp_path: Path) -> Path:
    run(write_lines(tmp_path / "in.jsonl", many()), out=tmp_path / "old", canaries=3)
    return tmp_path / "old"


def test_every_place_is_kept_when_rows_are_added(run: Prepare, old: Path, tmp_path: Path) -> None:
    source = write_lines(tmp_path / "in.jsonl", [*more(200), *many()])
    audit = run(source, like=old, seed=9, eval_share=0.25)
    before, after = parts(old), parts(tmp_path / "out")
    assert {i: after[i] for i in before} == before
    assert len(after) == 272 and sum(name == "eval.jsonl" for name, _ in after.values()) == 68
    assert audit.like
    assert (sum(audit.like["groups"].values()), sum(audit.like["groups_kept"].values())) == (60, 60)
    assert (audit.like["groups_new"], audit.like["bridges"], audit.like["rows_left_out"]) == (200, 0, 0)
    assert audit.like["sha256"] == Prepared.open(old).digest
    stored = json.loads((tmp_path / "out/audit.json").read_text())
    assert stored["like"] == audit.like and stored["settings"]["like"] == str(old)
    page = (tmp_path / "out/audit.md").read_text()
    assert "## Kept from an earlier preparation" in page and "| new groups, placed by the shares | 200 |" in page
    assert any("60 groups stay in place, 200 are new" in line for line in run.said)  # type: ignore[attr-defined]


def test_an_audit_without_it_has_no_word_of_it(run: Prepare, old: Path) -> None:
    stored = json.loads((old / "audit.json").read_text())
    assert "like" not in stored and "like" not in stored["settings"]
    assert "earlier preparation" not in (old / "audit.md").read_text()


def test_a_directory_can_be_made_again_like_itself(run: Prepare, old: Path, tmp_path: Path) -> None:
    before = parts(old)
    for step in range(1, 3):
        source = write_lines(tmp_path / "in.jsonl", [*many(), *more(30 * step)])
        run(source, out=old, like=old, overwrite=True, seed=step)
        after = parts(old)
        assert {i: after[i] for i in before} == before and len(after) == 72 + 30 * step
        before = after


def test_what_is_masked_by_a_longer_list_stays_where_it_was(run: Prepare, old: Path, tmp_path: Path) -> None:
    held = {r["messages"][0]["content"] for r in lines(old / "eval.jsonl")}
    prompt = min(held)
    # All of the words but the last: no prompt that they are masked in is near to what it was.
    (tmp_path / "list").write_text("\n".join(word for word in prompt.split()[:-1] if word.isalnum()) + "\n")
    new = [chat(prompt, "And what else?"), *more(60)]
    for seed in range(4):
        run(write_lines(tmp_path / "new.jsonl", new), like=old, redact=tmp_path / "list", seed=seed, overwrite=True)
        found = [n for n in FILES for r in lines(tmp_path / "out" / n) if r["source"] == "new.jsonl:1"]
        assert found == ["eval.jsonl"]


def test_the_wrong_directory_is_told_by_a_warning(run: Prepare, old: Path, tmp_path: Path) -> None:
    audit = run(write_lines(tmp_path / "new.jsonl", more(60)), like=old)
    assert any(f"No group of {old} came again" in warning for warning in audit.warnings)


@pytest.mark.parametrize(
    ("like", "match"),
    [
        ("nowhere", "the directory of prepared data does not exist"),
        (".", "holds no prepared data"),
        ("by-row", "was split by row"),
    ],
)
def test_what_cannot_be_kept_is_an_error_and_leaves_nothing(
    like: str, match: str, run: Prepare, tmp_path: Path
) -> None:
    source = write_lines(tmp_path / "in.jsonl", many())
    run(source, out=tmp_path / "by-row", split="row")
    with pytest.raises(CounselError, match=match):
        run(source, like=tmp_path / like)
    assert not (tmp_path / "out").exists()


def test_another_similarity_is_an_error(run: Prepare, old: Path, tmp_path: Path) -> None:
    with pytest.raises(CounselError, match="grouped with --similarity 0.7, but you now ask for 0.8.*--similarity 0.7"):
        run(tmp_path / "in.jsonl", like=old, similarity=0.8)


def test_a_split_by_row_keeps_no_groups() -> None:
    with pytest.raises(ValueError, match="--like keeps groups of prompts together"):
        PrepareSettings(out=Path("x"), like=Path("y"), split="row")
