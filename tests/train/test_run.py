"""The life of a run: begun, finished, resumed, refused; what it writes, and what it never opens."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from counsel.cli import main
from counsel.files import sha256_of
from counsel.records import Run
from counsel.train import dry_run
from counsel.train.objective import Task
from counsel.train.settings import TrainSettings

from .conftest import Train, command


def test_a_run_leaves_what_the_contract_says(train: Train) -> None:
    run = train("run", "--recipe", "tiny")
    for name in ("settings.json", "environment.json", "data.json", "metrics.jsonl", "results/training.json"):
        assert (run.path / name).is_file(), name
    assert run.is_finished
    origins = json.loads((run.path / "settings.json").read_text())["origins"]
    assert (origins["rows"], origins["schedule"], origins["weight_decay"]) == (
        "flag",
        "recipe tiny",
        "default",
    )
    summary = json.loads((run.results / "training.json").read_text())
    assert summary["steps"] == max(m["step"] for m in run.metrics())
    assert summary["best_valid_loss"] == min(m["valid_loss"] for m in run.metrics() if "valid_loss" in m)
    assert not list(run.path.glob(".adapter*")) and not list(run.checkpoints.glob(".part*"))


def test_the_adapter_is_the_best_checkpoint(train: Train) -> None:
    run = train("run", "--learning-rate", "0.5", "--valid-steps", "2", "--epochs", "3")
    summary = json.loads((run.results / "training.json").read_text())
    assert summary["best_step"] < summary["steps"], "the rate was meant to be ruinous"
    best = run.checkpoints / f"checkpoint-{summary['best_step']}" / "adapter_model.safetensors"
    assert sha256_of(best) == sha256_of(run.adapter / "adapter_model.safetensors")


def test_it_stops_early_when_told_to(train: Train) -> None:
    run = train("run", "--learning-rate", "0.5", "--valid-steps", "2", "--epochs", "9", "--patience", "2")
    summary = json.loads((run.results / "training.json").read_text())
    assert summary["stopped"] == "early"
    assert summary["steps"] == summary["best_step"] + 4


def test_adapters_are_fp32_masters(train: Train) -> None:
    from safetensors.torch import load_file

    tensors = load_file(str(train("run").adapter / "adapter_model.safetensors"))
    assert {t.dtype for t in tensors.values()} == {torch.float32}
    assert any(t.abs().max() > 0 for name, t in tensors.items() if "lora_B" in name)


def test_train_never_opens_the_eval_set(tiny_base: Path, prepared: Path, tmp_path: Path) -> None:
    watch = (
        "import sys\n"
        "def hook(event, args):\n"
        "    if event == 'open' and 'eval.jsonl' in str(args[0]): print('OPENED', args[0]); sys.stdout.flush()\n"
        "sys.addaudithook(hook)\n"
        "from counsel.cli import main\n"
        "code = main(sys.argv[1:])\n"
        f"open({str(prepared / 'eval.jsonl')!r}).close() if '--watch-yourself' in sys.argv else None\n"
        "sys.exit(code)\n"
    )
    argv = command(tiny_base, prepared, tmp_path / "run", ("--max-steps", "2"))
    done = subprocess.run([sys.executable, "-c", watch, *argv], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "OPENED" not in done.stdout
    caught = subprocess.run(
        [sys.executable, "-c", watch, "--version", "--watch-yourself"], capture_output=True, text=True
    )
    assert "OPENED" in caught.stdout, "the watch itself must be able to catch it"


def test_resume_on_a_finished_run_changes_nothing(train: Train) -> None:
    run = train("run")
    before = {p: sha256_of(p) for p in sorted(run.path.rglob("*")) if p.is_file()}
    train("run", "--resume")
    assert before == {p: sha256_of(p) for p in sorted(run.path.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("flags", [(), ("--learning-rate", "0.5", "--epochs", "9", "--patience", "2")])
def test_killed_before_the_adapter_was_in_place_it_is_put_there(train: Train, flags: tuple[str, ...]) -> None:
    run = train("run", "--valid-steps", "2", *flags)
    before = sha256_of(run.adapter / "adapter_model.safetensors")
    summary = json.loads((run.results / "training.json").read_text())
    shutil.rmtree(run.adapter)
    train("run", "--valid-steps", "2", "--resume", *flags)
    assert sha256_of(run.adapter / "adapter_model.safetensors") == before
    again = json.loads((run.results / "training.json").read_text())
    kept = ("steps", "epochs", "train_loss", "best_step", "best_valid_loss", "stopped")
    assert {k: again[k] for k in kept} == {k: summary[k] for k in kept}


def test_resume_on_an_empty_run_starts_it(train: Train) -> None:
    assert train("run", "--resume", "--max-steps", "2").is_finished


def test_a_run_is_not_begun_twice(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    train("run", "--max-steps", "1")
    train("run", "--max-steps", "1", expect=2)
    assert "there is a finished run here" in capsys.readouterr().err


def test_a_resumed_run_keeps_its_settings_and_its_data(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("run", "--max-steps", "2")
    (run.adapter / "adapter_config.json").unlink()  # as if it had not finished
    train("run", "--max-steps", "2", "--resume", "--seed", "9", expect=2)
    assert "seed was 0 and is now 9" in capsys.readouterr().err
    train("run", "--max-steps", "2", "--resume", "--rows", "8", expect=2)
    assert "keep the product of --rows and --accumulate" in capsys.readouterr().err
    environment = json.loads((run.path / "environment.json").read_text())
    environment["data"]["sha256"]["train.jsonl"] = "0"
    (run.path / "environment.json").write_text(json.dumps(environment))
    train("run", "--max-steps", "2", "--resume", expect=2)
    assert "the prepared data has changed" in capsys.readouterr().err


def test_a_run_in_use_is_left_alone(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Run(tmp_path / "run").lock():
        train("run", expect=2)
    assert "another process is using this run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--base", "/nowhere/at/all"), "could be loaded"),
        (("--data", "/nowhere/at/all.jsonl"), "/nowhere/at/all.jsonl"),
        (("--run", "/proc/counsel"), "could not write"),
        (("--rows", "0"), "--rows must be above 0"),
        (("--sede", "1"), "--seed"),
        (("--recipe", "cart"), "cart"),
        (("--max-length", "3"), "--max-length"),
        (("--log-to", "mlflow"), "pip install mlflow"),
    ],
)
def test_mistakes_are_told_and_exit_with_2(
    tiny_base: Path,
    prepared: Path,
    tmp_path: Path,
    flags: tuple[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = command(tiny_base, prepared, tmp_path / "run", flags)
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert "error: " in error and "fix: " in error and said in error
    assert "Traceback" not in error


def test_a_base_without_chat_template_is_refused(
    tiny_base: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(tiny_base, plain)
    (plain / "chat_template.jinja").unlink()
    assert main(command(plain, prepared, tmp_path / "run", ())) == 2
    assert "no chat template" in capsys.readouterr().err
    assert not (tmp_path / "run" / "adapter").exists()


def test_data_that_was_touched_is_refused(
    tiny_base: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(prepared, copy)
    lines = (copy / "train.jsonl").read_text().splitlines(keepends=True)
    (copy / "train.jsonl").write_text("".join(lines[1:] + lines[:1]))
    assert main(command(tiny_base, copy, tmp_path / "run", ())) == 2
    assert "has changed since it was prepared" in capsys.readouterr().err


def test_dry_run_measures_and_leaves_nothing(train: Train, capsys: pytest.CaptureFixture[str]) -> None:
    run = train("run", "--dry-run")
    said = capsys.readouterr().err
    assert "learning_rate = 0.005  (flag)" in said and "schedule = cosine  (recipe counsel)" in said
    assert "optimizer steps of 4 conversations" in said
    assert "one step at the longest batch" in said and "memory at that step" in said
    assert not run.path.exists()


def test_a_dry_run_goes_on_in_less_memory_too(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = dry_run.set_up

    def set_up(task: Task, settings: TrainSettings, *rest: Any) -> Any:
        if settings.memory == "auto":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(task, settings, *rest)

    monkeypatch.setattr(dry_run, "set_up", set_up)
    train("run", "--dry-run", "--memory", "auto", "--max-steps", "2")
    said = capsys.readouterr().err
    assert "going on with --memory balanced" in said and "one step at the longest batch" in said


def test_a_dry_run_over_files_leaves_nothing_either(train: Train, prepared: Path) -> None:
    run = train("run", "--data", str(prepared.parent / "raw.jsonl"), "--dry-run", "--max-steps", "2")
    assert not run.path.exists()


def test_the_cards_own_snippet_loads_the_adapter(train: Train) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run = train("run", "--max-steps", "2")
    tokenizer = AutoTokenizer.from_pretrained(run.adapter)
    model = AutoModelForCausalLM.from_pretrained(run.adapter, device_map="auto")
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "i feel sad"}], return_tensors="pt", return_dict=True
    )
    assert any("lora" in name for name, _ in model.named_parameters())
    assert model.generate(**ids, max_new_tokens=3, do_sample=False).shape[1] == ids["input_ids"].shape[1] + 3
    assert tokenizer.padding_side == "left"


def test_metrics_go_to_the_tracker_that_was_asked_for(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import types

    from transformers import TrainerCallback, integrations

    seen: list[str] = []

    class Tracker(TrainerCallback):
        def on_log(
            self, args: object, state: object, control: object, logs: dict[str, float], **kwargs: object
        ) -> None:
            seen.extend(logs)

    monkeypatch.setitem(sys.modules, "mlflow", types.ModuleType("mlflow"))
    monkeypatch.setattr("counsel.train.run.find_spec", lambda name: True)
    monkeypatch.setitem(integrations.integration_utils.INTEGRATION_TO_CALLBACK, "mlflow", Tracker)
    train("run", "--max-steps", "2", "--log-to", "mlflow")
    assert {"loss", "grad_norm", "learning_rate", "eval_loss"} <= set(seen)
