"""The results as Markdown."""

from __future__ import annotations

import statistics
from typing import Any

from training_peers.contenders import Contender

HEADER = (
    "contender", "rows x accumulate", "recomputes", "padded to", "precision", "steps/s", "tokens/s",
    "peak GiB", "times the fastest peer",
)  # fmt: skip


def render(results: dict[str, Any], chosen: list[Contender]) -> str:
    """Everything that was measured, ready to be pasted into the documentation."""
    found = {c.name: [r for r in results["runs"] if r["contender"] == c.name] for c in chosen}
    best = fastest_peer(chosen, found)
    lines = [about(results["machine"]), "", ceilings(results.get("ceilings")), ""]
    lines += [row(HEADER), row(["---"] * len(HEADER))]
    lines += [row(cells(c, found[c.name], best)) for c in chosen]
    lines += [f"\n{text}" for c in chosen for text in notes(c, found[c.name])]
    lines += [f"\n{text}" for text in results.get("left_out", [])]
    return "\n".join(lines) + "\n"


def row(values: tuple[str, ...] | list[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(value.replace('|', '/') for value in values)} |"


def about(machine: dict[str, Any]) -> str:
    """What the figures were measured on."""
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items() if number)
    return f"{machine['gpu'] or 'no GPU'}, driver {machine['driver'] or 'unknown'}, {packages}, {machine['date'][:10]}."


def ceilings(found: dict[str, Any] | None) -> str:
    """The GPU's ceilings in a sentence."""
    if not found:
        return "Ceilings: not measured yet."
    if "error" in found:
        return f"Ceilings: not measured: {found['error']}."
    return (
        f"Ceilings: bf16 matmul {found['matmul_8192_tflops']:.0f} TFLOP/s at 8192^3, "
        f"{found['matmul_1024_rows_tflops']:.0f} with 1,024 rows x (4096 -> 28672); copy "
        f"{found['copy_tb_s']:.2f} TB/s; bitsandbytes' NF4 dequantise {found['nf4_dequantise_gb_s']:,.0f} GB/s."
    )


def measured(runs: list[dict[str, Any]], key: str) -> list[float]:
    """A figure of every repeat that has it."""
    return [r[key] for r in runs if r.get(key) is not None]


def fastest_peer(chosen: list[Contender], found: dict[str, list[dict[str, Any]]]) -> float | None:
    """The highest median of steps a second among those that are not ours."""
    speeds = [measured(found[c.name], "steps_per_s") for c in chosen if c.who != "counsel"]
    return max((statistics.median(s) for s in speeds if s), default=None)


def cells(contender: Contender, runs: list[dict[str, Any]], best: float | None) -> list[str]:
    """One contender's line: its figures, or why it has none."""
    latest = next((r for r in reversed(runs) if "error" not in r), {})
    rows, passes = latest.get("rows", contender.rows), latest.get("accumulate", contender.accumulate)
    ours = contender.who == "counsel" and latest.get("memory") != "plain" and not contender.pad_to
    setting = [
        contender.name,
        f"{rows} x {passes}",
        "yes" if contender.checkpointing else "no",
        "nothing (packed)" if ours else str(contender.pad_to or "longest"),
        latest.get("precision") or "-",
    ]
    speeds = measured(runs, "steps_per_s")
    if not speeds:
        return [*setting, f"failed: {runs[-1]['error'][:160]}" if runs else "not run", *["-"] * 3]
    tokens = measured(runs, "tokens_per_s")
    memory = measured(runs, "peak_reserved_gib")
    median = statistics.median(speeds)
    return [
        *setting,
        spread(speeds),
        f"{statistics.median(tokens):,.0f}" if tokens else "-",
        f"{max(memory):.2f}" if memory else "-",
        f"{median / best:.2f}" if best else "-",
    ]


def spread(speeds: list[float]) -> str:
    """A median with its extremes."""
    median = f"{statistics.median(speeds):.2f}"
    return median if len(speeds) == 1 else f"{median} ({min(speeds):.2f}-{max(speeds):.2f})"


def notes(contender: Contender, runs: list[dict[str, Any]]) -> list[str]:
    """What the table has no place for: repeats that failed, another mode than asked for, a whole run."""
    said = []
    if measured(runs, "steps_per_s"):
        said += [f"{contender.name}, repeat {r['repeat']}, failed: {r['error']}" for r in runs if "error" in r]
    other = {r["memory"] for r in runs if r.get("memory") not in (None, contender.memory)}
    said += [f"{contender.name} ran as {mode}, not as asked." for mode in sorted(other)]
    preparing = measured(runs, "preparing_seconds")
    if preparing and contender.memory != "plain":
        shares = measured(runs, "bound_share")
        bound = f"; {max(shares):.0%} of the matmul bound over the whole run" if shares else ""
        said.append(f"{contender.name}: {max(preparing):.0f} s of preparing before the first step{bound}.")
    if contender.steps is None:
        for r in (r for r in runs if "error" not in r):
            losses = ", ".join(f"{loss:.4f}" for loss in r["valid_losses"]) or "none"
            said.append(
                f"{contender.name}: {r['steps']:,} steps in {r['process_seconds']:.0f} s with starting and loading; "
                f"valid losses {losses}."
            )
    return said
