"""The classifier tier: what the rules have no phrase for, judged by a small network on sentence vectors.

all-MiniLM-L6-v2 with a LoRA adapter and a linear head (``classifier.safetensors``), trained by tools/screening/train.py
on messages written for the project. Probabilities are calibrated (Platt 1999) on messages it was not trained on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from counsel.errors import CounselError
from counsel.safety.screening.worker import on_one_core
from counsel.safety.verdict import CATEGORIES, Category

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = Path(__file__).parent / "classifier.safetensors"
LEVEL_OUTPUTS = ("low", "moderate", "high", "imminent")
CATEGORY_OUTPUTS: tuple[Category, ...] = tuple(c for c in CATEGORIES if c != "minor")
OUTPUTS = (*LEVEL_OUTPUTS, *CATEGORY_OUTPUTS, "other")
SCALE = 10.0
"""Unit vectors are this long when they reach the head, so that its weights stay small."""
DIMENSIONS = 384
"""Of a sentence vector."""
REMEMBERED = 4096
"""Windows whose result is kept, so that a conversation's earlier messages are not read again."""


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Calibrated, of one window."""

    levels: tuple[float, ...]
    """Of at least low, moderate, high, imminent."""
    categories: tuple[float, ...]
    """In the order of ``CATEGORY_OUTPUTS``."""
    other: float
    """That it speaks of another person."""


class Classifier:
    """The network, loaded.

    Args:
        weights: its file.

    Raises:
        CounselError: when the file or the sentence model is missing or not what it should be.
    """

    def __init__(self, weights: Path = WEIGHTS) -> None:
        from counsel.model.embed import Embedder

        tensors = _tensors(weights)
        self._weight, self._bias = tensors.pop("head.weight"), tensors.pop("head.bias")
        self._platt = tensors.pop("platt")
        self._embed = Embedder(adapter=tensors)
        self._known: OrderedDict[str, Probabilities] = OrderedDict()
        self._lock = Lock()

    def __call__(self, texts: Sequence[str]) -> list[Probabilities]:
        """One result a text; results of texts that were met lately are remembered."""
        with self._lock:
            new = [t for t in dict.fromkeys(texts) if t not in self._known]
            for text, found in zip(new, on_one_core(self._judge, new) if new else (), strict=True):
                self._known[text] = found
            results = [self._known[t] for t in texts]
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return results

    def _judge(self, texts: Sequence[str]) -> list[Probabilities]:
        import torch

        vectors = torch.from_numpy(self._embed(texts))
        logits = vectors * SCALE @ self._weight.T + self._bias
        levels = len(LEVEL_OUTPUTS)
        return [
            Probabilities(tuple(row[:levels]), tuple(row[levels:-1]), row[-1])
            for row in torch.sigmoid(logits * self._platt[:, 0] + self._platt[:, 1]).tolist()
        ]


def _tensors(weights: Path) -> dict[str, Tensor]:
    """The file's tensors, checked."""
    from safetensors import safe_open

    try:
        with safe_open(str(weights), "pt") as f:
            tensors = {name: f.get_tensor(name).float() for name in f.keys()}  # noqa: SIM118
    except Exception as e:  # safetensors has its own errors for a damaged file
        raise CounselError(f"the classifier cannot be read: {e}", where=weights, fix=_INSTALL) from e
    shapes = {"head.weight": (len(OUTPUTS), DIMENSIONS), "head.bias": (len(OUTPUTS),), "platt": (len(OUTPUTS), 2)}
    for name, shape in shapes.items():
        if name not in tensors or tuple(tensors[name].shape) != shape:
            raise CounselError(f"the classifier's {name} is not of shape {shape}", where=weights, fix=_INSTALL)
    if not all(t.isfinite().all() for t in tensors.values()):
        raise CounselError("the classifier's weights are no numbers", where=weights, fix=_INSTALL)
    return tensors


_INSTALL = "install counsel again"


@cache
def _shipped() -> Classifier | CounselError:
    try:
        return Classifier()
    except CounselError as e:
        return e


def classifier() -> Classifier:
    """The shipped one, loaded once a process; a failure is remembered too, so that no message waits for it again.

    Raises:
        CounselError: when it cannot be loaded.
    """
    found = _shipped()
    if isinstance(found, CounselError):
        raise found
    return found
