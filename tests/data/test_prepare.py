"""The whole of prepare: what stands in the directory, and what becomes of every row."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from counsel.data import prepare as preparing
from counsel.data.prepared import Prepared
from counsel.data.settings import PrepareSettings
from counsel.errors import CounselError

from .conftest import Prepare, chat, lines, many, write_lines

FILES = ("train.jsonl", "valid.jsonl", "eval.jsonl")


def test_the_files_the_audit_and_their_sums(run: Prepare, source: Path, tmp_path: Path) -> None:
    audit = run(source, valid_share=0.2, eval_share=0.2)
    out = tmp_path / "out"
    assert sorted(p.name for p in out.iterdir()) == ["audit.json", "audit.md", *sorted(FILES)]
    stored = json.loads((out / "audit.json").read_text())
    assert stored == audit.to_json()
    rows = {name: lines(out / name) for name in FILES}
    for name, records in rows.items():
        sums = {"rows": len(records), "sha256": hashlib.sha256((out / name).read_bytes()).hexdigest()}
        assert stored["files"][name] == sums and records
    every = [r for records in rows.values() for r in records]
    assert len(every) == audit.rows == audit.rows_read == 72 and audit.prompts == audit.groups == 60
    assert len({r["id"] for r in every}) == 72 and all(set(r) == {"messages", "source", "id", "group"} for r in every)
    assert every[0]["source"].startswith("in.jsonl:")
    groups = [{r["group"] for r in records} for records in rows.values()]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])
    assert stored["inputs"][0]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert stored["settings"]["eval_share"] == 0.2 and "out" not in stored["settings"]


def test_the_same_input_gives_the_same_bytes(run: Prepare, source: Path, tmp_path: Path) -> None:
    run(source)
    first = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    run(source, overwrite=True)
    assert first == {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}


def test_rows_are_counted_by_what_becomes_of_them(run: Prepare, tmp_path: Path) -> None:
    records = [*many(), many()[0], chat("  ", "x"), chat("<p></p>", "x"), chat("why", " "),
               {"messages": [{"role": "user", "content": "alone"}]}]  # fmt: skip
    prompt, reply = (m["content"] for m in many()[1]["messages"])
    records += [chat(prompt.upper(), reply + "!!"), chat(prompt, reply[:2] + "<b></b>" + reply[2:])]
    audit = run(write_lines(tmp_path / "in.jsonl", records))
    counted = (audit.rows_read, audit.rows_without_prompt, audit.rows_without_reply, audit.rows)
    assert counted == (79, 2, 2, 75)
    assert (audit.exact_duplicates, audit.duplicates_after_cleaning, audit.pairs, audit.prompts) == (2, 1, 73, 60)


def test_conversations_of_several_turns(run: Prepare, tmp_path: Path) -> None:
    said = [("system", "Be kind."), ("user", "a question of mine"), ("assistant", "yes"), ("user", "and then"),
            ("assistant", "rest"), ("user", "bye")]  # fmt: skip
    long = {"messages": [{"role": r, "content": c} for r, c in said]}
    audit = run(write_lines(tmp_path / "in.jsonl", [*many(), long]))
    found = [r for name in FILES for r in lines(tmp_path / "out" / name) if len(r["messages"]) > 2]
    assert [m["content"] for m in found[0]["messages"]] == [c for _, c in said[:-1]]
    assert audit.cleaned["unanswered_turns"] == 1


def test_an_opening_of_several_user_turns_is_one_prompt(run: Prepare, tmp_path: Path) -> None:
    long = "every night since the move I sit in the kitchen and count what I have lost and whom I could still call"
    opened = [
        {"messages": [{"role": "user", "content": c} for c in (hail, long)] + [{"role": "assistant", "content": reply}]}
        for hail, reply in (("Hi", "What is it?"), ("Good day to you", "Go on."))
    ]
    other = {"messages": [{"role": "user", "content": c} for c in ("Hi", "my exam is tomorrow and I know nothing")]}
    other["messages"].append({"role": "assistant", "content": "What do you know?"})
    run(write_lines(tmp_path / "in.jsonl", [*opened, other, *many()]))
    found = {r["source"]: r["group"] for name in FILES for r in lines(tmp_path / "out" / name)}
    assert found["in.jsonl:1"] == found["in.jsonl:2"] != found["in.jsonl:3"]


def test_a_broken_row_stops_or_is_skipped(run: Prepare, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "in.jsonl", [*many(), {"messages": [{"role": "assistant", "content": "x"}]}])
    with path.open("a") as f:
        f.write("{oops\n")
    with pytest.raises(CounselError, match="message 1 is from assistant") as error:
        run(path)
    assert error.value.where == f"{path}:73" and "--on-error skip" in error.value.fix
    assert not (tmp_path / "out").exists() and [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]
    audit = run(path, on_error="skip")
    assert (audit.rows_read, audit.rows_skipped, audit.rows) == (74, 2, 72)
    assert audit.first_skipped[1].startswith(f"{path}:74: it is not valid JSON")


def test_the_cards_own_draw(run: Prepare, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "in.jsonl", [*many(), *many()])
    audit = run(path, split="row", sample=100)
    assert [audit.files[name]["rows"] for name in FILES] == [90, 0, 10]
    records = lines(tmp_path / "out/train.jsonl") + lines(tmp_path / "out/eval.jsonl")
    assert len({r["id"] for r in records}) == 100
    assert audit.leak["this_split"]["prompt"] > 0.3 and audit.leak["group_split"]["prompt"] == 0
    assert audit.warnings[0].startswith("The split is by row:") and any("split by row" in s for s in run.said)  # type: ignore[attr-defined]


def test_equal_prompts_that_cleaning_tells_apart_stay_together(run: Prepare, source: Path, tmp_path: Path) -> None:
    csv = tmp_path / "more.csv"
    csv.write_text("questionText,answerText,author\nAsk Xan,one,Xan Vos\nAsk Xan,two,Kim Lee\n")
    for seed in range(6):
        run(source, csv, seed=seed, overwrite=True)
        found = [r for name in FILES for r in lines(tmp_path / "out" / name) if r["source"].startswith("more.csv")]
        assert {r["messages"][0]["content"] for r in found} == {"Ask [name]", "Ask Xan"}
        assert len({r["group"] for r in found}) == 1


def test_canaries_stand_in_train_alone(run: Prepare, source: Path, tmp_path: Path) -> None:
    audit = run(source, canaries=5)
    secrets = json.loads((tmp_path / "out/canaries.json").read_text())
    planted = [r for r in lines(tmp_path / "out/train.jsonl") if r["source"] == "canary"]
    assert [r["messages"][1]["content"] for r in planted] == [c["secret"] for c in secrets["planted"]]
    assert len(planted) == audit.canaries["planted"] == len(secrets["controls"]) == 5
    everything = "".join((tmp_path / "out" / name).read_text() for name in FILES)
    assert all(everything.count(c["secret"]) == 1 for c in secrets["planted"])
    assert not any(c["secret"] in everything for c in secrets["controls"])


def test_what_is_asked_to_be_masked_is(run: Prepare, source: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("money\ttopic\n")
    csv = tmp_path / "more.csv"
    csv.write_text(
        'questionText,answerText,therapistName\n"A new one about Pim Vos and (555) 010-2233",Ask Pim.,Pim Vos\n'
    )
    audit = run(source, csv, redact=tmp_path / "list")
    text = "".join((tmp_path / "out" / name).read_text() for name in FILES)
    assert "money" not in text and "[topic]" in text and "Pim" not in text and "2233" not in text
    assert audit.cleaned["redact"] > 0 and audit.cleaned["author_name"] == 2 and audit.cleaned["phone"] == 1


def test_review_and_show_tell_and_write_nothing(run: Prepare, tmp_path: Path) -> None:
    records = [*many(), chat("My son Tyler met old Zork at 555-010-9999", "Tell me of Zork.")]
    run(write_lines(tmp_path / "in.jsonl", records), review=90, show=2)
    said = "\n".join(run.said)  # type: ignore[attr-defined]
    assert "[name] by name" in said and "»Tyler«" in said and "»Zork«" in said and "[phone] by phone" in said
    assert "⟦" in said and "</s>⟧" in said and "⟦[INST]" not in said
    assert "Tyler" not in "".join(p.read_text() for p in (tmp_path / "out").iterdir())


def test_the_audit_measures_what_a_cut_takes(run: Prepare, tmp_path: Path) -> None:
    records = [*many(), chat("short one", "word " * 400), chat("word " * 400, "never seen")]
    audit = run(write_lines(tmp_path / "in.jsonl", records), max_length=300)
    cut = audit.truncation
    assert cut["max_length"] == 300 and cut["examples_cut"] == cut["ends_lost"] == round(2 / 74, 4)
    assert cut["without_reply"] == round(1 / 74, 4) and 0 < cut["reply_tokens_lost"] < 1
    assert set(audit.truncation_at) == {"256", "512", "1024", "2048"}
    assert audit.truncation_at["2048"]["ends_lost"] == 0


def test_pictures_are_drawn(tokens: str, source: Path, tmp_path: Path) -> None:
    asked = PrepareSettings(out=tmp_path / "out", tokenizer=tokens)
    preparing.prepare((str(source),), asked, lambda _: None)
    page = (tmp_path / "out/audit.md").read_text()
    for name in ("lengths", "rows", "leak"):
        assert f"plots/{name}.svg" in page
        assert (tmp_path / f"out/plots/{name}.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("records", "match"),
    [
        ([chat("", "x")], "no conversation was found in 1 rows"),
        ([chat("one", "x")], "too few different prompts"),
    ],
)
def test_too_little_is_an_error(records: list[Any], match: str, run: Prepare, tmp_path: Path) -> None:
    with pytest.raises(CounselError, match=match):
        run(write_lines(tmp_path / "in.jsonl", records))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"max_length": 0}, "--max-length must be at least 1"),
        ({"eval_share": 1.0}, "--eval-share"),
        ({"eval_share": 0.5, "valid_share": 0.5}, "leave something"),
        ({"similarity": 0.0}, "--similarity"),
        ({"canaries": -1}, "--canaries"),
        ({"split": "half"}, "--split"),
        ({"on_error": "go"}, "--on-error"),
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        PrepareSettings(out=Path("x"), **wrong)


def test_prepared_data_is_read_and_checked(run: Prepare, source: Path, tmp_path: Path) -> None:
    run(source)
    data = Prepared.open(tmp_path / "out")
    conversations = [*data.train(), *data.valid(), *data.eval()]
    assert len(conversations) == 72 and all(c.id and c.group and c.source for c in conversations)
    assert all(c.id == c.digest[:16] for c in conversations)
    assert len(data.digest) == 64
    with (tmp_path / "out/valid.jsonl").open("a") as f:
        f.write("x")
    with pytest.raises(CounselError, match="has changed since"):
        data.valid()
    (tmp_path / "out/eval.jsonl").unlink()
    with pytest.raises(CounselError, match="missing"):
        data.eval()
    assert data.train()  # train and valid never look at eval.jsonl
    with pytest.raises(CounselError, match="holds no prepared data"):
        Prepared.open(tmp_path)
