"""A prepared directory stands there whole or not at all, whatever stops the work."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from counsel.data import prepare as preparing
from counsel.data.prepared import Prepared
from counsel.errors import CounselError

from ..conftest import Prepare, many, write_lines


def test_an_occupied_place_is_refused(run: Prepare, source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    run(source)  # an empty directory is free
    before = (tmp_path / "out/train.jsonl").read_bytes()
    with pytest.raises(CounselError, match="already holds prepared data.*--overwrite"):
        run(source, seed=1)
    assert (tmp_path / "out/train.jsonl").read_bytes() == before
    run(source, seed=1, overwrite=True)
    assert (tmp_path / "out/train.jsonl").read_bytes() != before
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("years")
    with pytest.raises(CounselError, match="already holds something that is not prepared data"):
        run(source, out=other, overwrite=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "mine", "out"]


def test_an_error_leaves_an_earlier_result_alone(run: Prepare, source: Path, tmp_path: Path) -> None:
    run(source)
    before = (tmp_path / "out/train.jsonl").read_bytes()
    with source.open("a") as f:
        f.write("{oops\n")
    with pytest.raises(CounselError, match="not valid JSON"):
        run(source, overwrite=True)
    assert (tmp_path / "out/train.jsonl").read_bytes() == before


def test_a_full_disk_is_told_and_leaves_nothing(
    run: Prepare, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(preparing, "write_files", full)
    with pytest.raises(CounselError, match="No space left on device.*free some space"):
        run(source)
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_place_that_cannot_be_made(run: Prepare, source: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CounselError, match="could not write"):
        run(source, out=tmp_path / "file" / "out")


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
        process.send_signal(signal.SIGSTOP)  # on a busy machine it could be done before we come to ask
        try:
            with pytest.raises(CounselError, match="another process is preparing"):
                run(source, out=out)
        finally:
            process.send_signal(signal.SIGCONT)
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
