"""The front door: a dozen names with whole docstrings, nothing heavy before they are used, and their notebook."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import counsel
from counsel import door

NOTEBOOK = Path(__file__).parents[1] / "docs" / "notebook.ipynb"


def test_there_are_at_most_a_dozen_names_and_each_is_there() -> None:
    assert len(counsel.__all__) <= 12
    for name in counsel.__all__:
        assert getattr(counsel, name).__doc__, name
    assert set(counsel.__all__) <= set(dir(counsel))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        counsel.nonsense  # noqa: B018


def test_each_function_says_what_it_takes_gives_and_raises() -> None:
    functions = [f for n in counsel.__all__ if inspect.isfunction(f := getattr(counsel, n))]
    assert len(functions) == 7
    for function in functions:
        said = function.__doc__ or ""
        assert "Args:" in said and "Raises:" in said, function.__name__
        named = set(inspect.signature(function).parameters)
        assert all(f"{name}:" in said for name in named), function.__name__


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "torch transformers numpy peft trl datasets cyclopts".split()
    code = f"import sys, counsel; counsel.CounselError; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: door.prepare_data("x", out="y", max_lenght=3),
            "no setting called max_lenght; fix: did you mean max_length",
        ),
        (lambda: door.train_run(data="x", run="y", recipe="tiny", rank="many"), "refused"),
        (lambda: door.train_run(data="x", run="y", recipe="tinny"), "no recipe called tinny"),
        (lambda: door.train_run(data="x", run="y", recipe="tiny", schedule="square"), "schedule must be one of linear"),
        (lambda: door.screen_messages([{"role": "user"}]), "cannot be read"),
        (lambda: door.find_helplines("England"), "country code"),
        (lambda: door.evaluate_run("/nowhere"), "no run here"),
    ],
)
def test_a_mistake_is_told_as_the_commands_tell_it(call: Any, message: str) -> None:
    with pytest.raises(counsel.CounselError, match=message):
        call()


def test_messages_may_be_a_text_or_a_list() -> None:
    assert door.screen_messages("i want to kill myself", rules_only=True).action == "protocol"
    asked = [{"role": "assistant", "content": "Are you thinking about suicide?"}, {"role": "user", "content": "yes"}]
    assert door.screen_messages(asked, rules_only=True).level.name == "moderate"


@pytest.mark.slow
def test_the_notebook_does_the_main_job(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cells = ["".join(c["source"]) for c in json.loads(NOTEBOOK.read_text())["cells"] if c["cell_type"] == "code"]
    space: dict[str, Any] = {}
    for cell in cells:
        exec(compile(cell, str(NOTEBOOK), "exec"), space)
    shown = capsys.readouterr().out
    assert "this one 0%" in shown and "adapter_config.json" in shown
    assert "base: " in shown and "tuned: " in shown
    assert "[protocol]" in shown and "suicide" in shown
    assert space["card"].is_file()
