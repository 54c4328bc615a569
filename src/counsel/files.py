"""Files that are whole or not there: one way to write them, one lock, one digest, one error for a failed write."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from counsel.errors import CounselError

_PAUSE = 0.005
"""Seconds between two attempts to take a lock."""


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees the old file or the new one, never a part.

    Raises:
        CounselError: when the place cannot be written; the old file is then what it was.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(part, "wb") as f:
                f.write(content.encode() if isinstance(content, str) else content)
                f.flush()
                os.fsync(f.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as e:
        raise unwritable(path, e) from e


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically. NaN and infinity are refused."""
    write_atomically(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        CounselError: when it is missing, cannot be read, or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise CounselError("the file is missing", where=path, fix="check the path, or make the run again") from e
    except OSError as e:
        raise CounselError(f"the file cannot be read: {e.strerror or e}", where=path, fix="check the path") from e
    except (ValueError, RecursionError) as e:
        raise CounselError(f"the file is not JSON: {e}", where=path, fix="restore it or make the run again") from e


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def sync(folder: Path) -> None:
    """Write every file of a folder through to the disk; else a power cut soon after a rename could leave it empty."""
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def unwritable(path: Path, error: OSError, *, needs: str = "") -> CounselError:
    """The error for a place that could not be written, with the reason that the system gave.

    Args:
        path: the place.
        error: what the system said.
        needs: how much room the work takes, in words, for a disk that is full.
    """
    fix = "choose a directory that you may write to"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        fix = f"free some space{needs and f' ({needs})'} and run it again"
    elif error.errno is None:  # a library's own error says less than the system's does
        fix = "free some space, or choose a directory that you may write to"
    return CounselError(f"could not write: {error.strerror or error}", where=path, fix=fix)


@contextmanager
def lock(path: Path, busy: CounselError, *, patience: float = 0.0) -> Iterator[None]:
    """Lock ``path`` against other processes and threads; the lock ends with its holder, however that ends.

    Args:
        path: the lock's own empty file, made here and taken away at the end.
        busy: raised when somebody else holds the lock; its place is also named when the file cannot be made.
        patience: seconds to wait before ``busy`` is raised.

    Raises:
        CounselError: ``busy``, or when the file cannot be made.
    """
    deadline = time.monotonic() + patience
    try:
        while not (handle := _try_lock(path)):
            if time.monotonic() >= deadline:
                raise busy
            time.sleep(_PAUSE)
    except OSError as e:  # no such directory, or a file system without locks
        raise unwritable(Path(busy.where or path), e) from e
    with handle:
        try:
            yield
        finally:
            with suppress(OSError):
                path.unlink()


def _try_lock(path: Path) -> IO[str] | None:
    """The locked file, or None while somebody else holds it."""
    while True:
        handle = open(path, "a")  # noqa: SIM115 - held by the caller
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(handle.fileno()).st_ino == path.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass
        except OSError as e:
            handle.close()
            if isinstance(e, BlockingIOError):
                return None
            raise
        handle.close()  # its holder deleted the file after we opened it, so a lock on it would keep nobody out
