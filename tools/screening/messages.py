"""The labelled messages that the screen's classifier is trained on: reading them, and checking that none repeats.

One message a line in ``messages/*.txt``: ``LEVEL|categories|subject|time|text`` with N, L, M, H or I for the level and
⏎ between the turns of a conversation. All were written for this project, with none of the held-out sets in sight.

    python tools/screening/messages.py        # counts, format, near-duplicates, also against the held-out sets
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from counsel.safety.verdict import CATEGORIES, Level
from counsel.text import words

HERE = Path(__file__).parent
FOLDER = HERE / "messages"
HELD_OUT = HERE.parents[1] / "benchmarks" / "screening"
LEVELS = dict(zip("NLMHI", Level, strict=True))
MOST_ALIKE = 0.5
"""Jaccard similarity of two messages' words."""
MOST_CLOSE = 0.9
"""Cosine of their vectors, by the sentence model as it comes."""


@dataclass(frozen=True)
class Labelled:
    """A message, or several turns of one person, with its labels."""

    file: str
    level: Level
    categories: tuple[str, ...]
    subject: str
    turns: tuple[str, ...]

    @property
    def text(self) -> str:
        """All turns in one."""
        return " ".join(self.turns)


def read(folder: Path = FOLDER) -> list[Labelled]:
    """Every message in the folder's files.

    Raises:
        ValueError: naming the line that does not keep the format.
    """
    found: list[Labelled] = []
    for path in sorted(folder.glob("*.txt")):
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            level, categories, subject, _, text = line.split("|", 4)
            named = () if categories == "-" else tuple(categories.split(","))
            if level not in LEVELS or set(named) - set(CATEGORIES) or not text.strip():
                raise ValueError(f"{path}:{n}: {line[:60]}")
            found.append(Labelled(path.stem, LEVELS[level], named, subject, tuple(t.strip() for t in text.split("⏎"))))
    return found


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
        "training ~ training, words": alike(texts),
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
