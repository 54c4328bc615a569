"""The settings of ``counsel card``. Their help, flags, TOML keys and documentation all come from here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_TELEPHONE = re.compile(r"(?<!\w)\+?\(?\d(?:[\s().\-/]*\d){6,}(?!\w)")


@dataclass(frozen=True, kw_only=True)
class CardSettings:
    """What a model card says beyond what the run's records hold."""

    run: Path
    """The directory of a run that has finished training."""
    title: str | None = None
    """The model's name; by default the name of the run's directory."""
    author: tuple[str, ...] = ()
    """Who made the model: a person or an organisation; may be given several times."""
    contact: str | None = None
    """Where to write about the model: an e-mail address or a web page."""
    license: str | None = None
    """The licence that you give the adapter, by the hub's identifier, such as apache-2.0 or cc-by-nc-4.0."""
    language: str | None = None
    """The language of the conversations, as a code such as en or de."""

    def __post_init__(self) -> None:
        if self.license is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.\-]*", self.license):
            raise ValueError(f"--license takes an identifier such as apache-2.0 or other, not {self.license!r}")
        if self.language is not None and not re.fullmatch(r"[a-z]{2,3}", self.language):
            raise ValueError(f"--language takes a code such as en or de, not {self.language!r}")
        for name, given in (("title", self.title), ("contact", self.contact), *(("author", a) for a in self.author)):
            if given is not None and not given.strip():
                raise ValueError(f"--{name} is empty")
            if given is not None and _TELEPHONE.search(given):
                # Cards get into training data, and a model may later tell a number from there to someone in need.
                raise ValueError(f"--{name} holds a telephone number; give an e-mail address or a web page instead")
