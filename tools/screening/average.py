"""Average two trainings of the classifier, calibrate the average, and show what each threshold costs.

    python tools/screening/average.py A.safetensors B.safetensors [--out FILE]

The adapters' updates are averaged (factors side by side, each halved) and so are the heads; the second training must
have gone on from the first (``train.py --start``). Calibration and the table use the messages that both kept aside.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from messages import Labelled, read
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from counsel.model.embed import DIMENSIONS, Embedder
from counsel.safety.screening.classifier import OUTPUTS, SCALE, WEIGHTS
from counsel.safety.verdict import Level
from train import SAFE_FILES, calibrated, is_aside, targets, texts_of

Tensors = dict[str, torch.Tensor]


def average(a: Tensors, b: Tensors) -> Tensors:
    """The mean of two adapters and heads."""
    made: Tensors = {}
    for name in a.keys() - {"platt"}:
        first, second = a[name].float(), b[name].float()
        if name.endswith(".A"):
            made[name] = torch.cat([first, second], 0).half()
        elif name.endswith(".B"):
            made[name] = (torch.cat([first, second], 1) / 2).half()
        else:
            made[name] = ((first + second) / 2).to(a[name].dtype)
    return made


def logits(tensors: Tensors, messages: list[Labelled]) -> np.ndarray:
    """Shape (messages, outputs): the highest of each message's windows."""
    known = {name: t.float() for name, t in tensors.items()}
    weight, bias = known.pop("head.weight"), known.pop("head.bias")
    embed = Embedder(adapter=known)
    windows = [(i, text) for i, m in enumerate(messages) for text in texts_of(m)]
    windows.sort(key=lambda w: len(w[1]))
    found = np.full((len(messages), len(OUTPUTS)), -1e4, np.float32)
    for at in range(0, len(windows), 64):
        owners, texts = zip(*windows[at : at + 64], strict=True)
        vectors = torch.from_numpy(embed(texts).reshape(-1, DIMENSIONS))
        np.maximum.at(found, np.array(owners), (vectors * SCALE @ weight.T + bias).numpy())
    return found


def main() -> None:
    """Average, calibrate, write, show."""
    parser = argparse.ArgumentParser()
    parser.add_argument("weights", type=Path, nargs=2)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    chosen = parser.parse_args()
    first, second = (load_file(str(p)) for p in chosen.weights)
    made = average(first, second)
    aside = [m for m in read() if is_aside(m)]
    found, wanted = logits(made, aside), targets(aside).numpy()
    platt = [calibrated(found[:, k], wanted[:, k]) for k in range(len(OUTPUTS))]
    made["platt"] = torch.tensor(platt)
    with safe_open(str(chosen.weights[1]), "pt") as f:
        about = f.metadata()
    save_file({name: t.contiguous() for name, t in made.items()}, chosen.out, about)
    risk = np.array([m.level > Level.none for m in aside])
    sad = np.array([m.file.startswith(SAFE_FILES) for m in aside])
    p = 1 / (1 + np.exp(-(found[:, 0] * platt[0][0] + platt[0][1])))
    print(f"{chosen.out}: {chosen.out.stat().st_size:,} bytes; {len(aside)} messages aside")
    print("threshold  with risk  without  sad but safe")
    for threshold in (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.925, 0.95):
        raised = p >= threshold
        print(f"{threshold:9.3f} {raised[risk].mean():10.3f} {raised[~risk].mean():8.3f} {raised[sad].mean():13.3f}")


if __name__ == "__main__":
    main()
