"""Counsel: from a file of counseling conversations to a small, private, measured counseling model.

The names below do what the commands do, for a notebook or a program. Nothing is loaded before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from counsel.version import __version__ as __version__

if TYPE_CHECKING:
    from counsel.conversation import Conversation
    from counsel.data.prepared import Prepared
    from counsel.door import (
        evaluate_run,
        find_helplines,
        load_counselor,
        prepare_data,
        screen_messages,
        train_run,
        write_card,
    )
    from counsel.errors import CounselError
    from counsel.records import Run
    from counsel.safety.verdict import Verdict

__all__ = [
    "Conversation", "CounselError", "Prepared", "Run", "Verdict",
    "evaluate_run", "find_helplines", "load_counselor", "prepare_data", "screen_messages", "train_run", "write_card",
]  # fmt: skip

_HOME = {
    "Conversation": "conversation", "CounselError": "errors", "Prepared": "data.prepared", "Run": "records",
    "Verdict": "safety.verdict",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """The public names, imported when they are first asked for: help needs no torch."""
    if name not in __all__:
        raise AttributeError(f"module 'counsel' has no attribute {name!r}")
    return getattr(import_module(f"counsel.{_HOME.get(name, 'door')}"), name)


def __dir__() -> list[str]:
    """What tab completion shows."""
    return [*__all__, "__version__"]
