from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from counsel.records import Run

from ..evaluate.finished_run import give_results, make_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One finished run with results; read only."""
    return give_results(make_run(tmp_path_factory.mktemp("finished")))


@pytest.fixture
def run(finished: Run, tmp_path: Path) -> Run:
    """A copy of the finished run, to be written to."""
    return Run(shutil.copytree(finished.path, tmp_path / "my_run"))
