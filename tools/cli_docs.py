"""Write or check docs/cli.md, the help of every command as the program prints it.

python tools/cli_docs.py --write | --check
"""

import os
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "cli.md"


def help_of(*command: str) -> str:
    """What ``counsel … --help`` prints, at a fixed width."""
    argv = [sys.executable, "-m", "counsel.cli", *command, "--help"]
    environment = os.environ | {"COLUMNS": "110", "NO_COLOR": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def page() -> str:
    """The whole page."""
    from counsel.cli import COMMANDS

    parts = [
        "# The command line",
        "",
        "Written by `make docs` from the program's own help; `make check` compares the two.",
        "",
    ]
    for command in ((), *((c,) for c in COMMANDS)):
        parts += [f"## {' '.join(('counsel', *command))}", "", "```text", help_of(*command), "```", ""]
    return "\n".join(parts)


def main() -> int:
    """Write the page, or say whether it is up to date."""
    if "--write" in sys.argv:
        PAGE.write_text(page())
        return 0
    if not PAGE.exists() or PAGE.read_text() != page():
        print(f"{PAGE} is out of date: run `make docs`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
