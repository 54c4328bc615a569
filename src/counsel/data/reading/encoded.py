"""A file's text, unpacked where it is packed, and what keeps a line of it from being proper text."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import IO


def open_bytes(path: Path) -> IO[bytes]:
    """A file's bytes, unpacked when they are gzip."""
    f = open(path, "rb")  # noqa: SIM115 - the caller closes it
    if f.peek(2)[:2] == b"\x1f\x8b":
        return gzip.open(f)  # type: ignore[return-value]
    return f


def open_text(path: Path) -> IO[str]:
    """A file's text with its line ends; bytes that are not UTF-8 become lone surrogates, to be reported by row."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", errors="surrogateescape", newline="")


def text_problem(text: str) -> str:
    """Why a raw line is not proper text, or an empty string."""
    if "\0" in text:
        return "the line holds a NUL byte"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "the line is not UTF-8 text"
    return ""
