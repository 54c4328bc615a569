"""Pictures for the report: lines are SVG, which stretches; labels are text, which does not.

The picture fills whatever width there is, on a telephone as on a desk; a picture drawn with its labels inside
would shrink them with it. Colours are the page's, so that it also works in the dark.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

POINTS = 300
"""A line has at most this many points; a longer run is averaged in bins."""

Point = tuple[float, float]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers that span ``low`` to ``high``."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def smooth(points: Sequence[Point], share: float = 0.06) -> list[Point]:
    """A running mean over the neighbours within ``share`` of the whole line."""
    half = max(1, round(len(points) * share / 2))
    means = []
    for i, (x, _) in enumerate(points):
        near = points[max(0, i - half) : i + half + 1]
        means.append((x, sum(y for _, y in near) / len(near)))
    return means


def thin(points: Sequence[Point]) -> list[Point]:
    """At most ``POINTS`` points, each the mean of its bin."""
    size = -(-len(points) // POINTS) or 1
    bins = [points[i : i + size] for i in range(0, len(points), size)]
    return [(sum(x for x, _ in b) / len(b), sum(y for _, y in b) / len(b)) for b in bins]


def curves(metrics: Sequence[dict[str, Any]], best_step: int | None) -> Markup:
    """The training loss by step, its running mean, and the valid loss where it was measured."""
    train = thin([(m["step"], m["loss"]) for m in metrics if "loss" in m])
    valid = [(m["step"], m["valid_loss"]) for m in metrics if m.get("valid_loss") is not None]
    every = train + valid
    if not every:
        return Markup("")
    across = ticks(0, max(x for x, _ in every))
    up = ticks(min(y for _, y in every), max(y for _, y in every))
    if len(up) == 1:
        up = [up[0] - 1, up[0], up[0] + 1]

    def place(points: Sequence[Point]) -> list[Point]:
        width, height = across[-1] or 1, up[-1] - up[0]
        return [(100 * x / width, 100 * (up[-1] - y) / height) for x, y in points]

    lines = [_line("grid", [(0, y), (100, y)]) for _, y in place([(0, t) for t in up])]
    lines += [_line("train", place(train)), _line("mean", place(smooth(train)))]
    if valid:
        lines += [_line("valid", place(valid)), _dots("valid-dot", place(valid))]
    best = [p for p in valid if p[0] == best_step]
    if best:
        lines.append(_dots("best-dot", place(best)))
    labels = [_label("y", f"top:{y:.2f}%", f"{t:g}") for t, (_, y) in zip(up, place([(0, t) for t in up]), strict=True)]
    labels += [
        _label("x", f"left:{x:.2f}%", f"{t:,g}")
        for t, (x, _) in zip(across, place([(t, 0) for t in across]), strict=True)
    ]
    told = _told(train, valid)
    return Markup(
        '<div class="plot" role="img" aria-label="{}"><svg viewBox="0 0 100 100" preserveAspectRatio="none" '
        'aria-hidden="true">{}</svg>{}</div>'
    ).format(told, Markup("").join(lines), Markup("").join(labels))


def _told(train: Sequence[Point], valid: Sequence[Point]) -> str:
    parts = []
    if train:
        ends = smooth(train)
        parts.append(f"training loss from {ends[0][1]:.2f} to {ends[-1][1]:.2f} over {train[-1][0]:,.0f} steps")
    if valid:
        parts.append(f"valid loss from {valid[0][1]:.2f} to {valid[-1][1]:.2f}")
    return "; ".join(parts)


def _line(kind: str, points: Sequence[Point]) -> Markup:
    path = "M" + " L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    return Markup('<path class="{}" d="{}"/>').format(kind, path) if points else Markup("")


def _dots(kind: str, points: Sequence[Point]) -> Markup:
    # A line without length but with round ends is a dot that stays round however the picture is stretched.
    return Markup('<path class="{}" d="{}"/>').format(kind, " ".join(f"M{x:.2f} {y:.2f}h0" for x, y in points))


def _label(kind: str, style: str, text: str) -> Markup:
    return Markup('<span class="tick {}" style="{}" aria-hidden="true">{}</span>').format(kind, style, text)


def whiskers(rows: Sequence[tuple[str, float, Sequence[float] | None]]) -> Markup:
    """Values with their intervals on one scale; each row is name, value, interval."""
    ends = [x for _, value, interval in rows for x in (value, *(interval or ()))]
    marks = ticks(min(ends), max(ends), 4)
    if len(marks) == 1:
        marks = [marks[0] - 1, marks[0], marks[0] + 1]

    def at(x: float) -> float:
        return 100 * (x - marks[0]) / (marks[-1] - marks[0])

    drawn = []
    for name, value, interval in rows:
        low, high = interval or (value, value)
        drawn.append(
            Markup(
                '<div class="row {}"><span class="name">{}</span><span class="track"><i class="bar" '
                'style="left:{:.2f}%;width:{:.2f}%"></i><i class="dot" style="left:{:.2f}%"></i></span></div>'
            ).format(name, name, at(low), max(0.4, at(high) - at(low)), at(value))
        )
    labels = Markup("").join(_label("x", f"left:{at(t):.2f}%", f"{t:g}") for t in marks)
    told = "; ".join(f"{escape(name)} {value:.3f}" for name, value, _ in rows)
    return Markup(
        '<div class="whiskers" role="img" aria-label="{}">{}<div class="row"><span class="name"></span>'
        '<span class="track axis">{}</span></div></div>'
    ).format(told, Markup("").join(drawn), labels)


def bar(share: float) -> Markup:
    """A share as a filled bar; the number beside it says the same."""
    return Markup('<span class="share" aria-hidden="true"><i style="width:{:.1f}%"></i></span>').format(
        100 * min(1.0, max(0.0, share))
    )
