"""The settings of ``counsel screen`` and ``counsel helplines``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class JudgeSettings:
    """Who gives a second opinion, in every command that screens what people write."""

    judge: str | None = None
    """An OpenAI-compatible server that is asked for a second opinion on what only the classifier sees. It is sent the
    last ten turns; give the address of a machine of your own. A key is read from COUNSEL_JUDGE_KEY."""
    judge_model: str = ""
    """The name that the judge's server gives the model."""
    judge_seconds: float = 5.0
    """How long the second opinion may take. If none comes in time, the verdict stands and says `degraded`."""

    def __post_init__(self) -> None:
        if not 0 < self.judge_seconds <= 600:
            raise ValueError(f"--judge-seconds must be above 0 and at most 600, not {self.judge_seconds}")


@dataclass(frozen=True, kw_only=True)
class ScreenSettings(JudgeSettings):
    """What is screened, and how."""

    plain: bool = False
    """Read one plain message per line instead of one JSON conversation per line."""
    on_error: Literal["stop", "skip"] = "stop"
    """What to do at a line that cannot be read: stop, or name it and go on."""
    rules_only: bool = False
    """Leave the classifier out; verdicts then say `degraded`."""
    evaluate: tuple[Path, ...] = ()
    """Measure the screen on files of labelled conversations instead."""
    helplines: str | None = None
    """Moved to `counsel helplines COUNTRY`; still understood in this version."""
    topic: str | None = None
    """Moved to `counsel helplines COUNTRY --topic TOPIC`, as --helplines did."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.topic is not None and self.helplines is None:
            raise ValueError("--topic needs --helplines COUNTRY")


@dataclass(frozen=True, kw_only=True)
class HelplinesSettings:
    """Which helplines of a country come first."""

    topic: str | None = None
    """Put the lines for this topic first: suicide, abuse, minor, veterans."""
