"""Real processes, really killed: a resumed run ends in bitwise the same adapter as one never killed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from counsel.files import sha256_of
from counsel.records import Run
from counsel.train.checkpoints import checkpoints

from .conftest import command

pytestmark = pytest.mark.slow

FLAGS = ("--dropout", "0.1", "--epochs", "2", "--save-steps", "3", "--valid-steps", "4")
DIE_WRITING = """
import os, signal, sys
from counsel.train import trainer
real = trainer.SafeTrainer._save_rng_state
def die(self, directory):
    if self.state.global_step == 6:
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, directory)
trainer.SafeTrainer._save_rng_state = die
from counsel.cli import main
sys.exit(main(sys.argv[1:]))
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def start(tiny_base: Path, prepared: Path) -> Start:
    def go(run: Path, *flags: str, program: str = "", **options: object) -> subprocess.Popen[str]:
        python = [sys.executable, *(["-c", program] if program else ["-m", "counsel.cli"])]
        argv = command(tiny_base, prepared, run, (*FLAGS, *flags))
        return subprocess.Popen([*python, *argv], stderr=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]

    return go


@pytest.fixture(scope="module")
def undisturbed(start: Start, tmp_path_factory: pytest.TempPathFactory) -> str:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    process = start(run)
    assert process.wait(120) == 0, process.stderr.read()  # type: ignore[union-attr]
    return sha256_of(run / "adapter" / "adapter_model.safetensors")


def wait_for_step(run: Path, step: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while max((m["step"] for m in Run(run).metrics()), default=0) < step:
        assert process.poll() is None and time.monotonic() < deadline, "it ended before it could be killed"
        time.sleep(0.002)


def finish(start: Start, run: Path) -> str:
    process = start(run, "--resume")
    assert process.wait(120) == 0, process.stderr.read()  # type: ignore[union-attr]
    return sha256_of(run / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("step", [1, 5, 10, 13])
def test_killed_at_a_step(start: Start, undisturbed: str, tmp_path: Path, step: int) -> None:
    run = tmp_path / "run"
    process = start(run)
    wait_for_step(run, step, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not Run(run).is_finished
    assert finish(start, run) == undisturbed
    taken = [m for m in Run(run).metrics() if "loss" in m]
    assert [m["step"] for m in taken] == list(range(1, len(taken) + 1)), "no step is recorded twice or lost"
    for counted in ("tokens", "seconds"):
        values = [m[counted] for m in taken]
        assert values == sorted(set(values)), f"{counted} go on from where they were"


def test_killed_while_a_checkpoint_is_written(start: Start, undisturbed: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(run, program=DIE_WRITING)
    assert process.wait(120) == -signal.SIGKILL
    assert list(Run(run).checkpoints.glob(".part-6")), "it died in mid-write"
    assert [p.name for p in checkpoints(Run(run).checkpoints)] == ["checkpoint-3", "checkpoint-4"]
    assert finish(start, run) == undisturbed
    assert not list(Run(run).checkpoints.glob(".part-*"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_keeps_a_checkpoint(
    start: Start, undisturbed: str, tmp_path: Path, number: signal.Signals
) -> None:
    run = tmp_path / "run"
    process = start(run)
    wait_for_step(run, 7, process)
    process.send_signal(number)
    assert process.wait(60) == 1
    said = process.stderr.read()  # type: ignore[union-attr]
    assert "as asked, with a checkpoint" in said and "--resume" in said and "Traceback" not in said
    last = max(m["step"] for m in Run(run).metrics())
    assert checkpoints(Run(run).checkpoints)[-1].name == f"checkpoint-{last}"
    assert finish(start, run) == undisturbed


def test_a_full_disk_loses_nothing(start: Start, undisturbed: str, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def small_files() -> None:  # a file-size limit fails a write just as a full disk does
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))

    process = start(run, preexec_fn=small_files)
    assert process.wait(120) == 2
    said = process.stderr.read()  # type: ignore[union-attr]
    assert "error: could not write" in said and "Traceback" not in said
    assert not checkpoints(Run(run).checkpoints) and not list(Run(run).checkpoints.glob(".part*"))
    assert finish(start, run) == undisturbed


def test_an_unwritable_place_is_told(start: Start, tmp_path: Path) -> None:
    if os.geteuid() == 0:  # root may write anywhere: a file in the way stands for it
        (tmp_path / "way").write_text("")
        process = start(tmp_path / "way" / "run")
    else:
        tmp_path.chmod(0o500)
        process = start(tmp_path / "run")
    assert process.wait(60) == 2
    assert "error: could not write" in process.stderr.read()  # type: ignore[union-attr]
