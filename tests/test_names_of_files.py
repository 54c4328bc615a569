"""Every file of the project that a document, the head of a TOML file or a docstring names is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    p.relative_to(ROOT).as_posix()
    for top in ("src", "tests", "tools", "benchmarks", "docs")
    for p in (ROOT / top).rglob("*.*")
]
FILES += [p.name for p in ROOT.iterdir()]
ROOMS = "src|tests|tools|benchmarks|docs|safety|data|model|train|evaluate|chat|publish|report|demo"
NAMED = re.compile(rf"(?<![\w./:~-])((?:{ROOMS})/[\w./-]*\w\.(?:py|toml|md|jsonl|txt)|\w+\.py)\b")


def said_in(path: Path) -> Iterator[str]:
    """The words for readers: a document whole, a TOML file's comments, the docstrings of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield text
    elif path.suffix == ".toml":
        yield from (line for line in text.splitlines() if line.lstrip().startswith("#"))
    else:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield ast.get_docstring(node) or ""


READ = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "src").rglob("*.toml"),
    *(ROOT / "src").rglob("*.py"),
]


@pytest.mark.parametrize("path", READ, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_file_that_is_named_is_there(path: Path) -> None:
    named = {name for said in said_in(path) for name in NAMED.findall(said)}
    assert [n for n in sorted(named) if not any(f == n or f.endswith(f"/{n}") for f in FILES)] == []
