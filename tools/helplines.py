"""Say which helplines must be checked again: a warning 60 days ahead, exit code 1 once one has expired.

python tools/helplines.py [--today 2026-11-23]
"""

import sys
from collections.abc import Sequence
from datetime import date, timedelta

from counsel.errors import CounselError
from counsel.helplines import load

AHEAD = timedelta(days=60)


def report(today: date) -> tuple[list[str], int]:
    """What to print and the exit code."""
    said, code = [], 0
    for line in load().lines:
        name = f"{line.country} {line.name}: checked on {line.checked_on}, expires {line.expires}"
        if line.expired(today):
            said.append(f"expired  {name}; it is withheld, and the directory is shown instead")
            code = 1
        elif today >= line.expires - AHEAD:
            said.append(f"soon     {name}; check it again and set both dates in helplines.toml")
    first = min(line.expires for line in load().lines)
    return said or [f"all {len(load().lines)} helplines are fresh; the first expires on {first}"], code


def main(argv: Sequence[str]) -> int:
    """Print the report of today, or of the day that is named."""
    if argv and (argv[0] != "--today" or len(argv) != 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        said, code = report(date.fromisoformat(argv[1]) if argv else date.today())
    except (CounselError, ValueError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    print("\n".join(said))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
