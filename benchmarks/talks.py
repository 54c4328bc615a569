"""How often whole talks are interrupted, and how often grave ones are found: screened turn by turn, as chat does.

    python benchmarks/talks.py --talks FILE.jsonl... [--thresholds 0.7 0.8 0.9] [--rules]
    python benchmarks/talks.py --talks ordinary.jsonl --list 20        # talks acted on, with the turn, in full

A line is ``{"messages": [{"role": "user", "content": "…"}, …], "expect"?: {"level": "high"}}``. After each message of
the person the verdict on the talk so far is taken. A talk is *seen* when it was ever low or higher, *acted on* when it
was ever moderate or higher; a threshold is the probability from which the classifier acts. Where a file has labels, its
grave talks and the others are shown apart. Each window is read once, so another threshold costs the rules only.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from counsel.conversation import Message
from counsel.safety.screening.classifier import Probabilities, classifier
from counsel.safety.screening.measure import share
from counsel.safety.screening.screen import THRESHOLDS, Screen
from counsel.safety.verdict import Level, Verdict


@dataclass(frozen=True)
class Talk:
    """A conversation, and what its label says."""

    name: str
    messages: tuple[Message, ...]
    grave: bool | None


@dataclass(frozen=True)
class Course:
    """What the screen said over a talk: the highest level, and the first turn (from 1) that was seen and acted on."""

    talk: Talk
    highest: Level
    seen: int
    acted: int
    by: str


class Once:
    """The classifier, asked once for each text."""

    def __init__(self) -> None:
        self.known: dict[str, Probabilities] = {}

    def __call__(self, texts: Sequence[str]) -> list[Probabilities]:
        """As the classifier."""
        new = [t for t in dict.fromkeys(texts) if t not in self.known]
        self.known.update(zip(new, classifier()(new) if new else (), strict=True))
        return [self.known[t] for t in texts]


def read(path: Path) -> list[Talk]:
    """The talks of a file."""
    talks = []
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        expect = row.get("expect")
        messages = tuple(Message(m["role"], m["content"]) for m in row["messages"])
        grave = Level[expect["level"]] > Level.none if expect else None
        talks.append(Talk(str(row.get("id", n)), messages, grave))
    return talks


def verdicts(screen: Screen, talk: Talk) -> Iterator[Verdict]:
    """The verdict after each message of the person."""
    for end, message in enumerate(talk.messages, 1):
        if message.role == "user":
            yield screen(talk.messages[:end])


def course(screen: Screen, talk: Talk) -> Course:
    """Screen a talk from its first word to its last."""
    highest, seen, acted, by = Level.none, 0, 0, "-"
    for turn, verdict in enumerate(verdicts(screen, talk), 1):
        if verdict.level and not seen:
            seen, by = turn, verdict.by
        if verdict.level >= Level.moderate and not acted:
            acted, by = turn, verdict.by
        highest = max(highest, verdict.level)
    return Course(talk, highest, seen, acted, by)


def parts(name: str, talks: Sequence[Talk]) -> dict[str, list[Talk]]:
    """A file's talks, apart by label where it has labels."""
    if all(t.grave is None for t in talks):
        return {name: list(talks)}
    apart = {
        f"{name}, {word}": [t for t in talks if t.grave is flag] for word, flag in (("grave", True), ("not", False))
    }
    return {title: members for title, members in apart.items() if members}


def row(title: str, threshold: str, courses: Sequence[Course]) -> str:
    """One line of the table."""
    acted = [c for c in courses if c.acted]
    by = Counter(c.by for c in acted)
    turns = sorted(c.acted for c in acted)
    middle = str(turns[len(turns) // 2]) if turns else "-"
    seen, led = share(c.seen > 0 for c in courses), share(c.acted > 0 for c in courses)
    cells = [title, threshold, str(len(courses)), seen, led,
             ", ".join(f"{k} {v}" for k, v in by.most_common()) or "-", middle]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def excerpt(found: Course) -> str:
    """The message that was acted on, or the talk's last where none was."""
    spoken = [m.content for m in found.talk.messages if m.role == "user"]
    at = found.acted or len(spoken)
    return f"- {found.talk.name}, turn {at} of {len(spoken)}, {found.highest.name} by {found.by}: {spoken[at - 1]!r}"


def main() -> None:
    """Screen everything at every threshold; print tables and, if wanted, the talks behind them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--talks", type=Path, nargs="+", required=True)
    parser.add_argument("--thresholds", type=float, nargs="*", default=[])
    parser.add_argument("--rules", action="store_true", help="show the rules alone too")
    parser.add_argument("--list", type=int, default=0, help="so many talks acted on, or grave and missed, in full")
    chosen = parser.parse_args()
    once = Once()
    screens = {"as shipped": Screen(classify=once)}
    screens |= {f"{t:g}": Screen(classify=once, thresholds=(min(t, THRESHOLDS[0]), t, t, t)) for t in chosen.thresholds}
    if chosen.rules:
        screens["rules alone"] = Screen(classify=None)
    print(
        "| talks | threshold | n | seen | acted on | first acted on by | median turn |",
        "| --- |" + " --- |" * 6,
        sep="\n",
    )
    listed = []
    for path in chosen.talks:
        for title, talks in parts(path.stem, read(path)).items():
            for name, screen in screens.items():
                courses = [course(screen, t) for t in talks]
                print(row(title, name, courses), flush=True)
                if name == "as shipped":
                    wrong = [c for c in courses if bool(c.acted) != bool(c.talk.grave)]
                    listed += [f"\n{title}:", *map(excerpt, wrong[: chosen.list])] if chosen.list else []
    print("\n".join(listed))


if __name__ == "__main__":
    main()
