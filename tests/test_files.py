"""What is written is whole or not there; what is locked is held by one."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from counsel import files
from counsel.errors import CounselError
from counsel.files import lock, read_json, sha256_of, unwritable, write_atomically, write_json

SOURCE = Path(files.__file__).parent
BUSY = CounselError("somebody is here", where="the room", fix="wait")


def test_what_cannot_be_written_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a"
    write_atomically(place, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(place, "\ud800")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(CounselError, match=r"could not write: No space left on device \(.*a\); fix: free some space"):
        write_atomically(place, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"] and place.read_text() == "old"


def test_a_stopped_writing_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a", "new")
    assert not list(tmp_path.iterdir())


def test_json_there_and_back(tmp_path: Path) -> None:
    place = tmp_path / "a.json"
    write_json(place, {"é": [1, None]})
    assert read_json(place) == {"é": [1, None]} and "é" in place.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(place, float("nan"))
    assert read_json(place) == {"é": [1, None]}


@pytest.mark.parametrize("content", ["", "{", "\xff", "[" * 200_000])
def test_what_is_no_json_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(CounselError, match=r"not JSON: .*a\.json"):
        read_json(tmp_path / "a.json")


def test_a_json_file_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    with pytest.raises(CounselError, match="the file is missing"):
        read_json(tmp_path / "nowhere")
    with pytest.raises(CounselError, match="cannot be read: Is a directory"):
        read_json(tmp_path)


def test_the_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_the_advice_fits_the_reason() -> None:
    full = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert unwritable(Path("a"), full).fix == "free some space and run it again"
    assert (
        unwritable(Path("a"), full, needs="twice the input").fix == "free some space (twice the input) and run it again"
    )
    assert unwritable(Path("a"), PermissionError(errno.EACCES, "Permission denied")).fix == (
        "choose a directory that you may write to"
    )
    assert "free some space, or choose" in unwritable(Path("a"), OSError("the writer failed")).fix


def test_a_lock_keeps_others_out_and_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / ".lock"
    with lock(place, BUSY):
        assert place.read_bytes() == b""
        with pytest.raises(CounselError, match="somebody is here"), lock(place, BUSY):
            raise AssertionError("it was held by two")
    assert not place.exists()
    with pytest.raises(RuntimeError), lock(place, BUSY):
        raise RuntimeError
    with lock(place, BUSY):
        pass


def test_a_lock_that_was_taken_away_while_it_was_opened_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, real, taken = tmp_path / ".lock", files.fcntl.flock, []

    def late(handle: object, how: int) -> None:
        if not taken:  # the holder before us ends here, and its file goes with it
            taken.append(place.unlink())
        real(handle, how)  # type: ignore[arg-type]

    monkeypatch.setattr(files.fcntl, "flock", late)
    with lock(place, BUSY):
        assert place.exists()
        with pytest.raises(CounselError, match="somebody is here"), lock(place, BUSY):
            raise AssertionError("it was held by two")


def test_a_lock_in_no_directory_names_what_it_was_for(tmp_path: Path) -> None:
    with pytest.raises(CounselError, match=r"could not write: No such file.*\(the room\)"):  # noqa: SIM117
        with lock(tmp_path / "nowhere" / ".lock", BUSY):
            raise AssertionError("it was held")


COUNT = """
import sys
from pathlib import Path
from counsel.errors import CounselError
from counsel.files import lock
place = Path(sys.argv[1])
for _ in range(50):
    with lock(place.with_name(".lock"), CounselError("busy", fix="wait"), patience=60):
        place.write_text(str(int(place.read_text()) + 1))
"""


def test_a_patient_lock_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    place = tmp_path / "count"
    place.write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNT, place]) for _ in range(3)]
    assert [p.wait() for p in processes] == [0, 0, 0]
    assert place.read_text() == "150" and [p.name for p in tmp_path.iterdir()] == ["count"]


def test_locks_and_digests_of_files_are_made_here_alone() -> None:
    elsewhere = {
        str(p.relative_to(SOURCE))
        for p in SOURCE.rglob("*.py")
        if re.search(r"fcntl|file_digest|hashlib\.\w+\(\w+\.read_bytes", p.read_text(encoding="utf-8"))
    }
    assert elsewhere == {"files.py"}
