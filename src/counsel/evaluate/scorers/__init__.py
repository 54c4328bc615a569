"""The scorers, one a file. A new one is written beside the others and named here; it gives ``results/NAME.json``."""

from __future__ import annotations

from collections.abc import Callable

from counsel.evaluate.scorers.loss import Loss
from counsel.evaluate.scorers.samples import Samples
from counsel.evaluate.suite import Scorer, Suite

SCORERS: dict[str, Callable[[Suite], Scorer]] = {"loss": Loss, "samples": Samples}
"""The scorers by name, in the order in which they measure."""
