"""Train the screen's classifier: MiniLM with a LoRA adapter and a linear head on its sentence vectors.

    python tools/screening/train.py [--epochs 5] [--out src/counsel/safety/screening/classifier.safetensors]

A message is positive when one of its windows is: the head's logits are maximised over windows (multiple-instance
learning). One message in eight is kept aside for calibration and thresholds; held-out sets are never read here.
Two CPU cores, about half an hour. Frozen vectors were tried first: docs/screening.md has both figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from messages import FOLDER, Labelled, read
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from counsel.model.embed import MOST_TOKENS, SHA256, Embedder
from counsel.safety.reading.spelling import Word
from counsel.safety.screening.classifier import CATEGORY_OUTPUTS, LEVEL_OUTPUTS, OUTPUTS, SCALE, WEIGHTS
from counsel.safety.screening.rules import load
from counsel.safety.screening.windows import windows
from counsel.safety.verdict import Level

RANK, BATCH = 32, 32
ADAPTED = ("query", "key", "value", "dense")
SAFE_FILES = ("safe_sad", "safe_talk", "safe_intense", "safe_everyday")
"""Files of sad-but-safe messages and small talk, by the beginnings of their names."""
MOST_ESCALATED = 0.005
"""The share of sad-but-safe messages that the threshold may raise: half of what is aimed at."""


def is_aside(message: Labelled) -> bool:
    """Whether a message is kept for calibration: one in eight, by its own hash."""
    return int(hashlib.sha256(message.text.encode()).hexdigest(), 16) % 8 == 0


def texts_of(message: Labelled) -> list[str]:
    """The windows of a message, as the screen makes them."""
    reader = load().reader
    words: list[Word] = []
    for n, turn in enumerate(message.turns):
        last = words[-1] if words else None
        words += reader.read(turn, n, last.sentence if last else 0, last.clause + 1 if last else 0)
    return [w.text for w in windows(message.turns, words)] or [message.text]


def targets(messages: list[Labelled]) -> torch.Tensor:
    """Shape (messages, outputs): at least this level, of this category, about another person."""
    rows = []
    for m in messages:
        levels = [float(m.level >= Level[name]) for name in LEVEL_OUTPUTS]
        rows.append([*levels, *(float(c in m.categories) for c in CATEGORY_OUTPUTS), float(m.subject == "other")])
    return torch.tensor(rows)


class Net(torch.nn.Module):
    """MiniLM with an adapter, and the head."""

    def __init__(self) -> None:
        super().__init__()
        base = Embedder()
        self.tokenizer = base._tokenizer
        base._model.requires_grad_(False)
        config = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=0.1, target_modules=list(ADAPTED))
        self.encoder = get_peft_model(base._model, config)
        self.head = torch.nn.Linear(384, len(OUTPUTS))

    def forward(self, texts: list[str], owner: torch.Tensor, count: int) -> torch.Tensor:
        """Logits, shape (count, outputs), the largest over each owner's windows."""
        encoded = self.tokenizer.encode_batch(texts)
        ids, mask = (torch.tensor([getattr(e, a) for e in encoded])[:, :MOST_TOKENS] for a in ("ids", "attention_mask"))
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state.float()
        weights = mask.unsqueeze(-1).float()
        vectors = torch.nn.functional.normalize((states * weights).sum(1) / weights.sum(1), dim=-1)
        with torch.autocast("cpu", enabled=False):
            logits = self.head(vectors * SCALE)
        index = owner.unsqueeze(-1).expand_as(logits)
        return torch.full((count, logits.shape[1]), -1e4).scatter_reduce(0, index, logits, "amax")

    def adapted(self) -> Iterator[tuple[str, torch.nn.Module]]:
        """The layers with an adapter, by their names in MiniLM."""
        for name, module in self.encoder.named_modules():
            if hasattr(module, "lora_A") and "default" in module.lora_A:
                yield name.removeprefix("base_model.model."), module

    def take(self, weights: Path) -> None:
        """Start from weights that ``save`` wrote."""
        known = load_file(str(weights))
        with torch.no_grad():
            self.head.weight.copy_(known["head.weight"])
            self.head.bias.copy_(known["head.bias"])
            for name, module in self.adapted():
                module.lora_A["default"].weight.copy_(known[f"{name}.A"])
                module.lora_B["default"].weight.copy_(known[f"{name}.B"].float() / module.scaling["default"])


def batch_of(chosen: list[int], pieces: list[list[str]]) -> tuple[list[str], torch.Tensor]:
    """The windows of some messages, and which message each belongs to."""
    texts = [w for i in chosen for w in pieces[i]]
    return texts, torch.tensor([k for k, i in enumerate(chosen) for _ in pieces[i]])


def predict(net: Net, chosen: list[int], pieces: list[list[str]]) -> np.ndarray:
    """Logits of some messages, shape (messages, outputs)."""
    net.eval()
    out = []
    with torch.inference_mode():
        for at in range(0, len(chosen), 64):
            part = chosen[at : at + 64]
            texts, owner = batch_of(part, pieces)
            out.append(net(texts, owner, len(part)))
    return torch.cat(out).numpy()


def calibrated(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Platt's slope and offset for one output, by Newton's method on the held-aside messages."""
    slope, offset = 1.0, 0.0
    for _ in range(50):
        p = 1 / (1 + np.exp(-(slope * logits + offset)))
        w, g = p * (1 - p) + 1e-9, p - labels
        h = np.array([[(w * logits**2).sum(), (w * logits).sum()], [(w * logits).sum(), w.sum()]]) + 1e-6 * np.eye(2)
        slope, offset = np.array([slope, offset]) - np.linalg.solve(h, np.array([(g * logits).sum(), g.sum()]))
    return float(slope), float(offset)


def report(z: np.ndarray, messages: list[Labelled]) -> float:
    """Print how the first output parts the messages; gives the threshold for ``MOST_ESCALATED``."""
    risk = np.array([m.level > Level.none for m in messages])
    sad = np.array([m.file.startswith(SAFE_FILES) for m in messages])
    order = np.argsort(z[:, 0])
    rank = np.empty(len(z))
    rank[order] = np.arange(len(z))
    auc = (rank[risk].mean() - (risk.sum() - 1) / 2) / (~risk).sum()
    threshold = float(np.quantile(z[sad, 0], 1 - MOST_ESCALATED))
    files = sorted({m.file for m in messages})
    shares = {f: np.mean([s > threshold for s, m in zip(z[:, 0], messages, strict=True) if m.file == f]) for f in files}
    print(
        f"AUC {auc:.4f}; raised at {threshold:.2f}: " + ", ".join(f"{f} {s:.2f}" for f, s in shares.items()), flush=True
    )
    return threshold


def main() -> None:
    """Train, calibrate, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--start", type=Path, help="go on from these weights")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    torch.manual_seed(chosen.seed)
    rng = np.random.default_rng(chosen.seed)
    messages = read()
    pieces = [texts_of(m) for m in messages]
    wanted = targets(messages)
    aside = np.array([is_aside(m) for m in messages])
    train, test = np.flatnonzero(~aside), np.flatnonzero(aside).tolist()
    print(len(train), "to train on,", len(test), "aside", flush=True)
    net = Net()
    if chosen.start:
        net.take(chosen.start)
    adapted = [p for p in net.encoder.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [{"params": adapted, "lr": chosen.rate, "weight_decay": 0.01}, {"params": net.head.parameters(), "lr": 5e-3}]
    )
    steps = chosen.epochs * (len(train) // BATCH + 12)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [chosen.rate, 5e-3], total_steps=steps, pct_start=0.1)
    length = np.array([sum(map(len, p)) for p in pieces])
    heavy = torch.ones(len(OUTPUTS))
    heavy[: len(LEVEL_OUTPUTS)] = 3
    for epoch in range(chosen.epochs):
        start = time.perf_counter()
        net.train()
        blocks = np.array_split(rng.permutation(train), max(1, len(train) // (BATCH * 10)))
        batches = [b[np.argsort(length[b])][i : i + BATCH] for b in blocks for i in range(0, len(b), BATCH)]
        rng.shuffle(batches)
        for batch in batches:
            rows = batch.tolist()
            texts, owner = batch_of(rows, pieces)
            with torch.autocast("cpu", torch.bfloat16):
                logits = net(texts, owner, len(rows))
            losses = torch.nn.functional.binary_cross_entropy_with_logits(
                logits.float(), wanted[rows], reduction="none"
            )
            loss = (losses * heavy).mean()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(adapted, 1.0)
            optimizer.step()
            if schedule.last_epoch < steps - 1:
                schedule.step()
        print(f"epoch {epoch + 1}: loss {loss.item():.3f}, {time.perf_counter() - start:.0f} s", flush=True)
        logits_aside = predict(net, test, pieces)
        report(logits_aside, [messages[i] for i in test])
    platt = [calibrated(logits_aside[:, k], wanted[test, k].numpy()) for k in range(len(OUTPUTS))]
    save(net, platt, chosen)


def save(net: Net, platt: list[tuple[float, float]], chosen: argparse.Namespace) -> None:
    """Write adapter, head, calibration, and where they come from."""
    tensors = {"head.weight": net.head.weight.detach().half(), "head.bias": net.head.bias.detach().float()}
    for name, module in net.adapted():
        tensors[f"{name}.A"] = module.lora_A["default"].weight.detach().half()
        tensors[f"{name}.B"] = (module.lora_B["default"].weight.detach() * module.scaling["default"]).half()
    tensors["platt"] = torch.tensor(platt)
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(FOLDER.glob("*.txt")))).hexdigest()
    about = {"outputs": json.dumps(OUTPUTS), "messages_sha256": digest, "minilm_sha256": SHA256,
             "epochs": str(chosen.epochs), "rate": str(chosen.rate), "seed": str(chosen.seed)}  # fmt: skip
    save_file({k: v.contiguous() for k, v in tensors.items()}, chosen.out, about)
    print(chosen.out, chosen.out.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
