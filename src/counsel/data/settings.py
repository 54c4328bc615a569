"""The settings of ``counsel prepare``. Their help, flags, TOML keys and documentation all come from here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """Everything that prepared data depends on, apart from the input itself."""

    out: Path
    """The directory to make: train.jsonl, valid.jsonl, eval.jsonl and the audit."""
    seed: int = 0
    """Decides which prompts are held out, and every other draw."""
    split: Literal["group", "row"] = "group"
    """Split by groups of equal or near-equal first prompts, or by row as the model card did (which leaks)."""
    valid_share: float = 0.1
    """The share of conversations for valid.jsonl, which training watches."""
    eval_share: float = 0.1
    """The share of conversations for eval.jsonl, which only `counsel evaluate` reads."""
    like: Path | None = None
    """An earlier directory of `counsel prepare`: its groups of prompts keep their places; only new ones are placed."""
    sample: int | None = None
    """Use only this many conversations, drawn at random; with --split row they are drawn before deduplication."""
    similarity: float = 0.7
    """First prompts at least this alike (Jaccard over 5-character shingles) stay on one side of the split."""

    max_length: int = 1024
    """The length in tokens at which the audit measures what a cut would lose."""
    tokenizer: str = "counsel-tiny"
    """Whose tokens the audit counts: counsel-tiny, a directory, or a hub id."""

    prompt_column: str | None = None
    """The column that holds what the person asked, if Counsel does not know its name."""
    reply_column: str | None = None
    """The column that holds the answer, if Counsel does not know its name."""
    on_error: Literal["stop", "skip"] = "stop"
    """Stop at the first broken row, or leave broken rows out and count them."""

    redact: Path | None = None
    """A text file of words to mask, one on each line; after a tab a line may give the kind: `Elm House<TAB>place`."""
    canaries: int = 0
    """Plant this many made-up secrets in train.jsonl, to test later whether the model memorised them."""

    review: int = 0
    """Show this many masked places, and this many that look missed, with the text around them."""
    show: int = 0
    """Print this many examples token by token, with the trained tokens marked."""
    overwrite: bool = False
    """Replace a directory that an earlier `counsel prepare` made."""

    def __post_init__(self) -> None:
        for name in ("max_length", "sample"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
        for name in ("seed", "canaries", "review", "show"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name} must be 0 or more, not {getattr(self, name)}")
        for name in ("valid_share", "eval_share"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 0 and below 1")
        if self.valid_share + self.eval_share >= 1:
            raise ValueError("--valid-share and --eval-share together must leave something to train on")
        if not 0 < self.similarity <= 1:
            raise ValueError(f"--similarity must be above 0 and at most 1, not {self.similarity}")
        if self.split not in ("group", "row"):
            raise ValueError(f"--split must be group or row, not {self.split}")
        if self.like is not None and self.split == "row":
            raise ValueError("--like keeps groups of prompts together, and --split row does not: leave one of them out")
        if self.on_error not in ("stop", "skip"):
            raise ValueError(f"--on-error must be stop or skip, not {self.on_error}")
