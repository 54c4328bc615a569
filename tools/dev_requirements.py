"""Print pyproject's ``dev`` dependency group for pip, whose older versions cannot read it by themselves."""

import shlex
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
print(shlex.join(project["dependency-groups"]["dev"]))
