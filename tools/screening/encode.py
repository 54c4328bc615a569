"""The encoder that the classifier is tuned from, as training sees it: MPNet or MiniLM, context ⟂ message, one head.

The vector of a passage is the mean over the message's own tokens, so that the context explains and is not judged.
Weights of 4 bits are simulated while training (straight-through), so that what is shipped is what was trained.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn.utils import parametrize

from counsel.model.encoder import GROUP, MOST_CONTEXT, MOST_MESSAGE, STEPS


class Coarse(nn.Module):
    """A weight as its 4 bits say it; gradients pass straight through."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("steps", torch.tensor(STEPS), persistent=False)

    def forward(self, weight: Tensor) -> Tensor:
        """The same shape."""
        codes, scale = coarse(weight.detach(), self.steps)
        said = (self.steps[codes] * scale).reshape(weight.shape)
        return weight + (said - weight).detach()


def coarse(weight: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Codes 0 to 15, shape (groups, GROUP), and scales, shape (groups, 1), rounded as they are stored."""
    groups = weight.float().reshape(-1, GROUP)
    scale = groups.abs().amax(1, keepdim=True).clamp_min(1e-8).half().float()
    middles = (steps[1:] + steps[:-1]) / 2
    return torch.bucketize(groups / scale, middles), scale


class Net(nn.Module):
    """Encoder and head.

    Args:
        home: with ``config.json``, ``tokenizer.json`` and ``model.safetensors``.
        outputs: how many.
        layers: which of the encoder's layers are kept; all by default.
    """

    def __init__(self, home: Path, outputs: int, layers: Sequence[int] | None = None) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel, MPNetConfig, MPNetModel

        config = json.loads((home / "config.json").read_text())
        self.is_mpnet = config["model_type"] == "mpnet"
        maker, settings = (MPNetModel, MPNetConfig) if self.is_mpnet else (BertModel, BertConfig)
        self.encoder = maker(settings.from_dict(config), add_pooling_layer=False)
        state = {n: t.float() for n, t in load_file(str(home / "model.safetensors")).items()}
        known = self.encoder.state_dict()
        missing = [n for n in known if n not in state and "position_ids" not in n]
        if missing:
            raise ValueError(f"weights are missing: {missing[:3]}")
        self.encoder.load_state_dict({n: t for n, t in state.items() if n in known}, strict=False)
        if layers:
            self.keep(layers)
        self.head = nn.Linear(config["hidden_size"], outputs)
        self.dropout = nn.Dropout(0.1)
        self.tokenizer = Tokenizer.from_file(str(home / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        names = ("<s>", "</s>", "<pad>") if self.is_mpnet else ("[CLS]", "[SEP]", "[PAD]")
        self.first, self.between, self.pad = map(self.tokenizer.token_to_id, names)

    def keep(self, layers: Sequence[int]) -> None:
        """Keep these layers of the encoder."""
        self.encoder.encoder.layer = nn.ModuleList(self.encoder.encoder.layer[i] for i in layers)
        self.encoder.config.num_hidden_layers = len(layers)

    def coarsen(self) -> None:
        """From here on matrices are read as 4 bits."""
        for module in self.encoder.modules():
            if isinstance(module, nn.Linear) or (isinstance(module, nn.Embedding) and module.num_embeddings > 1000):
                parametrize.register_parametrization(module, "weight", Coarse())

    def packed(self) -> dict[str, Tensor]:
        """What is shipped: matrices as two codes a byte and a scale for each group, all else in 16 bits."""
        made: dict[str, Tensor] = {}
        for name, module in self.named_modules():
            if parametrize.is_parametrized(module):
                codes, scale = coarse(
                    module.parametrizations.weight.original.detach(), module.parametrizations.weight[0].steps
                )  # type: ignore[union-attr, index]
                codes = codes.reshape(-1, 2).to(torch.uint8)
                made[f"{name}.codes"] = (codes[:, 0] | codes[:, 1] << 4).reshape(module.weight.shape[0], -1).cpu()  # type: ignore[index]
                made[f"{name}.scales"] = scale.half().reshape(module.weight.shape[0], -1).cpu()  # type: ignore[index]
        plain = (n for n in self.state_dict() if "parametrizations" not in n or n.endswith("bias"))
        return made | {n: self.state_dict()[n].half().cpu() for n in plain}

    def tokens(self, passages: Sequence[tuple[str, str]]) -> list[tuple[list[int], int]]:
        """Each passage's tokens, and where the message's own begin."""
        flat = self.tokenizer.encode_batch([t for pair in passages for t in pair], add_special_tokens=False)
        made = []
        for i in range(0, len(flat), 2):
            before, message = flat[i].ids[-MOST_CONTEXT:], flat[i + 1].ids[:MOST_MESSAGE]
            join = [self.between] * (2 if self.is_mpnet else 1)
            head = [self.first, *before, *join] if before else [self.first]
            made.append(([*head, *message, self.between], len(head)))
        return made

    def forward(self, encoded: Sequence[tuple[list[int], int]]) -> tuple[Tensor, Tensor]:
        """Logits, shape (passages, outputs), and vectors, shape (passages, width)."""
        device = self.head.weight.device
        longest = -(-max(len(ids) for ids, _ in encoded) // 8) * 8
        ids = torch.tensor([x + [self.pad] * (longest - len(x)) for x, _ in encoded]).to(device, non_blocking=True)
        place = torch.arange(longest, device=device)
        starts = torch.tensor([s for _, s in encoded]).to(device)[:, None]
        ends = torch.tensor([len(x) - 1 for x, _ in encoded]).to(device)[:, None]
        states = self.encoder(input_ids=ids, attention_mask=(ids != self.pad).long()).last_hidden_state.float()
        own = ((place >= starts) & ((place < ends) | (place == starts))).unsqueeze(-1).float()
        vectors = (states * own).sum(1) / own.sum(1)
        return self.head(self.dropout(vectors)).float(), vectors
