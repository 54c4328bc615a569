"""The settings of ``counsel chat``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from counsel.safety.settings import JudgeSettings


@dataclass(frozen=True, kw_only=True)
class ChatSettings(JudgeSettings):
    """Which model talks, and how."""

    run: Path
    """The run to talk to."""
    base_only: bool = False
    """Talk to the base model as it was before tuning."""
    temperature: float = 0.7
    """How freely words are chosen; 0 takes the likeliest each time."""
    top_p: float = 0.9
    """Choose among the likeliest words that together have this probability."""
    max_new_tokens: int = 256
    """The longest reply, in tokens."""
    seed: int | None = None
    """The seed of the draws: the same seed gives the same replies."""
    system: str = ""
    """Instructions to the model that come before the first message."""
    country: str | None = None
    """The country whose helplines are offered (US, GB, ES, …); without it, the international directory."""
    jurisdiction: Literal["US-CA", "US-NY", "US-UT", "US-IL", "US-WA", "US-OR", "EU", "none"] = "none"
    """The place whose law decides which notices are given, besides the disclosure that this is an AI."""
    counts: Path | None = None
    """Count referrals to human help in this file, by month and category, without any content."""
    unguarded: bool = False
    """Show the model's own words, without screen or protocol. For study only, never for a person who needs help."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperature < 0:
            raise ValueError(f"--temperature must be 0 or more, not {self.temperature}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"--top-p must be above 0 and at most 1, not {self.top_p}")
        if self.max_new_tokens < 1:
            raise ValueError(f"--max-new-tokens must be at least 1, not {self.max_new_tokens}")
