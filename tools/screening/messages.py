"""The labelled messages that the screen's classifier is trained on: reading them, and checking that none repeats.

A line is ``LEVEL|categories|subject|time|act|text``, with N, L, M, H or I for none to imminent and ⏎ between turns.
Three folders, by what the label is of:

- ``messages/``: of all the turns together, the highest;
- ``turns/``: of the last turn, given those before it; where both speak, a turn begins with ``P:`` or ``A:``;
- ``talks/``: whole talks, ``A: …`` and ``P LEVEL|categories|subject|time|act: …``, a label at each turn of the
  person.

All were written for this project, with none of the held-out sets in sight.

    python tools/screening/messages.py        # counts, format, near-duplicates, also against the held-out sets
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np

from counsel.safety.screening.classifier import ACTS
from counsel.safety.verdict import CATEGORIES, Level, Subject, Time
from counsel.text import words

HERE = Path(__file__).parent
FOLDER = HERE / "messages"
FOLDERS = (FOLDER, HERE / "turns", HERE / "talks")
HELD_OUT = HERE.parents[1] / "benchmarks" / "screening"
LEVELS = dict(zip("NLMHI", Level, strict=True))
MOST_ALIKE = 0.5
"""Jaccard similarity of two messages' words."""
MOST_CLOSE = 0.9
"""Cosine of their vectors, by the sentence model as it comes."""

Said = tuple[str, str]
"""Who, ``user`` or ``assistant``, and what."""


@dataclass(frozen=True)
class Labelled:
    """A message, or several turns of one person, with its labels and what was said before."""

    file: str
    level: Level
    categories: tuple[str, ...]
    subject: str
    time: str
    act: str
    """One of ``ACTS``, or ``-`` where nobody said."""
    turns: tuple[str, ...]
    before: tuple[Said, ...] = ()
    talk: str = ""
    """The name of the whole talk that it is a turn of."""

    @property
    def group(self) -> str:
        """What must not be parted when some are kept aside."""
        return self.talk or (self.before[0][1] if self.before else self.text)

    @property
    def text(self) -> str:
        """All turns in one."""
        return " ".join(self.turns)


def read(folders: tuple[Path, ...] = FOLDERS) -> list[Labelled]:
    """Every message in the folders' files.

    Raises:
        ValueError: naming the line that does not keep the format.
    """
    return [m for folder in folders for path in sorted(folder.glob("*.txt")) for m in _file(path)]


def _file(path: Path) -> Iterator[Labelled]:
    before: list[Said] = []
    talk = ""
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            if path.parent.name == "talks":
                if line.startswith("#"):
                    before, talk = [], f"{path.stem} {n}"
                elif line.startswith("A:"):
                    before.append(("assistant", line[2:].strip()))
                else:
                    label, text = re.fullmatch(r"P ([^:]+): (.+)", line).groups()  # type: ignore[union-attr]
                    yield _labelled(path.stem, label, (text.strip(),), tuple(before), talk)
                    before.append(("user", text.strip()))
            else:
                *labels, text = line.split("|", 5)
                label = "|".join(labels)
                turns = [_said(t.strip()) for t in text.split("⏎")]
                if path.parent.name == "turns":
                    yield _labelled(path.stem, label, (turns[-1][1],), tuple(turns[:-1]))
                else:
                    yield _labelled(path.stem, label, tuple(said for _, said in turns), ())
        except (ValueError, AttributeError, IndexError) as e:
            raise ValueError(f"{path}:{n}: {line[:60]}") from e


def _said(turn: str) -> Said:
    found = re.fullmatch(r"([AP]): ?(.+)", turn)
    return ("assistant" if found[1] == "A" else "user", found[2]) if found else ("user", turn)


def _labelled(file: str, label: str, turns: tuple[str, ...], before: tuple[Said, ...], talk: str = "") -> Labelled:
    level, categories, subject, time, act = label.split("|")
    named = () if categories == "-" else tuple(categories.split(","))
    known = set(named) <= set(CATEGORIES) and subject in get_args(Subject) and time in get_args(Time)
    if level not in LEVELS or not known or act not in (*ACTS, "-") or not all(turns):
        raise ValueError(label)
    return Labelled(file, LEVELS[level], named, subject, time, act, turns, before, talk)


def alike(texts: list[str], others: list[str] | None = None) -> Iterator[tuple[float, str, str]]:
    """Pairs whose sets of words have a Jaccard similarity above a half; with ``others``, pairs across the two."""
    sets = [frozenset(words(t).split()) for t in texts]
    against = sets if others is None else [frozenset(words(t).split()) for t in others]
    named = texts if others is None else others
    by_word: dict[str, list[int]] = {}
    for i, members in enumerate(against):
        for word in members:
            by_word.setdefault(word, []).append(i)
    for i, members in enumerate(sets):
        shared = Counter(j for word in members for j in by_word.get(word, ()) if others is not None or j < i)
        for j, count in shared.items():
            similarity = count / (len(members) + len(against[j]) - count)
            if similarity > MOST_ALIKE:
                yield similarity, texts[i], named[j]


def close(texts: list[str], others: list[str]) -> Iterator[tuple[float, str, str]]:
    """Pairs across the two whose sentence vectors point the same way."""
    from counsel.model.embed import embedder

    def vectors(lines: list[str]) -> np.ndarray:
        order = sorted(range(len(lines)), key=lambda i: len(lines[i]))
        made = np.zeros((len(lines), 384), np.float32)
        for at in range(0, len(order), 64):
            chosen = order[at : at + 64]
            made[chosen] = embedder()([lines[i] for i in chosen])
        return made

    similarity = vectors(texts) @ vectors(others).T
    for i, j in np.argwhere(similarity > MOST_CLOSE):
        yield float(similarity[i, j]), texts[i], others[j]


def main() -> int:
    """Print what there is and what repeats."""
    from counsel.safety.screening.measure import read_labelled

    found = read()
    print(len(found), "messages", dict(Counter(m.level.name for m in found)))
    print(dict(Counter(c for m in found for c in m.categories)))
    texts = [m.text for m in found]
    held = [" ".join(x.turns) for x in read_labelled(HELD_OUT / "english.jsonl")]
    checks = {
        # Short turns and minimal pairs are alike on purpose.
        "messages ~ messages, words": alike([m.text for m in read((FOLDER,))]),
        "training ~ held out, words": alike(texts, held),
        "held out ~ held out, words": alike(held),
        "training ~ held out, vectors": close(texts, held),
    }
    wrong = 0
    for name, pairs in checks.items():
        listed = list(pairs)
        wrong += len(listed)
        print(f"{name}: {len(listed)} pairs too alike")
        for similarity, a, b in listed:
            print(f"  {similarity:.2f} {a!r} ~ {b!r}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
