"""A run directory: what was asked, where it ran, what came out.

``settings.json``, ``environment.json``, ``data.json``, ``metrics.jsonl``, ``checkpoints/``, ``adapter/``,
``results/*.json``, ``report.html``, ``README.md``. A run is finished once ``adapter/`` is there: it is put
in place last, by one rename.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from counsel.errors import CounselError
from counsel.files import lock, read_json, unwritable, write_atomically

PACKAGES = (
    "counsel",
    "torch",
    "transformers",
    "trl",
    "peft",
    "bitsandbytes",
    "accelerate",
    "datasets",
    "tokenizers",
)


def environment() -> dict[str, Any]:
    """Versions, machine, GPU and commit of this process, for ``environment.json``."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": platform.machine(),
        "cpu_cores": len(os.sched_getaffinity(0)),
        "gpu": _gpu(),
        "packages": packages,
        "commit": _commit(),
    }


def _gpu() -> dict[str, Any] | None:
    import torch

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "memory_gib": round(properties.total_memory / 2**30, 1),
        "capability": f"{properties.major}.{properties.minor}",
        "cuda": torch.version.cuda,
    }


def _commit() -> str | None:
    """The commit of the checkout that this code runs from, with ``-changed`` when it has edits; else None."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    git = ["git", "-C", str(here)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10)
        edits = subprocess.run([*git, "status", "--porcelain", "src"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return head.stdout.strip() + ("-changed" if edits.stdout.strip() else "") if head.returncode == 0 else None


class Run:
    """One run directory.

    Args:
        path: the directory; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """A run that exists.

        Raises:
            CounselError: when there is no run at ``path``.
        """
        run = cls(path)
        if not (run.path / "settings.json").is_file():
            raise CounselError("there is no run here", where=path, fix="make one with `counsel train --run DIR`")
        return run

    @classmethod
    def open_finished(cls, path: str | Path) -> Run:
        """A run whose training has finished.

        Raises:
            CounselError: when there is none at ``path``, or it is not finished.
        """
        run = cls.open(path)
        if not run.is_finished:
            raise CounselError(
                "this run has not finished training", where=path, fix="go on with `counsel train --resume`"
            )
        return run

    @property
    def adapter(self) -> Path:
        """The trained adapter, with tokenizer and chat template."""
        return self.path / "adapter"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints are kept while training."""
        return self.path / "checkpoints"

    @property
    def results(self) -> Path:
        """Where evaluations put their JSON."""
        return self.path / "results"

    @property
    def is_finished(self) -> bool:
        """Whether training has ended and the adapter is in place."""
        return (self.adapter / "adapter_config.json").is_file()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that ``counsel train`` was given, each value resolved (``values`` in ``settings.json``)."""
        values: dict[str, Any] = read_json(self.path / "settings.json")["values"]
        return values

    def begin(self) -> None:
        """Make the directories of a new run.

        Raises:
            CounselError: when the place cannot be written.
        """
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
            self.results.mkdir(exist_ok=True)
        except OSError as e:
            raise unwritable(self.path, e) from e

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run for this process; the lock ends with the process, however that ends.

        Raises:
            CounselError: when another process holds it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise unwritable(self.path, e) from e
        busy = CounselError(
            "another process is using this run", where=self.path, fix="wait for it, or choose another --run"
        )
        with lock(self.path / ".lock", busy):
            yield

    def log(self, line: Mapping[str, Any]) -> None:
        """Append one line to ``metrics.jsonl``."""
        try:
            with open(self.path / "metrics.jsonl", "a", encoding="utf-8") as f:
                f.write(json.dumps(line, allow_nan=False) + "\n")
        except OSError as e:
            raise unwritable(self.path / "metrics.jsonl", e) from e

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of ``metrics.jsonl``; a last line cut short by a crash is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
        return [json.loads(line) for line in lines]

    def rewind(self, step: int) -> None:
        """Forget the metrics after optimizer step ``step``, as resuming from that step needs."""
        kept = [json.dumps(m) + "\n" for m in self.metrics() if m["step"] <= step]
        write_atomically(self.path / "metrics.jsonl", "".join(kept))

    def put(self, built: Path, name: str) -> None:
        """Move the directory ``built`` to ``name`` in the run, by one rename."""
        target = self.path / name
        try:
            if target.exists():
                shutil.rmtree(target)
            os.replace(built, target)
        except OSError as e:
            raise unwritable(target, e) from e
