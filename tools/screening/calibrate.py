"""Calibrate a trained student, show what each threshold costs in both directions, and write what is shipped.

    python tools/screening/calibrate.py STUDENT.safetensors TOKENIZER.json EXAMPLES.json.gz [--out FILE]

The messages and talks kept aside are judged by the product's own encoder, 8 bits and all. Platt's fit is refused where
it did not settle: a slope of millions turns a probability into a step.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from messages import FOLDERS
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from counsel.model.encoder import Encoder
from counsel.safety.screening.classifier import OUTPUTS, WEIGHTS

STEEPEST = 20.0
"""A slope of the calibration; a well-trained output has one near 1."""
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


def calibrated(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Platt's slope and offset for one output, by damped Newton steps, with his smoothed targets.

    Raises:
        ValueError: when the fit did not settle, or settled at no calibration.
    """
    positive, count = float(labels.sum()), len(labels)
    wanted = np.where(labels > 0, (positive + 1) / (positive + 2), 1 / (count - positive + 2))

    def loss(at: np.ndarray) -> float:
        z = at[0] * logits + at[1]
        return float((np.logaddexp(0, z) - wanted * z).sum())

    at = np.array([1.0, 0.0])
    for _ in range(200):
        p = 1 / (1 + np.exp(-np.clip(at[0] * logits + at[1], -60, 60)))
        gradient = np.array([((p - wanted) * logits).sum(), (p - wanted).sum()])
        w = p * (1 - p) + 1e-9
        curve = np.array([[(w * logits**2).sum(), (w * logits).sum()], [(w * logits).sum(), w.sum()]]) + 1e-6 * np.eye(
            2
        )
        step, length = np.linalg.solve(curve, gradient), 1.0
        while length > 1e-6 and loss(at - length * step) > loss(at):
            length /= 2
        at = at - length * step
        if np.abs(gradient).max() < 1e-4 * count:
            break
    if not (np.isfinite(at).all() and 0 < at[0] < STEEPEST):
        raise ValueError(f"the calibration did not settle: slope {at[0]:.3g}, offset {at[1]:.3g}")
    return float(at[0]), float(at[1])


def judged(tensors: dict[str, torch.Tensor], tokenizer: Tokenizer, rows: list[dict]) -> np.ndarray:
    """Logits of whole examples, shape (rows, outputs): the highest over each one's passages."""
    encode = Encoder({n.removeprefix("encoder."): t for n, t in tensors.items() if n.startswith("encoder.")})
    weight, bias = tensors["head.weight"].float(), tensors["head.bias"].float()

    def tokens(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    return np.stack(
        [
            torch.stack([weight @ encode(tokens(c), tokens(t)) + bias for c, t in r["passages"]]).amax(0).numpy()
            for r in rows
        ]
    )


def table(p: np.ndarray, rows: list[dict]) -> str:
    """Shares at each threshold of the first level (seen) and of the second (acted on)."""
    level = np.array([r["level"] for r in rows])
    old = np.array([r["file"].startswith(("safe_sad", "safe_talk", "safe_intense", "safe_everyday")) for r in rows])
    talk = np.array([r["file"].startswith("talks_") for r in rows]) & (level == 0)
    names = ("threshold", "risk seen", "moderate acted on", "none seen", "none acted on", "sad but safe acted on",
             "ordinary talk's turn acted on")  # fmt: skip
    lines = ["| " + " | ".join(names) + " |", "| --- |" + " --- |" * 6]
    for t in THRESHOLDS:
        cells = (p[level > 0, 0], p[level > 1, 1], p[level == 0, 0], p[level == 0, 1], p[old, 1], p[talk, 1])
        lines.append(f"| {t:g} | " + " | ".join(f"{np.mean(x >= t):.3f}" for x in cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Judge, calibrate, write, show."""
    parser = argparse.ArgumentParser()
    parser.add_argument("student", type=Path)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("examples", type=Path)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    tensors = load_file(str(chosen.student))
    tokenizer = Tokenizer.from_file(str(chosen.tokenizer))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    rows = json.loads(gzip.decompress(chosen.examples.read_bytes()))["aside"]
    logits, wanted = judged(tensors, tokenizer, rows), np.array([r["targets"] for r in rows])
    platt = []
    for k, name in enumerate(OUTPUTS):
        known = wanted[:, k] >= 0
        try:
            platt.append(calibrated(logits[known, k], wanted[known, k]))
        except ValueError as e:
            raise SystemExit(f"{name}: {e}") from e
    tensors["platt"] = torch.tensor(platt)
    tensors["tokenizer"] = torch.frombuffer(bytearray(tokenizer.to_str().encode()), dtype=torch.uint8)
    digest = hashlib.sha256(b"".join(p.read_bytes() for f in FOLDERS for p in sorted(f.glob("*.txt")))).hexdigest()
    save_file(
        tensors,
        chosen.out,
        {"outputs": json.dumps(OUTPUTS), "messages_sha256": digest, "from": "all-mpnet-base-v2 (Apache-2.0)"},
    )
    print(table(1 / (1 + np.exp(-(logits * [a for a, _ in platt] + [b for _, b in platt]))), rows))
    print({name: [round(x, 2) for x in ab] for name, ab in zip(OUTPUTS, platt, strict=True)})
    body = chosen.out.read_bytes()
    print(f"{chosen.out}: {len(body):,} bytes, sha256 {hashlib.sha256(body).hexdigest()}")


if __name__ == "__main__":
    main()
