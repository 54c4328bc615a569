"""The command line: help without torch, origins of settings, and mistakes that name their mend."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from counsel.cli import COMMANDS, main, origins
from counsel.train.recipes import RECIPES, load_recipe
from counsel.train.settings import TrainSettings

HEAVY = {"torch", "transformers", "trl", "peft", "bitsandbytes", "datasets", "matplotlib", "numpy", "pyarrow", "jinja2"}


@pytest.mark.parametrize("argv", [["--help"], *([command, "--help"] for command in COMMANDS)])
def test_help_imports_nothing_heavy(argv: list[str]) -> None:
    look = "import sys; from counsel.cli import main; code = main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", look, *argv], capture_output=True, text=True)
    assert done.returncode == 0 and "Usage: counsel" in done.stdout
    assert not HEAVY & set(done.stderr.split())


def test_every_setting_has_help() -> None:
    for command, settings in COMMANDS.items():
        shown = subprocess.run(
            [sys.executable, "-m", "counsel.cli", command, "--help"], capture_output=True, text=True
        ).stdout
        for field in fields(settings):
            flag = "--" + field.name.replace("_", "-")
            line = next(line for line in shown.splitlines() if f" {flag} " in line)
            assert len(line.replace("│", "").split(flag)[1].split()) > 1, f"{command} {flag} says nothing"


def test_every_recipe_holds_settings_of_train() -> None:
    names = {f.name for f in fields(TrainSettings)}
    recipes = sorted(p.stem for p in RECIPES.glob("*.toml"))
    assert recipes == ["card", "counsel", "tiny"]
    for name in recipes:
        values = load_recipe(name)
        assert set(values) <= names
        TrainSettings(run=Path("r"), data=("d",), **values)


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *flags: str) -> tuple[TrainSettings, dict[str, str]]:
    """What ``counsel train`` would run with."""
    import counsel.train.run

    seen: list[TrainSettings] = []
    monkeypatch.setattr(counsel.train.run, "train", lambda asked, say: seen.append(asked.settings))
    assert main(["train", "--run", "r", "--data", "d", *flags]) == 0
    return seen[0], dict(origins.chosen)


def test_flag_beats_file_beats_recipe_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[train]\nrows = 2\nlearning_rate = 1e-3\nfour_bit = false\n")
    settings, came_from = asked(tmp_path, monkeypatch, "--config", str(file), "--recipe", "card", "--rows", "8")
    assert (settings.rows, came_from["rows"]) == (8, "flag")
    assert (settings.learning_rate, came_from["learning_rate"]) == (1e-3, "mine.toml")
    assert (settings.four_bit, came_from["four_bit"]) == (False, "mine.toml")
    assert (settings.max_length, came_from["max_length"]) == (256, "recipe card")
    assert (settings.weight_decay, came_from["weight_decay"]) == (0.0, "default")


def test_a_file_may_choose_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[train]\nrecipe = "card"\n')
    settings, came_from = asked(tmp_path, monkeypatch, "--config", str(file))
    assert (settings.recipe, settings.max_length, came_from["max_length"]) == ("card", 256, "recipe card")


def test_the_cards_recipe_is_the_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = asked(tmp_path, monkeypatch, "--recipe", "card")
    stated = {
        "rank": 16, "alpha": 32, "targets": "attention", "max_length": 256, "padding": "max-length", "rows": 1,
        "accumulate": 4, "epochs": 3.0, "learning_rate": 2e-5, "schedule": "linear", "precision": "fp16",
        "four_bit": True,
    }  # fmt: skip
    assert {name: getattr(settings, name) for name in stated} == stated


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[train]\nlerning_rate = 1\n", "did you mean learning_rate?"),
        ("[prepare]\nlearning_rate = 1\n", "learning_rate belongs under [train]"),
        ("[trian]\nrows = 1\n", "did you mean [train]?"),
        ("rows = 1\n", "put it under [train]"),
        ("[train]\nrows = 'many'\n", "many"),
        ("[train\n", "cannot be read"),
        (None, "the configuration file does not exist"),
    ],
)
def test_a_mistake_in_a_file_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, said: str
) -> None:
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_text(content)
    assert main(["train", "--run", "r", "--data", "d", "--config", str(file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and "fix: " in error


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["trian"], "train"),
        (["train", "--run", "r"], "--data"),
        (["train", "--run", "r", "--data", "d", "--lerning-rate", "1"], "--learning-rate"),
        (["train", "--run", "r", "--data", "d", "--rows", "x"], "--rows"),
        (["prepare", "x.csv", "--out", "o", "--valid-share", "2"], "--valid-share"),
        (["evaluate", "--run", "/nowhere"], "/nowhere"),
        (["card", "--run", "/nowhere"], "/nowhere"),
        (["chat", "--run", "/nowhere"], "/nowhere"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_to_do(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and "fix: " in error and "Traceback" not in error


def test_a_broken_pipe_is_no_crash() -> None:
    script = f"{sys.executable} -m counsel.cli train --help | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_settings_survive_as_json() -> None:
    from dataclasses import asdict

    settings = TrainSettings(run=Path("r"), data=("a", "b"))
    assert json.loads(json.dumps(asdict(settings), default=str))["data"] == ["a", "b"]
