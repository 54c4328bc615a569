"""Bases and data sets by hub id: the path a real user takes, against a local hub."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .hub import Hub, serve
from .train.conftest import command, prepared  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    """A data set repository with the card's two columns."""
    home = tmp_path / "dataset"
    home.mkdir()
    rows = [{"Context": f"question {i} about work", "Response": f"answer {i} about rest"} for i in range(40)]
    (home / "data.json").write_text("".join(json.dumps(r) + "\n" for r in rows))
    return home


def counsel(hub: Hub | None, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    endpoint = hub.endpoint if hub else "http://127.0.0.1:9"  # nobody listens there: the network is down
    environment = clean | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home / "cache")}
    argv = [sys.executable, "-m", "counsel.cli", *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=240)


def test_a_run_by_hub_id(tiny_base: Path, conversations: Path, tmp_path: Path) -> None:
    with serve(Hub({"models/acme/tiny": tiny_base, "datasets/acme/talks": conversations})) as hub:
        data, run = tmp_path / "data", tmp_path / "run"
        done = counsel(hub, tmp_path, "prepare", "acme/talks", "--out", str(data), "--tokenizer", "acme/tiny")
        assert done.returncode == 0, done.stderr
        assert sum(
            json.loads((data / "audit.json").read_text())["files"][f]["rows"] for f in ("train.jsonl", "eval.jsonl")
        )
        done = counsel(hub, tmp_path, *command(Path("acme/tiny"), data, run, ("--max-steps", "2")))
        assert done.returncode == 0, done.stderr
        assert (
            json.loads((run / "adapter" / "adapter_config.json").read_text())["base_model_name_or_path"] == "acme/tiny"
        )
        assert any("model.safetensors" in asked for asked in hub.asked)


@pytest.mark.parametrize("trouble", ["missing", "gated", "broken", "down"])
def test_trouble_with_the_hub_is_told(
    tiny_base: Path,
    prepared: Path,  # noqa: F811
    tmp_path: Path,
    trouble: str,
) -> None:
    base = "acme/nothing" if trouble == "missing" else "acme/tiny"
    gated = {"models/acme/tiny"} if trouble == "gated" else set()
    broken = 1000 if trouble == "broken" else None
    with serve(Hub({"models/acme/tiny": tiny_base}, gated, broken)) as hub:
        began = time.monotonic()
        reached = None if trouble == "down" else hub
        done = counsel(reached, tmp_path, *command(Path(base), prepared, tmp_path / "run", ("--max-steps", "2")))
    assert done.returncode == 2, done.stderr
    assert "error: " in done.stderr and base in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "adapter").exists()
    assert time.monotonic() - began < 90


def test_a_missing_data_set_is_told(tiny_base: Path, tmp_path: Path) -> None:
    with serve(Hub({})) as hub:
        done = counsel(
            hub, tmp_path, "prepare", "acme/nothing", "--out", str(tmp_path / "d"), "--tokenizer", str(tiny_base)
        )
    assert done.returncode == 2, done.stderr
    assert "acme/nothing" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "d").exists()
