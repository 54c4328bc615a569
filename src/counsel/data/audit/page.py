"""``audit.md``: the audit as a page that a person reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from counsel.data.audit.lengths import PERCENTILES


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
    lines += _like_lines(a["like"]) if "like" in a else []
    lines += _leak_lines(a["leak"])
    lines += ["## Lengths", "", _measured(a["tokens"]), ""]
    lines += ["| tokens | mean | " + " | ".join(f"p{p}" for p in PERCENTILES) + " | max |", "|---" * 9 + "|"]
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


def _like_lines(like: dict[str, Any]) -> list[str]:
    lines = ["", "## Kept from an earlier preparation", "", f"Its directory: {like['directory']}.", ""]
    lines += ["| groups of prompts | train | valid | eval |", "|---|---|---|---|"]
    for label, counts in (("there were", like["groups"]), ("came again, and stayed", like["groups_kept"])):
        lines.append(f"| {label} | {counts['train']:,} | {counts['valid']:,} | {counts['eval']:,} |")
    return [
        *lines,
        "",
        "| | |",
        "|---|---|",
        f"| new groups, placed by the shares | {like['groups_new']:,} |",
        f"| new prompts that joined an earlier group | {like['prompts_joined']:,} |",
        f"| places where near-equal prompts bridge two parts | {like['bridges']:,} |",
        f"| new rows left out there | {like['rows_left_out']:,} |",
    ]


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
