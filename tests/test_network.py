"""Nothing calls home: whole commands run under a watch that sees, and stops, every look at the network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .train.conftest import command, prepared  # noqa: F401 - a fixture

WATCH = """
import os, sys
def hook(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = str(arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
    else:
        return
    if host not in ("127.0.0.1", "::1", "localhost"):
        print("CALLED", host, file=sys.stderr, flush=True)
        raise OSError("the network is closed")
sys.addaudithook(hook)
"""
RUN = WATCH + "from counsel.cli import main; sys.exit(main(sys.argv[1:]))"
PING = WATCH + "from trl import SFTConfig, SFTTrainer; from huggingface_hub.utils import send_telemetry as s; s('a')\n"
FETCH = "def get_kernel(*a, **k):\n    import socket\n    socket.create_connection(('hub.example', 443))\n"


def watched(program: str, *arguments: str, packages: Path | None = None) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    path = os.pathsep.join(filter(None, (str(packages or ""), clean.get("PYTHONPATH", ""))))
    argv = [sys.executable, "-c", program, *arguments]
    return subprocess.run(argv, env=clean | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=200)


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """A package ``kernels`` that goes to the network, as the real one would."""
    (tmp_path / "packages" / "kernels").mkdir(parents=True)
    (tmp_path / "packages" / "kernels" / "__init__.py").write_text(FETCH)
    return tmp_path / "packages"


def test_training_calls_nobody(tiny_base: Path, prepared: Path, tmp_path: Path, kernels: Path) -> None:  # noqa: F811
    done = watched(RUN, *command(tiny_base, prepared, tmp_path / "run", ("--max-steps", "2")), packages=kernels)
    assert done.returncode == 0, done.stderr
    assert "CALLED" not in done.stderr


@pytest.mark.slow
def test_the_whole_main_job_calls_nobody(tiny_base: Path, prepared: Path, tmp_path: Path, kernels: Path) -> None:  # noqa: F811
    run = tmp_path / "run"
    assert watched(RUN, *command(tiny_base, prepared, run, ("--max-steps", "2")), packages=kernels).returncode == 0
    for arguments in (
        ("prepare", str(prepared.parent / "raw.jsonl"), "--out", str(tmp_path / "d"), "--tokenizer", str(tiny_base)),
        ("evaluate", "--run", str(run)),
        ("card", "--run", str(run)),
        ("chat", "--run", str(run), "--max-new-tokens", "3"),
    ):
        done = watched(RUN, *arguments, packages=kernels)
        assert done.returncode == 0, done.stderr
        assert "CALLED" not in done.stderr, arguments


def test_the_watch_sees_a_ping_that_is_not_silenced() -> None:
    assert "CALLED huggingface.co" in watched(PING + "import time; time.sleep(1)").stderr


def test_the_watch_sees_a_kernel_being_fetched(kernels: Path) -> None:
    fetch = WATCH + "import kernels; kernels.get_kernel('a')"
    assert "CALLED hub.example" in watched(fetch, packages=kernels).stderr
