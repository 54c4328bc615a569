"""No encoding keeps a number from a person, or a person's words from being heard."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from counsel.printing import NEAR, speak_any_encoding

from .evaluate.finished_run import make_run

speak_any_encoding()


def command(*argv: str, encoding: str, text: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    return subprocess.run(
        [sys.executable, "-m", "counsel.cli", *argv], input=text, capture_output=True, env=environment, timeout=120
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Línea 024 — “ahora”…", b'Linea 024 - "ahora"...'),
        ("e\u0301, ß, Łódź, ½", b"e, ss, Lodz, 1/2"),
        ("९८८ and ٩١١", b"988 and 911"),
        ("नमस्ते \ud800", b"????? ?"),
    ],
)
def test_what_cannot_be_shown_is_shown_as_near_as_can_be(said: str, shown: bytes) -> None:
    assert said.encode("ascii", NEAR) == shown
    assert "Línea — ¿?".encode("latin-1", NEAR) == "Línea - ¿?".encode("latin-1")


@pytest.mark.parametrize(("encoding", "name"), [("ascii", b"Linea 024"), ("latin-1", "Línea 024".encode("latin-1"))])
def test_helplines_are_shown_in_any_encoding(encoding: str, name: bytes) -> None:
    done = command("helplines", "ES", encoding=encoding)
    assert done.returncode == 0 and done.stderr == b""
    assert name + b": call 024." in done.stdout and b"call 112" in done.stdout


@pytest.mark.parametrize("argv", [("--help",), ("train", "--help")])
def test_help_is_shown_in_ascii(argv: tuple[str, ...]) -> None:
    done = command(*argv, encoding="ascii")
    assert done.returncode == 0 and b"Usage: counsel" in done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("printing")).path


@pytest.mark.parametrize("typed", ["Je suis là, é. I want to kill myself", "I want to kill myself"])
@pytest.mark.parametrize("written", ["utf-8", "latin-1"])
def test_a_person_is_heard_and_answered_in_ascii(finished: Path, typed: str, written: str) -> None:
    done = command(
        "chat", "--run", str(finished), "--country", "US", encoding="ascii", text=f"{typed}\n/quit\n".encode(written)
    )
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert b"could not be read" not in done.stdout and b"988" in done.stdout
