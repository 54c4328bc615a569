"""What every test shares: a closed network, and a base small enough to load in a moment."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from counsel.model.load import be_quiet

be_quiet()  # before any test module imports the libraries that would call home

# The same examples on every run and machine: a check that fails here fails everywhere.
settings.register_profile("counsel", derandomize=True, deadline=None)
settings.load_profile("counsel")

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(autouse=True)
def closed_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that connects to anything but this machine."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise AssertionError(f"a test tried to reach {address}")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    yield


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a random model and its tokenizer."""
    from .fakes import save_base

    return save_base(tmp_path_factory.mktemp("base"))
