"""Write what the encoder is trained on: the labelled messages as the screen reads them, with their targets.

    python tools/screening/examples.py OUT.json.gz [--more FILE.jsonl...] [--measure NAME=FILE.jsonl...]

``--more`` adds labelled messages that are not in the folders (``{"text", "level", "categories"}`` a line),
``--measure`` sets of conversations whose logits are wanted, one a message of the person; nothing is learned from those.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from messages import Labelled, read

from counsel.conversation import Message
from counsel.safety.screening.classifier import ACTS, CATEGORY_OUTPUTS, LEVEL_OUTPUTS, OUTPUTS
from counsel.safety.screening.rules import load
from counsel.safety.screening.windows import passages, windows
from counsel.safety.verdict import Level

PLAIN = ("safe_talk", "safe_everyday", "turns", "plain_distress", "longer_plain")
"""Files whose messages without risk are put beside others, as people say several things in one breath."""


def is_aside(message: Labelled) -> bool:
    """Whether a message is kept for calibration and thresholds: one in eight, by the hash of its talk or of itself."""
    return int(hashlib.sha256(message.group.encode()).hexdigest(), 16) % 8 == 0


def pairs(before: Sequence[Message], text: str) -> list[tuple[str, str]]:
    """Context and window, for each window of a message."""
    words = load().reader.read(text)
    return [tuple(p.split("\n", 1)) for p in passages(before, windows([text], words))] or [("", text)]  # type: ignore[misc]


def read_as(message: Labelled) -> list[tuple[str, str]]:
    """Every passage of a labelled message: of each of its turns, behind those before."""
    before = [Message(role, text) for role, text in message.before]  # type: ignore[arg-type]
    found = []
    for turn in message.turns:
        found += pairs(before, turn)
        before.append(Message("user", turn))
    return found


def targets(m: Labelled) -> list[float]:
    """In the order of ``OUTPUTS``; -1 where nobody said."""
    levels = [float(m.level >= Level[name]) for name in LEVEL_OUTPUTS]
    times = [float(m.time == name) for name in ("past", "hypothetical")]
    acts = [float(m.act == name) if m.act != "-" else -1.0 for name in ACTS]
    return [*levels, *(float(c in m.categories) for c in CATEGORY_OUTPUTS), float(m.subject == "other"), *times, *acts]


def more(paths: Iterable[Path]) -> list[Labelled]:
    """Labelled messages from elsewhere."""
    found = []
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.append(Labelled(path.stem, Level[row["level"]], tuple(row["categories"]), row.get("subject", "self"),
                                  row.get("time", "present"), "-", (row["text"],)))  # fmt: skip
    return found


def measured(path: Path) -> list[list[tuple[str, str]]]:
    """The passages of each message of the person, in the file's order."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        messages = [Message(m["role"], m["content"]) for m in json.loads(line)["messages"]]
        rows += [pairs(messages[:i], m.content) for i, m in enumerate(messages) if m.role == "user"]
    return rows


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--measure", nargs="*", default=[])
    chosen = parser.parse_args()
    found = read() + more(chosen.more)
    data: dict[str, Any] = {"outputs": OUTPUTS, "train": [], "aside": [], "contexts": [], "plain": [], "sets": {}}
    for m in found:
        row = {"passages": read_as(m), "targets": targets(m), "level": int(m.level), "file": m.file}
        data["aside" if is_aside(m) else "train"].append(row)
        if not (is_aside(m) or m.level):
            if m.before:
                data["contexts"].append(row["passages"][0][0])
            if m.file in PLAIN and len(m.turns) == 1 and len(m.text.split()) < 40:
                data["plain"].append(m.text)
    for named in chosen.measure:
        name, _, path = named.partition("=")
        data["sets"][name] = measured(Path(path))
    with gzip.open(chosen.out, "wt", encoding="utf-8", compresslevel=9) as f:
        json.dump(data, f, ensure_ascii=False)
    print({k: len(v) for k, v in data.items()}, chosen.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
