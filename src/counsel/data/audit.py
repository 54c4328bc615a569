"""The audit of prepared data: its numbers, and the page that tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counsel.conversation import Conversation
from counsel.model.render import Rendered, Renderer

LENGTHS = (256, 512, 1024, 2048)
"""The limits in tokens whose cuts are always told."""
MEASURED = 10_000
"""At most so many conversations are tokenised for the audit; of more, so many are drawn at random."""
_PERCENTILES = (5, 25, 50, 75, 95, 99)
_BATCH = 256


@dataclass(frozen=True)
class Audit:
    """What came in, what was done to it, what came out. ``audit.json`` holds exactly these fields."""

    version: str
    inputs: list[dict[str, Any]]
    settings: dict[str, Any]
    rows_read: int
    rows_skipped: int
    first_skipped: list[str]
    rows_without_prompt: int
    rows_without_reply: int
    rows: int
    exact_duplicates: int
    duplicates_after_cleaning: int
    prompts: int
    pairs: int
    near_equal_prompts: int
    groups: int
    leak: dict[str, dict[str, float]]
    cleaned: dict[str, int]
    tokens: dict[str, Any]
    truncation: dict[str, Any]
    truncation_at: dict[str, dict[str, float]]
    canaries: dict[str, Any]
    files: dict[str, dict[str, Any]]
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        """The object of ``audit.json``."""
        return asdict(self)


@dataclass(frozen=True)
class Lengths:
    """How long conversations are, and where their replies lie."""

    total: NDArray[np.int64]
    """Tokens of each conversation, shape (conversations,)."""
    trained: NDArray[np.int64]
    """Trained tokens of each."""
    last: NDArray[np.int64]
    """Where each one's last trained token, the end of its last reply, stands."""
    kept: dict[int, NDArray[np.int64]]
    """For each limit, how many trained tokens each one keeps."""


def measure(conversations: Sequence[Conversation], renderer: Renderer, max_length: int) -> Lengths:
    """Tokenise conversations and measure them under every limit."""
    limits = sorted({*LENGTHS, max_length})
    total, trained, last = [], [], []
    kept: dict[int, list[int]] = {limit: [] for limit in limits}
    for i in range(0, len(conversations), _BATCH):
        for rendered in renderer.render_many(conversations[i : i + _BATCH]):
            total.append(len(rendered.ids))
            trained.append(rendered.trained)
            last.append(_last(rendered))
            for limit in limits:
                kept[limit].append(sum(rendered.mask[:limit]))
    return Lengths(
        np.array(total, np.int64),
        np.array(trained, np.int64),
        np.array(last, np.int64),
        {limit: np.array(counts, np.int64) for limit, counts in kept.items()},
    )


def _last(rendered: Rendered) -> int:
    return max((i for i, m in enumerate(rendered.mask) if m), default=-1)


def tokens(lengths: Lengths, of: int, tokenizer: str) -> dict[str, Any]:
    """Percentiles of the lengths in tokens, with what they were measured on."""
    return {
        "tokenizer": tokenizer,
        "measured": len(lengths.total),
        "of": of,
        "conversation": _percentiles(lengths.total),
        "reply": _percentiles(lengths.trained),
    }


def _percentiles(values: NDArray[np.int64]) -> dict[str, float]:
    named = {f"p{p}": round(float(np.percentile(values, p)), 1) for p in _PERCENTILES}
    return {"mean": round(float(values.mean()), 1), **named, "max": int(values.max())}


def truncation(lengths: Lengths, limit: int) -> dict[str, float]:
    """What cutting at ``limit`` tokens does, as shares: of examples, of reply tokens, of ends, of whole examples."""
    kept = lengths.kept[limit]
    return {
        "examples_cut": _share((lengths.total > limit).sum(), len(kept)),
        "reply_tokens_lost": _share((lengths.trained - kept).sum(), lengths.trained.sum()),
        "ends_lost": _share((lengths.last >= limit).sum(), len(kept)),
        "without_reply": _share((kept == 0).sum(), len(kept)),
    }


def _share(part: Any, whole: Any) -> float:
    return round(float(part) / float(whole), 4) if whole else 0.0


def warnings(audit: dict[str, Any]) -> list[str]:
    """Sentences about what should make a reader careful."""
    said = []
    rows, leak = audit["rows"], audit["leak"]
    if audit["settings"]["split"] == "row":
        this = leak["this_split"]
        said.append(
            f"split by row: {this['prompt']:.0%} of the held-out rows have a prompt that is also trained on, "
            f"{this['pair']:.0%} the reply too; an evaluation on them measures memory. Use --split group."
        )
    doubles = audit["exact_duplicates"] + audit["duplicates_after_cleaning"]
    if doubles > 0.05 * rows:
        kept = "were kept, as the split by row asks" if audit["settings"]["split"] == "row" else "were left out"
        said.append(f"{doubles / rows:.0%} of the rows repeat an earlier one; they {kept}.")
    cut = audit["truncation"]
    if cut["ends_lost"] > 0.02:
        said.append(
            f"at {cut['max_length']} tokens {cut['ends_lost']:.0%} of the examples never show how an answer ends, "
            "and a model tuned on them may not stop. Raise --max-length."
        )
    if cut["without_reply"] > 0:
        said.append(
            f"at {cut['max_length']} tokens {cut['without_reply']:.1%} of the examples lose their whole reply; "
            "training leaves them out."
        )
    if audit["rows_skipped"]:
        said.append(f"{audit['rows_skipped']:,} broken rows were left out.")
    if audit["groups"] < 50:
        said.append(f"only {audit['groups']} groups of prompts: what is measured on so few says little.")
    said.append("Masking is done by rules and misses some of what is personal; it is no guarantee of anonymity.")
    return said


def page(audit: dict[str, Any], pictures: Sequence[str]) -> str:
    """``audit.md``: the numbers as a page that a person reads."""
    a, cut = audit, audit["truncation"]
    lines = ["# Audit of the prepared data", ""]
    lines += [f"- **{w}**" if i == 0 and a["settings"]["split"] == "row" else f"- {w}"
              for i, w in enumerate(a["warnings"])]  # fmt: skip
    lines += ["", "## From rows to conversations", "", "| | rows |", "|---|---|"]
    for label, name in (
        ("read", "rows_read"),
        ("broken, left out", "rows_skipped"),
        ("without a prompt, left out", "rows_without_prompt"),
        ("without a reply, left out", "rows_without_reply"),
        ("usable", "rows"),
        ("of them exact duplicates", "exact_duplicates"),
        ("of them duplicates once cleaned", "duplicates_after_cleaning"),
        ("different pairs of prompt and reply", "pairs"),
        ("different prompts", "prompts"),
        ("prompts near-equal to another", "near_equal_prompts"),
        ("groups of prompts, the unit of the split", "groups"),
    ):
        lines.append(f"| {label} | {a[name]:,} |")
    lines += ["", "| file | conversations | SHA-256 |", "|---|---|---|"]
    lines += [f"| {name} | {f['rows']:,} | `{f['sha256'][:16]}…` |" for name, f in a["files"].items()]
    if a["canaries"]["planted"]:
        lines += ["", f"train.jsonl also holds {a['canaries']['planted']} planted secrets (canaries.json)."]
    lines += _leak_lines(a["leak"])
    lines += ["## Lengths", "", _measured(a["tokens"]), ""]
    lines += ["| tokens | mean | " + " | ".join(f"p{p}" for p in _PERCENTILES) + " | max |", "|---" * 9 + "|"]
    for label in ("conversation", "reply"):
        values = " | ".join(f"{v:,.0f}" for v in a["tokens"][label].values())
        lines.append(f"| {label} | {values} |")
    lines += [
        "",
        "| cut at | examples cut | reply tokens lost | ends lost | replies lost whole |",
        "|---|---|---|---|---|",
    ]
    rows = {**a["truncation_at"], str(cut["max_length"]): cut}
    for limit in sorted(rows, key=int):
        r = rows[limit]
        mark = " (chosen)" if int(limit) == cut["max_length"] else ""
        lines.append(
            f"| {limit}{mark} | {r['examples_cut']:.1%} | {r['reply_tokens_lost']:.1%} | {r['ends_lost']:.1%} "
            f"| {r['without_reply']:.1%} |"
        )
    lines += ["", "## Cleaning", ""]
    lines += ["| rule | times |", "|---|---|"] if a["cleaned"] else ["No rule found anything to clean."]
    lines += [f"| {rule.replace('_', ' ')} | {count:,} |" for rule, count in a["cleaned"].items()]
    lines += ["", "## Pictures", ""] + [f"![{Path(p).stem}]({p})" for p in pictures]
    lines += ["", "## Inputs", "", "| name | rows | SHA-256 |", "|---|---|---|"]
    lines += [f"| {i['name']} | {i['rows']:,} | `{i.get('sha256', i.get('hub', ''))[:16]}…` |" for i in a["inputs"]]
    if a["first_skipped"]:
        lines += ["", "## Broken rows", ""] + [f"- {s}" for s in a["first_skipped"]]
    return "\n".join(lines) + "\n"


def _leak_lines(leak: dict[str, dict[str, float]]) -> list[str]:
    lines = ["", "## Leak", "", "The share of held-out rows that training would have seen.", ""]
    lines += ["| split | prompt | prompt and reply |", "|---|---|---|"]
    names = {
        "row_split": "by row, 90/10 (mean of 20 draws)",
        "group_split": "by group",
        "this_split": "**this one**",
    }
    lines += [f"| {names[k]} | {v['prompt']:.3f} | {v['pair']:.3f} |" for k, v in leak.items()]
    return [*lines, ""]


def _measured(t: dict[str, Any]) -> str:
    drawn = "all" if t["measured"] == t["of"] else f"a random {t['measured']:,} of"
    return f"Tokens of {t['tokenizer']}, over {drawn} {t['of']:,} conversations."
