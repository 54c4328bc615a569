"""The audit of prepared data: its numbers, and what should make a reader careful."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any


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
    warnings: list[str] = field(default_factory=list)
    like: dict[str, Any] | None = None
    """What became of an earlier preparation's groups; only with ``--like``."""

    @classmethod
    def of(cls, **figures: Any) -> Audit:
        """An audit with its warnings, from the figures of every stage, given by the names of the fields."""
        audit = cls(version=_version(), **figures)
        return replace(audit, warnings=warnings(audit))

    def to_json(self) -> dict[str, Any]:
        """The object of ``audit.json``."""
        return {name: value for name, value in asdict(self).items() if name != "like" or value is not None}


def _version() -> str:
    try:
        return version("counsel")
    except PackageNotFoundError:
        return "unknown"


def warnings(audit: Audit) -> list[str]:
    """Sentences about what should make a reader careful."""
    by_row = audit.settings["split"] == "row"
    said = []
    if by_row:
        this = audit.leak["this_split"]
        said.append(
            f"The split is by row: {this['prompt']:.0%} of the held-out rows have a prompt that is also trained on, "
            f"and {this['pair']:.0%} the reply too. An evaluation on them measures memory. Use --split group."
        )
    doubles = audit.exact_duplicates + audit.duplicates_after_cleaning
    if doubles > 0.05 * audit.rows:
        kept = "were kept, as the split by row asks" if by_row else "were left out"
        said.append(f"{doubles / audit.rows:.0%} of the rows repeat an earlier one; they {kept}.")
    cut = audit.truncation
    if cut["ends_lost"] > 0.02:
        said.append(
            f"At {cut['max_length']} tokens, {cut['ends_lost']:.0%} of the examples never show how an answer ends, "
            "and a model tuned on them may not stop. Raise --max-length."
        )
    if cut["without_reply"] > 0:
        said.append(
            f"At {cut['max_length']} tokens, {cut['without_reply']:.1%} of the examples lose their whole reply; "
            "training leaves them out."
        )
    if audit.rows_skipped:
        said.append(f"{audit.rows_skipped:,} broken rows were left out.")
    if audit.like:
        said += _about_earlier(audit.like)
    if audit.groups < 50:
        said.append(f"There are only {audit.groups} groups of prompts; a measurement on so few says little.")
    said.append("Masking works by rules and misses some personal data; it does not guarantee anonymity.")
    return said


def _about_earlier(like: dict[str, Any]) -> list[str]:
    said = []
    if not sum(like["groups_kept"].values()):
        said.append(f"No group of {like['directory']} came again. Is it the right directory for --like?")
    if like["rows_left_out"]:
        said.append(
            f"{like['rows_left_out']:,} new rows were left out: their prompts are near to prompts of "
            f"{like['directory']} that are in different parts, so they would leak wherever they went."
        )
    return said
