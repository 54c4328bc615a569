"""The command: what it writes, and what it refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from counsel.conversation import Conversation
from counsel.data.prepared import Prepared
from counsel.errors import CounselError
from counsel.evaluate import run as room
from counsel.evaluate import samples
from counsel.evaluate.run import command_of, evaluate
from counsel.evaluate.settings import EvaluateSettings
from counsel.files import read_json, sha256_of, write_json
from counsel.model.adapter import base_of
from counsel.records import Run


def quick(run: Run, **given: Any) -> EvaluateSettings:
    choices = {"samples": 2, "max_new_tokens": 12, "resamples": 500}
    return EvaluateSettings(run=run.path, **{**choices, **given})


def recorded_as(run: Run, data: Path, **files: str) -> None:
    """Make the run say that it was made beside the prepared data at ``data``."""
    environment = read_json(run.path / "environment.json")
    environment["data"] = {"directory": str(data), "sha256": files}
    write_json(run.path / "environment.json", environment)


def test_what_an_evaluation_leaves(run: Run) -> None:
    heard: list[str] = []
    result = evaluate(quick(run), heard.append)
    assert result["tuned"]["loss"] < result["base"]["loss"]
    low, high = result["relative"]["interval"]
    assert result["blind"] == pytest.approx(math.log(512), abs=0.3)
    assert 0 < low < result["relative"]["share"] < high < 1
    assert json.loads((run.results / "loss.json").read_text()) == json.loads(json.dumps(result))
    assert result["adapter_sha256"] == read_json(run.results / "training.json")["adapter_sha256"]
    assert result["command"].startswith(f"counsel evaluate --run {run.path} --resamples 500")
    each = read_json(run.results / "loss_by_conversation.json")
    assert sum(e["base"] for e in each) / sum(e["tokens"] for e in each) == pytest.approx(result["base"]["loss"])
    assert {e["group"] for e in each} == {c.group for c in _held_out(run)}
    assert len(read_json(run.results / "samples.json")["replies"]) == 2
    assert (run.path / "report.html").is_file()
    assert any("95 % interval" in line for line in heard)


def _held_out(run: Run) -> list[Conversation]:
    return Prepared.open(read_json(run.path / "environment.json")["data"]["directory"]).eval()


def test_the_same_seed_gives_the_same_result_whatever_the_rows(run: Run) -> None:
    first = evaluate(quick(run, rows=3, samples=0), print)
    second = evaluate(quick(run, rows=8, samples=0), print)
    for key in ("base", "tuned", "difference"):
        assert first[key]["interval"] == pytest.approx(second[key]["interval"], rel=1e-5)


def test_a_changed_eval_set_is_refused(run: Run, tmp_path: Path) -> None:
    data = Path(read_json(run.path / "environment.json")["data"]["directory"])
    sums = {n: sha256_of(data / n) for n in ("train.jsonl", "valid.jsonl", "eval.jsonl")}
    recorded_as(run, data, **sums | {"eval.jsonl": "0" * 64})
    with pytest.raises(CounselError, match="not the one that this run was made with") as caught:
        evaluate(quick(run), print)
    assert caught.value.exit_code == 2
    assert not (run.results / "loss.json").exists()


def test_moved_data_are_found_when_named(run: Run, tmp_path: Path) -> None:
    data = Path(read_json(run.path / "environment.json")["data"]["directory"])
    sums = {n: sha256_of(data / n) for n in ("train.jsonl", "valid.jsonl", "eval.jsonl")}
    recorded_as(run, tmp_path / "gone", **sums)
    with pytest.raises(CounselError, match="the run's eval set is not there.*--data"):
        evaluate(quick(run), print)
    assert evaluate(quick(run, data=data, samples=0), print)["conversations"] == len(_read(data))


def _read(data: Path) -> list[Conversation]:
    return Prepared.open(data).eval()


def fake_data(home: Path, rows: list[dict[str, Any]]) -> Path:
    """A prepared directory whose eval set holds just these rows."""
    home.mkdir()
    (home / "eval.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    entry = {"rows": len(rows), "sha256": sha256_of(home / "eval.jsonl")}
    write_json(home / "audit.json", {"files": {"eval.jsonl": entry}})
    return home


def a_row(question: str, reply: str, group: str = "g") -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    return {"messages": messages, "id": question, "source": "s", "group": group}


def test_an_empty_eval_set_is_nothing_to_measure_on(run: Run, tmp_path: Path) -> None:
    data = fake_data(tmp_path / "none", [])
    recorded_as(run, data, **{"eval.jsonl": sha256_of(data / "eval.jsonl")})
    with pytest.raises(CounselError, match="no conversations were held out.*--eval-share"):
        evaluate(quick(run), print)
    assert not (run.path / "report.html").exists()


def test_one_group_has_a_number_and_no_interval(run: Run, tmp_path: Path) -> None:
    data = fake_data(tmp_path / "one", [a_row("I feel sad.", "Who knows of it?"), a_row("I feel sad.", "When?")])
    recorded_as(run, data, **{"eval.jsonl": sha256_of(data / "eval.jsonl")})
    heard: list[str] = []
    result = evaluate(quick(run), heard.append)
    assert result["groups"] == 1
    assert result["relative"]["interval"] is None
    assert any("no interval, because all conversations share one prompt" in line for line in heard)
    assert "no interval" in (run.path / "report.html").read_text()


def test_replies_lost_to_the_cut_are_counted_and_said(run: Run, tmp_path: Path) -> None:
    long = "I feel sad because of school and tired. " * 40
    rows = [a_row("I feel sad.", "Who knows of it?"), a_row(long, "When?", "h"), a_row("I feel numb.", long, "i")]
    data = fake_data(tmp_path / "cut", rows)
    recorded_as(run, data, **{"eval.jsonl": sha256_of(data / "eval.jsonl")})
    result = evaluate(quick(run), print)
    assert (result["conversations"], result["dropped"], result["cut"]) == (2, 1, 1)
    assert "lost their whole reply to the cut" in (run.path / "report.html").read_text()
    only_long = fake_data(tmp_path / "long", rows[1:2])
    recorded_as(run, only_long, **{"eval.jsonl": sha256_of(only_long / "eval.jsonl")})
    with pytest.raises(CounselError, match="none of the 1 held-out conversations has a reply to measure on"):
        evaluate(quick(run), print)


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CounselError, match="there is no run here"):
        evaluate(EvaluateSettings(run=tmp_path), print)
    write_json(tmp_path / "settings.json", {"values": {}})
    with pytest.raises(CounselError, match="has not finished"):
        evaluate(EvaluateSettings(run=tmp_path), print)


def test_a_run_that_carries_its_base_needs_no_other(run: Run) -> None:
    assert base_of(run.adapter) != str(run.path / "base")
    (run.path / "base").mkdir()
    assert base_of(run.adapter) == str(run.path / "base")


def test_the_command_repeats_what_was_asked() -> None:
    plain = EvaluateSettings(run=Path("my run"))
    assert command_of(plain) == "counsel evaluate --run 'my run'"
    given = EvaluateSettings(run=Path("r"), data=Path("d"), max_new_tokens=9)
    assert command_of(given) == "counsel evaluate --run r --data d --max-new-tokens 9"


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"resamples": 0}, {"samples": -1}, {"max_new_tokens": 0}])
def test_senseless_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"--{next(iter(wrong)).replace('_', '-')} must be"):
        EvaluateSettings(run=Path("r"), **wrong)


def test_samples_are_drawn_one_a_group_before_anything_is_answered() -> None:
    held_out = [Conversation.of(a_row(f"question {i}", f"reply {i}")["messages"], group=f"g{i % 5}") for i in range(20)]
    asked: list[list[Conversation]] = []

    def respond(conversations: Any) -> list[str]:
        asked.append(list(conversations))
        return [f"to {c.prompt}" for c in conversations]

    made = samples.score(held_out, {"base": respond, "tuned": respond}, 3, seed=1)
    again = samples.score(held_out[::-1], {"base": respond, "tuned": respond}, 3, seed=1)
    assert made == again, "the order of the file must not choose"
    assert made["drawn_from"] == 5
    assert len({r["group"] for r in made["replies"]}) == 3
    for shown in made["replies"]:
        assert shown["messages"][-1]["role"] == "user"
        assert shown["replies"]["tuned"] == f"to {shown['messages'][0]['content']}"
        assert shown["reference"].split()[1] == shown["messages"][0]["content"].split()[1]
    assert all(not c.is_answered for c in asked[0]), "the reference must not be shown to the model"
    assert samples.score(held_out, {"base": respond}, 99, seed=1)["drawn_from"] == 5
    assert samples.score([], {"base": respond}, 3, seed=1)["replies"] == []


def test_every_scorer_writes_a_result_of_its_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def length(suite: room.Suite) -> dict[str, Any]:
        replies = suite.respond["tuned"]([c.question for c in suite.conversations[:2]])
        return {"words": [len(r.split()) for r in replies]}

    monkeypatch.setitem(room.SCORERS, "length", length)
    evaluate(quick(run), print)
    result = read_json(run.results / "length.json")
    assert len(result["words"]) == 2
    assert result["adapter_sha256"]
    assert "results/length.json" in (run.path / "report.html").read_text()
