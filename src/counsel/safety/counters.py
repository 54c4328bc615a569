"""Counts without content for California's yearly report: how often people were referred to crisis services.

One small JSON file holds numbers by month and category and nothing else: no text, no person, no day. Several processes
may count at once. docs/notices.md says how to get the yearly figures from it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any

from counsel.errors import CounselError
from counsel.files import lock, write_json
from counsel.safety.verdict import CATEGORIES, Category

TOTAL = "referrals"
"""The key of all referrals, beside the categories in each month; a referral with several categories counts once."""
_MONTH = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])")
_PATIENCE = 10.0
"""How many seconds to wait for another process; each holds the file for some milliseconds."""


class Counters:
    """The counts in one file. It need not exist yet; its directory must.

    Args:
        path: the file; while it is written, a lock named ``.NAME.lock`` stands beside it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def referred(self, categories: Collection[Category], on: date) -> None:
        """Count one referral: a person was shown a crisis service.

        Args:
            categories: those of the verdict; each is counted once. Without any, it still counts as a referral.
            on: the day; only its year and month are kept.

        Raises:
            CounselError: for an unknown category, and when the file is damaged, cannot be written, or is held by
                another process for more than 10 seconds. The file is then what it was.
        """
        if unknown := set(categories) - set(CATEGORIES):
            raise CounselError(
                f"{min(unknown)!r} is not a category", where=self.path, fix=f"use some of {', '.join(CATEGORIES)}"
            )
        with self._lock():
            months = self._read()
            month = months.setdefault(f"{on.year:04}-{on.month:02}", {})
            for name in (TOTAL, *(c for c in CATEGORIES if c in set(categories))):
                month[name] = month.get(name, 0) + 1
            write_json(self.path, {"months": dict(sorted(months.items()))})

    def report(self, year: int) -> dict[str, Any]:
        """The counts of a calendar year, as a JSON object.

        Returns:
            ``year``; ``referrals``, in all; ``by_category``, every category, zeros too; and ``by_month``, the twelve
            months, each with its referrals and its categories. A referral may stand under several categories.

        Raises:
            CounselError: when the file is damaged or cannot be read. A file that does not exist counts nothing.
        """
        counted = self._read()
        by_month = {}
        for number in range(1, 13):
            name = f"{year:04}-{number:02}"
            month = counted.get(name, {})
            by_month[name] = {key: month.get(key, 0) for key in (TOTAL, *CATEGORIES)}
        return {
            "year": year,
            TOTAL: sum(month[TOTAL] for month in by_month.values()),
            "by_category": {c: sum(month[c] for month in by_month.values()) for c in CATEGORIES},
            "by_month": by_month,
        }

    def _read(self) -> dict[str, dict[str, int]]:
        """The months of the file, checked."""
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as e:
            reason = e.strerror or str(e)
            raise CounselError(f"could not read the counts: {reason}", where=self.path, fix="check the path") from e
        except (ValueError, RecursionError) as e:
            raise self._damaged("the file is not JSON") from e
        if not isinstance(content, dict) or content.keys() != {"months"} or not isinstance(content["months"], dict):
            raise self._damaged("the file holds something besides months")
        for name, month in content["months"].items():
            if not _MONTH.fullmatch(name) or not isinstance(month, dict) or not month.keys() <= {TOTAL, *CATEGORIES}:
                raise self._damaged(f"{name!r} is not a month with counts")
            if any(type(n) is not int or not 0 < n <= month.get(TOTAL, 0) for n in month.values()):
                raise self._damaged(f"the counts of {name} are not possible")
        months: dict[str, dict[str, int]] = content["months"]
        return months

    def _damaged(self, reason: str) -> CounselError:
        return CounselError(
            f"the counts are damaged: {reason}; nothing was written",
            where=self.path,
            fix="restore the file from a copy, or move it aside and go on with a new one",
        )

    def _lock(self) -> AbstractContextManager[None]:
        """Lock the file against other processes and threads."""
        busy = CounselError(
            "another process holds the counts", where=self.path, fix="wait for it, or find that process and end it"
        )
        return lock(self.path.with_name(f".{self.path.name}.lock"), busy, patience=_PATIENCE)
