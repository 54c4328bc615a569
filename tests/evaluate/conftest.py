from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from counsel.records import Run

from .finished_run import make_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One finished run, not evaluated; read only."""
    return make_run(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def run(finished: Run, tmp_path: Path) -> Run:
    """A copy of the finished run, to be written to."""
    return Run(shutil.copytree(finished.path, tmp_path / "run"))
