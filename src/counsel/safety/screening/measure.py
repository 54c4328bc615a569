"""``counsel screen --evaluate``: how often the screen is right, with intervals, and how fast; rules beside both tiers.

A file has a labelled conversation a line: ``{"messages": […], "manner": "oblique", "expect": {"level": "low",
"categories": ["suicide"]}}``. A conversation is *raised* when its verdict is low or higher. Sensitivity is the share of
those with a level that are raised, specificity the share of those without that are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from counsel.conversation import Message, json_value, messages_of
from counsel.errors import CounselError
from counsel.safety.screening.classifier import Probabilities, classifier
from counsel.safety.screening.screen import Screen
from counsel.safety.verdict import CATEGORIES, Level, Verdict
from counsel.statistics import wilson

Say = Callable[[str], None]
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)


@dataclass(frozen=True)
class Labelled:
    """A conversation with what its writer says of it."""

    messages: tuple[Message, ...]
    level: Level
    categories: tuple[str, ...]
    manner: str

    @property
    def turns(self) -> list[str]:
        """What the person wrote."""
        return [m.content for m in self.messages if m.role == "user"]


@dataclass
class _Recorder:
    """The classifier, remembering the highest probability of a conversation."""

    highest: float = 0.0

    def __call__(self, texts: Sequence[str]) -> list[Probabilities]:
        found = classifier()(texts)
        self.highest = max([self.highest, *(p.levels[0] for p in found)])
        return found


@dataclass
class Tier:
    """What one way of screening said, in the order of the examples."""

    name: str
    verdicts: list[Verdict] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)


def read_labelled(path: Path) -> list[Labelled]:
    """The conversations of a file.

    Raises:
        CounselError: naming the line that cannot be read.
    """
    found = []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as e:
        raise CounselError(f"the file cannot be read: {e}", where=path, fix="check its name and encoding") from e
    for n, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            value = json_value(line)
            expect = value["expect"]
            categories = tuple(expect.get("categories", ()))
            if set(categories) - set(CATEGORIES):
                raise ValueError(f"there is no category called {sorted(set(categories) - set(CATEGORIES))[0]}")
            manner = str(value.get("manner", "unnamed"))
            found.append(Labelled(tuple(messages_of(value)), Level[expect["level"]], categories, manner))
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            fix = 'give {"messages": […], "manner": "…", "expect": {"level": "low", "categories": ["suicide"]}}'
            raise CounselError(f"this line is not a labelled conversation: {e}", where=f"{path}:{n}", fix=fix) from e
    if not found:
        raise CounselError("there is nothing to measure on", where=path, fix="give labelled conversations")
    return found


def judged(examples: Sequence[Labelled], tier: Tier, with_classifier: bool, say: Say) -> Tier:
    """Screen every example, timing each."""
    recorder = _Recorder() if with_classifier else None
    screen = Screen(classify=recorder, remembered=0)  # each is read and timed, met before or not
    screen(examples[0].messages)  # loads what is loaded once
    for n, example in enumerate(examples, 1):
        if recorder:
            recorder.highest = 0.0
        start = time.perf_counter()
        tier.verdicts.append(screen(example.messages))
        tier.milliseconds.append(1000 * (time.perf_counter() - start))
        tier.probabilities.append(recorder.highest if recorder else float("nan"))
        if n % 500 == 0:
            say(f"{tier.name}: {n} of {len(examples)}")
    return tier


def measure(paths: Sequence[Path], rules_only: bool, say: Say) -> str:
    """The whole report, in Markdown."""
    examples = [e for path in paths for e in read_labelled(path)]
    tiers = [judged(examples, Tier("rules"), False, say)]
    if not rules_only:
        tiers.append(judged(examples, Tier("both tiers"), True, say))
    parts = [
        f"{len(examples)} conversations: {sum(e.level > 0 for e in examples)} with risk, "
        f"{sum(e.level == 0 for e in examples)} without. Share raised (low or higher), 95 % Wilson interval.",
        _table("all", _rows(examples, lambda e: ["with risk" if e.level else "without risk"]), tiers),
        _table("by manner", _rows(examples, lambda e: [e.manner]), tiers),
        _table("by level", _rows(examples, lambda e: [e.level.name], list(Level.__members__)), tiers),
        _table("by category", _rows(examples, lambda e: e.categories if e.level else (), CATEGORIES), tiers),
        *(_confusion(examples, tier) for tier in tiers),
        *(_calibration(examples, tier) for tier in tiers[1:]),
        _latency(examples, tiers),
    ]
    return "\n\n".join(parts)


def share(flags: Iterable[bool]) -> str:
    """A share with its counts and interval."""
    known = list(flags)
    interval = wilson(sum(known), len(known))
    if interval is None:
        return "-"
    return f"{sum(known) / len(known):.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def _rows(
    examples: Sequence[Labelled], names: Callable[[Labelled], Iterable[str]], order: Sequence[str] = ()
) -> dict[str, list[int]]:
    """The examples' numbers under each of their names."""
    rows: dict[str, list[int]] = {name: [] for name in order}
    for i, example in enumerate(examples):
        for name in names(example):
            rows.setdefault(name, []).append(i)
    return {name: numbers for name, numbers in rows.items() if numbers}


def _table(title: str, rows: dict[str, list[int]], tiers: Sequence[Tier]) -> str:
    lines = [f"| {title} | n | " + " | ".join(t.name for t in tiers) + " |", "| --- | --- |" + " --- |" * len(tiers)]
    for name, numbers in rows.items():
        cells = (share(t.verdicts[i].level > 0 for i in numbers) for t in tiers)
        lines.append(f"| {name} | {len(numbers)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _confusion(examples: Sequence[Labelled], tier: Tier) -> str:
    head = " | ".join(v.name for v in Level)
    lines = [f"| {tier.name}: labelled, down; said, across | {head} |", "| --- |" + " --- |" * len(Level)]
    for level in Level:
        said = [v.level for e, v in zip(examples, tier.verdicts, strict=True) if e.level == level]
        lines.append(f"| {level.name} | " + " | ".join(str(said.count(v)) for v in Level) + " |")
    return "\n".join(lines)


def _calibration(examples: Sequence[Labelled], tier: Tier) -> str:
    lines = ["| classifier's probability of risk | n | mean | share with risk |", "| --- | --- | --- | --- |"]
    pairs = [(p, e.level > 0) for p, e in zip(tier.probabilities, examples, strict=True)]
    for low, high in zip(BINS, BINS[1:], strict=False):
        inside = [(p, r) for p, r in pairs if low <= p < high or p == high == 1.0]
        if inside:
            mean = sum(p for p, _ in inside) / len(inside)
            lines.append(f"| {low:.1f} to {high:.1f} | {len(inside)} | {mean:.2f} | {share(r for _, r in inside)} |")
    brier = sum((p - r) ** 2 for p, r in pairs) / len(pairs)
    return "\n".join([*lines, f"\nBrier score {brier:.3f}"])


def _latency(examples: Sequence[Labelled], tiers: Sequence[Tier]) -> str:
    length = sorted(sum(map(len, e.turns)) for e in examples)
    lines = [f"Median length {length[len(length) // 2]} characters. Milliseconds a conversation:"]
    for tier in tiers:
        order = sorted(tier.milliseconds)
        lines.append(f"- {tier.name}: median {order[len(order) // 2]:.1f}, p95 {order[int(0.95 * len(order))]:.1f}")
    return "\n".join(lines)
