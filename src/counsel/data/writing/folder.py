"""A directory that appears whole or not at all: built beside its place, then renamed into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from counsel.data.prepared import MADE
from counsel.errors import CounselError
from counsel.files import lock, sync, unwritable


@contextmanager
def building(out: Path, overwrite: bool) -> Iterator[Path]:
    """A new empty directory. At the end of the block it stands at ``out``; after an error nothing stands there.

    Args:
        out: where the result is to stand.
        overwrite: whether an earlier result there may be replaced.

    Raises:
        CounselError: when ``out`` is taken, cannot be written, or another process is making it.
    """
    out = Path(os.path.abspath(out))
    part, old = out.with_name(out.name + ".partial"), out.with_name(out.name + ".old")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        busy = CounselError(
            "another process is preparing this directory", where=out, fix="wait for it, or choose another --out"
        )
        with lock(out.with_name(f".{out.name}.lock"), busy):
            if old.exists() and not out.exists():  # killed between the two renames of an overwrite
                os.rename(old, out)
            _refuse(out, overwrite)
            _remove(part)
            part.mkdir()
            try:
                yield part
                sync(part)
                if out.exists():
                    _remove(old)
                    os.rename(out, old)
                os.rename(part, out)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as e:
        raise unwritable(out, e, needs="the work needs about twice the size of the input") from e


def _refuse(out: Path, overwrite: bool) -> None:
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / MADE).is_file():
        raise CounselError(
            "this place already holds something that is not prepared data", where=out, fix="choose another --out"
        )
    if not overwrite:
        raise CounselError(
            "this directory already holds prepared data", where=out, fix="add --overwrite, or choose another --out"
        )


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
