"""The whole of prepare: what stands in the directory, and that it stands there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from counsel.conversation import Conversation
from counsel.data import audit as audit_of
from counsel.data import plots
from counsel.data import prepare as preparing
from counsel.data.prepared import Prepared
from counsel.data.settings import PrepareSettings
from counsel.errors import CounselError
from counsel.model.render import Rendered

from .conftest import Prepare, chat, lines, many, write_lines

FILES = ("train.jsonl", "valid.jsonl", "eval.jsonl")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "in.jsonl", many())


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
    assert audit.first_skipped[1].startswith(f"{path}:74: it is not JSON")


def test_the_cards_own_draw(run: Prepare, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "in.jsonl", [*many(), *many()])
    audit = run(path, split="row", sample=100)
    assert [audit.files[name]["rows"] for name in FILES] == [90, 0, 10]
    records = lines(tmp_path / "out/train.jsonl") + lines(tmp_path / "out/eval.jsonl")
    assert len({r["id"] for r in records}) == 100
    assert audit.leak["this_split"]["prompt"] > 0.3 and audit.leak["group_split"]["prompt"] == 0
    assert audit.warnings[0].startswith("split by row:") and any("split by row" in s for s in run.said)  # type: ignore[attr-defined]


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


class Fixed:
    """Renders four tokens of prompt, then a token a character of the reply, then the end token."""

    def render_many(self, conversations: list[Conversation]) -> list[Rendered]:
        lengths = [len(c.reply) + 1 for c in conversations]
        return [Rendered(list(range(4 + n)), [False] * 4 + [True] * n) for n in lengths]


@pytest.mark.parametrize(
    ("limit", "cut"), [(4, (1, 1, 1, 1)), (5, (1, 5 / 6, 1, 0)), (9, (1, 1 / 6, 1, 0)), (10, (0, 0, 0, 0))]
)
def test_what_a_limit_takes_counted_by_hand(limit: int, cut: tuple[float, ...]) -> None:
    conversation = Conversation.of(chat("why", "sleep")["messages"])  # 4 + 5 + the end = 10 tokens
    measured = audit_of.measure([conversation], Fixed(), limit)  # type: ignore[arg-type]
    assert tuple(audit_of.truncation(measured, limit).values()) == pytest.approx(cut, abs=1e-4)


def test_pictures_are_drawn(tokens: str, source: Path, tmp_path: Path) -> None:
    asked = PrepareSettings(out=tmp_path / "out", tokenizer=tokens)
    preparing.prepare((str(source),), asked, lambda _: None)
    page = (tmp_path / "out/audit.md").read_text()
    for name in ("lengths", "rows", "leak"):
        assert f"plots/{name}.svg" in page
        assert (tmp_path / f"out/plots/{name}.svg").read_text().startswith("<?xml")


def test_an_occupied_place_is_refused(run: Prepare, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(source)  # an empty directory is free
    before = (tmp_path / "out/train.jsonl").read_bytes()
    with pytest.raises(CounselError, match="prepared data stands here already.*--overwrite"):
        run(source, seed=1)
    assert (tmp_path / "out/train.jsonl").read_bytes() == before
    run(source, seed=1, overwrite=True)
    assert (tmp_path / "out/train.jsonl").read_bytes() != before
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years")
    with pytest.raises(CounselError, match="something else here"):
        run(source, out=other, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "mine", "out"]


def test_an_error_leaves_an_earlier_result_alone(run: Prepare, source: Path, tmp_path: Path) -> None:
    run(source)
    before = (tmp_path / "out/train.jsonl").read_bytes()
    with source.open("a") as f:
        f.write("{oops\n")
    with pytest.raises(CounselError, match="not JSON"):
        run(source, overwrite=True)
    assert (tmp_path / "out/train.jsonl").read_bytes() == before


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


def test_a_full_disk_is_told_and_leaves_nothing(
    run: Prepare, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(preparing, "_write", full)
    with pytest.raises(CounselError, match="No space left on device.*free some space"):
        run(source)
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_place_that_cannot_be_made(run: Prepare, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CounselError, match="could not write"):
        run(source, out=tmp_path / "file" / "out")


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
    with pytest.raises(CounselError, match="no prepared data"):
        Prepared.open(tmp_path)


def command(source: Path, out: Path, tokens: str) -> list[str]:
    code = (
        "import sys\nfrom pathlib import Path\nfrom counsel.data.prepare import prepare\n"
        "from counsel.data.settings import PrepareSettings\nfrom counsel.errors import CounselError\n"
        "say = lambda s: print(s, flush=True)\n"
        "asked = PrepareSettings(out=Path(sys.argv[2]), tokenizer=sys.argv[3], overwrite=True)\n"
        "try:\n    prepare((sys.argv[1],), asked, say)\n"
        "except CounselError as e:\n    print('error:', e); sys.exit(2)\n"
    )
    return [sys.executable, "-c", code, str(source), str(out), tokens]


@pytest.mark.slow
@pytest.mark.parametrize("after", ["usable", "measuring", "start"])
def test_killed_at_any_moment_nothing_looks_whole(after: str, tokens: str, tmp_path: Path) -> None:
    source, out = write_lines(tmp_path / "in.jsonl", many(3000)), tmp_path / "out"
    process = subprocess.Popen(command(source, out, tokens), stdout=subprocess.PIPE, text=True)
    assert process.stdout
    if after == "start":
        while not list(tmp_path.glob("out.partial/*")):
            time.sleep(0.002)
    else:
        while after not in process.stdout.readline():
            pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not out.exists() and (tmp_path / "out.partial").exists()
    again = subprocess.run(command(source, out, tokens), capture_output=True, text=True)
    assert again.returncode == 0, again.stdout
    assert Prepared.open(out).train() and not (tmp_path / "out.partial").exists()


@pytest.mark.slow
def test_a_second_process_is_refused(tokens: str, tmp_path: Path, run: Prepare) -> None:
    source, out = write_lines(tmp_path / "in.jsonl", many(3000)), tmp_path / "out"
    with subprocess.Popen(command(source, out, tokens), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        while "usable" not in process.stdout.readline():
            pass
        with pytest.raises(CounselError, match="another process is preparing"):
            run(source, out=out)
        process.communicate()
    assert process.returncode == 0 and Prepared.open(out).train()


@pytest.mark.slow
def test_a_disk_that_fills_while_writing(tokens: str, tmp_path: Path) -> None:
    source, out = write_lines(tmp_path / "in.jsonl", many(3000)), tmp_path / "out"
    limit = 200_000  # bytes a file may have: the spool outgrows it half way

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = subprocess.run(command(source, out, tokens), capture_output=True, text=True, preexec_fn=bound)
    assert result.returncode == 2 and "error: could not write: File too large" in result.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl"]


def test_pictures_can_be_looked_at(tmp_path: Path) -> None:
    import numpy as np

    leak = {"row_split": {"prompt": 0.95, "pair": 0.7}, "group_split": {"prompt": 0.0, "pair": 0.0}}
    audit = {
        "truncation": {"max_length": 512}, "truncation_at": {"256": {"examples_cut": 0.5}}, "rows_read": 20,
        "leak": leak,
        "files": {f: {"rows": 5} for f in FILES}, "canaries": {"planted": 0}, "exact_duplicates": 3,
        "duplicates_after_cleaning": 0, "settings": {"split": "group"},
    }  # fmt: skip
    names = plots.draw(tmp_path / "plots", audit, np.array([100, 200, 300]), "png")
    assert all((tmp_path / name).stat().st_size > 2000 for name in names)
