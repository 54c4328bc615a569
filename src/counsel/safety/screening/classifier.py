"""The classifier tier: what the rules have no phrase for, judged by a small network that reads a message in context.

Six layers of MPNet, tuned whole on messages written for the project and told by larger ones (tools/screening/train.py),
with one linear head for level, category, subject, time and what the message does. Probabilities are calibrated (Platt
1999) on messages and talks that it was not trained on.
"""

from __future__ import annotations

import hashlib
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
ACTS = ("disclosure", "method_question", "topic", "quotation", "fiction", "third_person", "denial", "idiom", "talk")
"""What a message does, whatever its words; ``talk`` is ordinary telling of one's life."""
TIMES = ("past", "hypothetical")
OUTPUTS = (*LEVEL_OUTPUTS, *CATEGORY_OUTPUTS, "other", *TIMES, *ACTS)
DIMENSIONS = 768
"""Of a passage's vector."""
SHA256 = "f6ab1c2c7fee14f70886c818b67ff6e6efcd639c0f63d222a5af25b97b1a35e5"
"""Of the shipped file."""
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
    times: tuple[float, ...] = (0.0, 0.0)
    """That it is past, that it is supposed."""
    acts: tuple[float, ...] = ()
    """In the order of ``ACTS``."""


class Classifier:
    """The network, loaded.

    Args:
        weights: its file.
        sha256: what the file's digest must be; None for any.

    Raises:
        CounselError: when the file is missing or not what it should be.
    """

    def __init__(self, weights: Path = WEIGHTS, sha256: str | None = SHA256) -> None:
        from tokenizers import Tokenizer

        from counsel.model.encoder import Encoder

        tensors = _tensors(weights, sha256)
        self._weight, self._bias, self._platt = (tensors[n].float() for n in ("head.weight", "head.bias", "platt"))
        try:
            self._tokenizer = Tokenizer.from_buffer(bytes(tensors["tokenizer"].tolist()))
            prefix = "encoder."
            self._encode = Encoder({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
        except Exception as e:  # tokenizers has no errors of its own
            raise CounselError(f"the classifier's encoder is damaged: {e}", where=weights, fix=_INSTALL) from e
        self._known: OrderedDict[str, Probabilities] = OrderedDict()
        self._lock = Lock()

    def __call__(self, texts: Sequence[str]) -> list[Probabilities]:
        """One result a passage: what was said before, a newline, and what is judged; the message alone is one too.

        Results of passages that were met lately are remembered.
        """
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

        vectors = torch.stack([self._encode(*map(self._tokens, ("", *t.split("\n", 1))[-2:])) for t in texts])
        logits = vectors @ self._weight.T + self._bias
        levels, categories = len(LEVEL_OUTPUTS), len(LEVEL_OUTPUTS) + len(CATEGORY_OUTPUTS)
        times = categories + 1 + len(TIMES)
        return [
            Probabilities(
                tuple(row[:levels]), tuple(row[levels:categories]), row[categories],
                tuple(row[categories + 1 : times]), tuple(row[times:]),
            )
            for row in torch.sigmoid(logits * self._platt[:, 0] + self._platt[:, 1]).tolist()
        ]  # fmt: skip

    def _tokens(self, text: str) -> list[int]:
        text = text.encode("utf-8", "replace").decode("utf-8")
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _tensors(weights: Path, sha256: str | None) -> dict[str, Tensor]:
    """The file's tensors, checked."""
    from safetensors.torch import load

    try:
        body = weights.read_bytes()
        tensors = load(body)
    except Exception as e:  # safetensors has its own errors for a damaged file
        raise CounselError(f"the classifier cannot be read: {e}", where=weights, fix=_INSTALL) from e
    if sha256 is not None and hashlib.sha256(body).hexdigest() != sha256:
        raise CounselError("these are not the classifier's weights", where=weights, fix=_INSTALL)
    shapes = {"head.weight": (len(OUTPUTS), DIMENSIONS), "head.bias": (len(OUTPUTS),), "platt": (len(OUTPUTS), 2)}
    for name, shape in shapes.items():
        if name not in tensors or tuple(tensors[name].shape) != shape:
            raise CounselError(f"the classifier's {name} is not of shape {shape}", where=weights, fix=_INSTALL)
    if not all(t.isfinite().all() for t in tensors.values() if t.is_floating_point()):
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
