"""Our embeddings are those of sentence-transformers; and only from the weights that the classifier was trained on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from counsel.errors import CounselError
from counsel.model import embed
from counsel.model.embed import DIMENSIONS, Embedder, embedder, packaged

TEXTS = [
    "I feel low today.",
    "Ich bin müde — und du? 😭",
    "",
    "k1ll t1me",
    "One two three. " * 200,  # beyond what the model reads
    "हूँ 不想 хочу",
]


@pytest.fixture(scope="module")
def reference() -> Any:
    library = pytest.importorskip("sentence_transformers")
    return library.SentenceTransformer(str(packaged()), device="cpu")


@pytest.fixture(scope="module")
def plain_embedder() -> Embedder:
    """One whose weights may be changed."""
    return Embedder()


def test_vectors_are_those_of_sentence_transformers(reference: Any) -> None:
    expected = reference.encode(TEXTS, normalize_embeddings=True)
    found = embedder()(TEXTS)
    assert found.shape == (len(TEXTS), DIMENSIONS) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_vectors_have_length_one_and_do_not_depend_on_their_neighbours() -> None:
    found = embedder()(TEXTS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found[0], embedder()(TEXTS[:1])[0], atol=2e-5)


def test_what_is_alike_lies_near() -> None:
    sad, low, tax = embedder()(["I am sad", "I feel low", "The tax form is due on Monday"])
    assert sad @ low > sad @ tax


def test_nothing_gives_nothing() -> None:
    assert embedder()([]).shape == (0, DIMENSIONS)


def test_characters_without_a_pair_do_not_stop_it() -> None:
    assert embedder()(["\ud800 low"]).shape == (1, DIMENSIONS)


def test_an_adapter_is_added_to_its_layer(plain_embedder: Embedder) -> None:
    name = "encoder.layer.5.output.dense"
    still = {f"{name}.A": torch.zeros(2, 1536), f"{name}.B": torch.ones(384, 2)}
    ours = plain_embedder
    ours._adapt(still)
    np.testing.assert_allclose(ours(TEXTS[:1]), embedder()(TEXTS[:1]), atol=1e-6)
    moved = {f"{name}.A": torch.ones(2, 1536) * 0.1, f"{name}.B": torch.randn(384, 2)}
    ours._adapt(moved)
    assert not np.allclose(ours(TEXTS[:1]), embedder()(TEXTS[:1]), atol=1e-2)


@pytest.mark.parametrize(
    "adapter",
    [
        {
            "encoder.layer.99.output.dense.A": torch.zeros(2, 384),
            "encoder.layer.99.output.dense.B": torch.zeros(384, 2),
        },
        {"encoder.layer.0.output.dense.A": torch.zeros(2, 1536)},
        {"encoder.layer.0.output.dense.A": torch.zeros(2, 7), "encoder.layer.0.output.dense.B": torch.zeros(384, 2)},
        {"encoder.layer.0.A": torch.zeros(2, 7), "encoder.layer.0.B": torch.zeros(384, 2)},
    ],
    ids=["no such layer", "half", "another shape", "no weights there"],
)
def test_an_adapter_that_does_not_fit_is_refused(adapter: dict[str, torch.Tensor], plain_embedder: Embedder) -> None:
    with pytest.raises(CounselError, match="adapter"):
        plain_embedder._adapt(adapter)


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CounselError, match="not the weights"):
        Embedder(tmp_path)
    (tmp_path / "model").mkdir()
    shutil.copy(packaged() / "model.safetensors", tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    body = bytearray(weights.read_bytes())
    body[-1] ^= 1
    weights.write_bytes(body)
    with pytest.raises(CounselError, match="not the weights") as caught:
        Embedder(tmp_path / "model")
    assert caught.value.where == str(weights)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "find_spec", lambda name: None)
    with pytest.raises(CounselError, match="not installed.*pip install"):
        packaged()
