"""The one error tree. Every message says what is wrong, where, and what to do.

CounselError        exit code 2: the input or the call is wrong
└── CheckFailed     exit code 1: the work ran, and a check or gate said no
"""

from __future__ import annotations

from pathlib import Path


class CounselError(Exception):
    """A mistake that its user can mend; the command line prints it without a traceback.

    Args:
        what: what is wrong, in plain words, without a full stop.
        where: the place, as ``file`` or ``file:line``; empty when there is none.
        fix: what to do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str | Path = "", fix: str) -> None:
        self.what, self.where, self.fix = what, str(where), fix
        super().__init__(str(self))

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        return f"{self.what}{place}; fix: {self.fix}"


class CheckFailed(CounselError):
    """The command did its work and the result did not pass."""

    exit_code = 1
