"""The demonstration, whole: what `make demo` does after installing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from counsel.cli import main


@pytest.mark.slow
def test_the_demonstration_shows_that_tuning_helps(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "counsel.cli", "demo", "--out", str(tmp_path / "demo")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "demo" / "run"
    loss = json.loads((run / "results" / "loss.json").read_text())
    assert loss["relative"]["share"] >= 0.15 and loss["relative"]["interval"][0] > 0
    assert (run / "report.html").is_file() and (run / "README.md").is_file()
    assert "before" in done.stderr and "counsel chat --run" in done.stderr


def test_it_leaves_a_directory_that_it_did_not_make_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["demo", "--out", str(tmp_path)]) == 2
    assert "this directory holds something that no demonstration made" in capsys.readouterr().err
    assert (tmp_path / "mine.txt").read_text() == "keep"
