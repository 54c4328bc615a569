"""The command: what it writes, and what it refuses."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from counsel.conversation import Conversation
from counsel.data.prepared import Prepared
from counsel.errors import CounselError
from counsel.evaluate.held_out import HeldOut, held_out
from counsel.evaluate.replies import Replies
from counsel.evaluate.run import command_of
from counsel.evaluate.run import evaluate as asked_of
from counsel.evaluate.scorers import SCORERS
from counsel.evaluate.scorers.samples import Samples
from counsel.evaluate.settings import EvaluateSettings
from counsel.evaluate.suite import Answers, Probes, Score, Scores, Suite
from counsel.evaluate.systems import System
from counsel.files import read_json, sha256_of, write_json
from counsel.model.adapter import base_of
from counsel.records import Run
from counsel.respondents import systems

from .test_replies import Scripted


def quick(run: Run, **given: Any) -> EvaluateSettings:
    choices = {"samples": 2, "max_new_tokens": 12, "resamples": 500}
    return EvaluateSettings(run=run.path, **{**choices, **given})


def evaluate(settings: EvaluateSettings, say: Any) -> dict[str, Any]:
    """What the loss came to, of the run's own base and tuned model."""
    return asked_of(settings, systems(settings), say)["loss"]


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
    with pytest.raises(CounselError, match="the run's eval set is not where it was.*--data"):
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
    flags = EvaluateSettings(run=Path("r"), only=("loss", "samples"), guarded=True)
    assert command_of(flags) == "counsel evaluate --run r --only loss samples --guarded"


@pytest.mark.parametrize("wrong", [{"rows": 0}, {"resamples": 0}, {"samples": -1}, {"max_new_tokens": 0}])
def test_senseless_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"--{next(iter(wrong)).replace('_', '-')} must be"):
        EvaluateSettings(run=Path("r"), **wrong)


def test_a_result_says_who_was_measured_and_how(run: Run) -> None:
    evaluate(quick(run), print)
    for name, scorer in SCORERS.items():
        result = read_json(run.results / f"{name}.json")
        assert result["scorer"] == name
        assert result["validated"] is scorer(Suite(held_out(run), ())).validated
        assert result["data_sha256"] == sha256_of(_data(run) / "eval.jsonl")
        assert result["command"].startswith("counsel evaluate --run")
    by_name = {(s["name"], s["system"]): s for s in read_json(run.results / "loss.json")["scores"]}
    table = read_json(run.results / "loss.json")
    for system in ("base", "tuned"):
        score = by_name["loss", system]
        assert score["value"] == table[system]["loss"]
        assert [score["low"], score["high"]] == table[system]["interval"]
        assert (score["n"], score["unscored"]) == (table["conversations"], table["dropped"])


def _data(run: Run) -> Path:
    return Path(read_json(run.path / "environment.json")["data"]["directory"])


def test_only_what_was_asked_for_is_measured(run: Run) -> None:
    never = [System(name, _never, 0, {}, _never) for name in ("base", "tuned")]
    with pytest.raises(CounselError, match="there is no scorer called 'empaty'.*choose from loss, samples"):
        asked_of(quick(run, only=("empaty",)), never, print)
    assert list(asked_of(quick(run, only=("samples",), samples=0), never, print)) == ["samples"]
    assert not (run.results / "loss.json").exists()


def _never(*asked: Any) -> Any:
    raise AssertionError("nobody was to be asked")


def test_replies_are_generated_once_and_a_stopped_evaluation_goes_on(run: Run) -> None:
    base, tuned = Scripted("base"), Scripted("tuned")
    settings = quick(run, only=("samples",), samples=4, rows=1)
    tuned.dies_at = 3
    with pytest.raises(KeyboardInterrupt):
        asked_of(settings, (base.system, tuned.system), print)
    assert not (run.results / "samples.json").exists()
    assert len((run.results / "replies.jsonl").read_text().splitlines()) == 4 + 2
    tuned.dies_at = None
    first = asked_of(settings, (base.system, tuned.system), print)["samples"]
    assert (len(base.asked), len(tuned.asked)) == (4, 3 + 2), "each was answered once, but for the one that was stopped"
    heard: list[str] = []
    again = asked_of(settings, (base.system, tuned.system), heard.append)["samples"]
    assert (len(base.asked), len(tuned.asked)) == (4, 5)
    assert "samples: the 4 replies of tuned are stored already" in heard
    assert first["replies"] == again["replies"]


def test_a_third_system_is_measured_beside_the_two(run: Run) -> None:
    three = [Scripted(name).system for name in ("base", "tuned", "guarded")]
    result = asked_of(quick(run, only=("samples",)), three, print)["samples"]
    assert all(list(r["replies"]) == ["base", "tuned", "guarded"] for r in result["replies"])
    page = (run.path / "report.html").read_text()
    assert page.count(">What people meet</span>") == 2 and "guarded to " in page


def suite_of(conversations: list[Conversation], count: int = 3) -> Suite:
    return Suite(HeldOut(conversations, answerable=conversations), ("base", "tuned"), seed=1, samples=count)


def test_samples_are_drawn_one_a_group_before_anything_is_answered(tmp_path: Path) -> None:
    known = [Conversation.of(a_row(f"question {i}", f"reply {i}")["messages"], group=f"g{i % 5}") for i in range(20)]
    scorer, again = Samples(suite_of(known)), Samples(suite_of(known[::-1]))
    assert scorer.probes() == again.probes(), "the order of the file must not choose"
    assert all(not c.is_answered for c in scorer.probes().prompts), "the reference must not be shown to the model"
    both = [Scripted(name).system for name in ("base", "tuned")]
    store = Replies(tmp_path / "replies.jsonl", both)
    answers = Answers({s.name: store.ask(s, scorer.probes().prompts, 2, lambda n: None) for s in both})
    made = scorer.score(answers).details
    assert made["drawn_from"] == 5
    assert len({r["group"] for r in made["replies"]}) == 3
    for shown in made["replies"]:
        assert shown["messages"][-1]["role"] == "user"
        assert shown["replies"]["tuned"] == f"tuned to {shown['messages'][0]['content']}"
        assert shown["reference"].split()[1] == shown["messages"][0]["content"].split()[1]
    assert len(Samples(suite_of(known, 99)).chosen) == 5
    assert Samples(suite_of([])).score(Answers({"base": []})).details["replies"] == []


@dataclass(frozen=True)
class Length:
    """A scorer as anybody may write one."""

    suite: Suite
    name = "length"
    validated = False

    def probes(self) -> Probes:
        return Probes(prompts=[c.question for c in self.suite.held_out.answerable[:2]])

    def score(self, answers: Answers) -> Scores:
        return Scores([Score("words", who, len(r), None, None, len(r)) for who, r in answers.replies.items()])


def test_every_scorer_writes_a_result_of_its_name(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCORERS, "length", Length)
    asked_of(quick(run, only=("length",)), [Scripted("base").system], print)
    result = read_json(run.results / "length.json")
    score = {"name": "words", "system": "base", "value": 2, "low": None, "high": None, "n": 2, "unscored": 0}
    assert result["scores"] == [score]
    assert result["adapter_sha256"]
    assert "results/length.json" in (run.path / "report.html").read_text()


def test_the_help_names_every_scorer() -> None:
    said = inspect.getsource(EvaluateSettings).split("only: tuple")[1].split('"""')[1]
    assert f"({', '.join(SCORERS)})" in said


def test_a_score_of_nothing_has_no_value() -> None:
    with pytest.raises(ValueError, match="if, and only if, something was scored"):
        Score("words", "base", 0.0, None, None, 0)
    with pytest.raises(ValueError, match="if, and only if, something was scored"):
        Score("words", "base", None, None, None, 3)
    with pytest.raises(ValueError, match="both ends or neither"):
        Score("words", "base", 1.0, 0.5, None, 3)
