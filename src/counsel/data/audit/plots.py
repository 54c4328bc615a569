"""The audit's three pictures, as SVG: lengths and cuts, what became of the rows, and the leak."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY, RED = "#3b6ea5", "#d98032", "#b8bec6", "#b03a3a"


def draw(folder: Path, audit: dict[str, Any], lengths: NDArray[np.int64], suffix: str = "svg") -> list[str]:
    """Write the pictures.

    Args:
        folder: where the pictures are written.
        audit: the audit's own numbers.
        lengths: tokens of each measured conversation, shape (conversations,).
        suffix: ``svg`` or ``png``.

    Returns:
        the file names.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    folder.mkdir(exist_ok=True)
    names = []
    # The salt is fixed and no date is written, so that the same data gives the same bytes.
    with plt.rc_context({"svg.hashsalt": "counsel", "font.size": 10, "axes.spines.top": False,
                         "axes.spines.right": False}):  # fmt: skip
        for name, height, paint in (("lengths", 3.2, _lengths), ("rows", 1.9, _rows), ("leak", 2.4, _leak)):
            figure, axes = plt.subplots(figsize=(7.5, height), layout="constrained")
            paint(axes, audit, lengths)
            metadata = {"Date": None} if suffix == "svg" else {}
            figure.savefig(folder / f"{name}.{suffix}", metadata=metadata, dpi=110)
            plt.close(figure)
            names.append(f"{folder.name}/{name}.{suffix}")
    return names


def _lengths(axes: Axes, audit: dict[str, Any], lengths: NDArray[np.int64]) -> None:
    top = max(int(np.percentile(lengths, 99.5)), audit["truncation"]["max_length"] + 1)
    axes.hist(np.minimum(lengths, top), bins=min(60, max(10, len(lengths) // 8)), color=BLUE)
    for cut, entry in audit["truncation_at"].items():
        if int(cut) <= top * 1.02:
            share = entry["examples_cut"]
            axes.axvline(int(cut), color=ORANGE, linewidth=1.2)
            axes.annotate(f" {cut}\n {share:.0%} cut", (int(cut), axes.get_ylim()[1]), va="top", fontsize=8)
    axes.set_xlabel("tokens in a conversation (the last bar: this and longer)")
    axes.set_ylabel("conversations")
    axes.set_title("Lengths, and what each limit would cut", loc="left")


def _rows(axes: Axes, audit: dict[str, Any], lengths: NDArray[np.int64]) -> None:
    files = audit["files"]
    parts = [
        ("train", files["train.jsonl"]["rows"] - audit["canaries"]["planted"], BLUE),
        ("valid", files["valid.jsonl"]["rows"], "#7fa7cf"),
        ("eval", files["eval.jsonl"]["rows"], ORANGE),
        ("duplicates", audit["exact_duplicates"] + audit["duplicates_after_cleaning"], GREY),
    ]
    if audit["settings"]["split"] == "row":
        parts = parts[:3]
    rest = audit["rows_read"] - sum(p[1] for p in parts)
    parts.append(("not used", rest, "#e4e6ea"))
    at = 0
    for name, count, colour in parts:
        if count > 0:
            axes.barh(0, count, left=at, color=colour, label=f"{name}: {count:,}")
            at += count
    axes.set_yticks([])
    axes.set_xlabel("rows read")
    axes.legend(ncols=5, loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, fontsize=8.5)
    axes.spines["left"].set_visible(False)


def _leak(axes: Axes, audit: dict[str, Any], lengths: NDArray[np.int64]) -> None:
    leak = audit["leak"]
    bars = [
        ("split by row: prompt also in train", leak["row_split"]["prompt"], RED),
        ("split by row: prompt and reply also in train", leak["row_split"]["pair"], RED),
        ("split by group: prompt", leak["group_split"]["prompt"], BLUE),
        ("split by group: prompt and reply", leak["group_split"]["pair"], BLUE),
    ]
    for i, (_, value, colour) in enumerate(reversed(bars)):
        axes.barh(i, value, color=colour)
        axes.annotate(f" {value:.1%}", (value, i), va="center", fontsize=9)
    axes.set_yticks(range(len(bars)), [b[0] for b in reversed(bars)])
    axes.set_xlim(0, 1.08)
    axes.set_xticks(np.arange(0, 1.01, 0.25), ["0", "25 %", "50 %", "75 %", "100 %"])
    axes.set_title("Held-out rows that training would have seen", loc="left")
