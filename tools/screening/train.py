"""One training of the classifier's encoder: a teacher on labels, a student on labels and teachers.

    python tools/screening/train.py HOME OUT.pt --data examples.json.gz
        [--layers 0 2 4 7 9 11] [--teachers A.pt B.pt] [--start A.pt]
        [--coarse] [--epochs 4] [--rate 4e-5] [--seed 0] [--steps N]

``examples.json.gz`` is written by ``examples.py``. OUT.pt holds the tuned state; OUT.npz the logits of what is kept
aside and of every set to measure on. Runs on a GPU; with ``--steps 3`` it rehearses on a CPU.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from encode import Net
from safetensors.torch import save_file
from torch import Tensor

BATCH = 64
HEAVY = 4.0
"""The weight of the four levels among the outputs."""
Passages = list[tuple[str, str]]


def roughened(text: str, dice: random.Random) -> str:
    """The message as hasty people write it, now and then."""
    if dice.random() < 0.2:
        text = text.lower().replace("'", "").replace("’", "")
        if dice.random() < 0.5:
            text = text.replace(".", "").replace(",", "").replace("?", "")
    if dice.random() < 0.1:
        words = text.split()
        long = [i for i, w in enumerate(words) if len(w) > 3]
        for i in dice.sample(long, min(len(long), dice.choice((1, 2)))):
            w, at = words[i], dice.randrange(1, len(words[i]) - 1)
            words[i] = dice.choice(
                (w[:at] + w[at + 1 :], w[:at] + w[at + 1] + w[at] + w[at + 2 :], w[:at] + w[at] + w[at:])
            )
        text = " ".join(words)
    return text or "."


class Examples:
    """The labelled messages, made different each time they are met."""

    def __init__(self, data: dict, seed: int) -> None:
        self.rows, self.dice = data["train"], random.Random(seed)
        self.contexts, self.plain = data["contexts"], data["plain"]

    def met(self, i: int) -> Passages:
        """The passages of example number i, this time."""
        dice, row = self.dice, self.rows[i]
        passages = [(c, roughened(t, dice)) for c, t in row["passages"]]
        if len(passages) == 1 and not passages[0][0]:
            text = passages[0][1]
            if dice.random() < 0.12 and len(text.split()) < 40:
                other = dice.choice(self.plain)
                mark = " " if text[-1] in ".?!" or dice.random() < 0.3 else dice.choice((". ", ", ", "\n"))
                text = (
                    f"{text}{mark}{other}"
                    if dice.random() < 0.5
                    else f"{other}{'. ' if other[-1] not in '.?!' else ' '}{text}"
                )
            context = dice.choice(self.contexts) if dice.random() < 0.35 else ""
            return [(context, text)]
        return passages


def pooled(logits: Tensor, owner: Tensor, count: int) -> Tensor:
    """The highest logits over each example's passages."""
    index = owner.unsqueeze(-1).expand_as(logits)
    return torch.full((count, logits.shape[1]), -1e4, device=logits.device).scatter_reduce(0, index, logits, "amax")


def judge(net: Net, rows: list[Passages], device: str) -> np.ndarray:
    """Logits of whole examples."""
    net.eval()
    flat = [(i, p) for i, passages in enumerate(rows) for p in passages]
    encoded = net.tokens([p for _, p in flat])
    order = sorted(range(len(flat)), key=lambda k: len(encoded[k][0]))
    out = np.full((len(rows), net.head.out_features), -1e4, np.float32)
    with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
        for at in range(0, len(order), 256):
            part = order[at : at + 256]
            logits = net([encoded[k] for k in part])[0].float().cpu().numpy()
            np.maximum.at(out, [flat[k][0] for k in part], logits)
    return out


def slope(step: int, total: int) -> float:
    """The share of the rate at a step: up over the first 6 %, then down to nothing."""
    return min((step + 1) / (0.06 * total + 1), max(0.0, 1 - step / total))


def owned(net: Net, met: dict[int, Passages]) -> dict[int, list[tuple[list[int], int]]]:
    """Each example's passages as tokens."""
    flat = [(i, p) for i, passages in met.items() for p in passages]
    tokens: dict[int, list[tuple[list[int], int]]] = {}
    for (i, _), encoded in zip(flat, net.tokens([p for _, p in flat]), strict=True):
        tokens.setdefault(i, []).append(encoded)
    return tokens


def learn(net: Net, teachers: list[Net], data: dict, chosen: argparse.Namespace, device: str) -> None:
    """Train it."""
    examples = Examples(data, chosen.seed)
    wanted = torch.tensor([r["targets"] for r in data["train"]], dtype=torch.float32, device=device)
    weight = torch.ones(wanted.shape[1], device=device)
    weight[:4] = HEAVY
    heads = list(net.head.parameters())
    body = [p for n, p in net.named_parameters() if not n.startswith("head.")]
    optimizer = torch.optim.AdamW([{"params": body, "lr": chosen.rate, "weight_decay": 0.01},
                                   {"params": heads, "lr": 1e-3, "weight_decay": 0.0}],
                                  fused=device == "cuda")  # fmt: skip
    rng = np.random.default_rng(chosen.seed)
    count = len(data["train"])
    per_epoch = -(-count // BATCH)
    total = chosen.steps or chosen.epochs * per_epoch
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(slope, total=total))
    step, start = 0, time.perf_counter()
    while step < total:
        order = rng.permutation(count)
        met = {int(i): examples.met(int(i)) for i in order}
        tokens = owned(net, met)
        theirs = owned(teachers[0], met) if teachers and teachers[0].is_mpnet != net.is_mpnet else tokens
        length = np.array([sum(len(x) for x, _ in tokens[i]) for i in range(count)])
        blocks = np.array_split(order, max(1, count // (BATCH * 20)))
        batches = [b[np.argsort(length[b])][i : i + BATCH] for b in blocks for i in range(0, len(b), BATCH)]
        rng.shuffle(batches)
        net.train()
        for batch in batches:
            rows = [int(i) for i in batch]
            owner = torch.tensor([k for k, i in enumerate(rows) for _ in tokens[i]], device=device)
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                logits, vectors = net([e for i in rows for e in tokens[i]])
                found = pooled(logits, owner, len(rows))
                target, known = wanted[rows], (wanted[rows] >= 0).float()
                hard = torch.nn.functional.binary_cross_entropy_with_logits(
                    found, target.clamp_min(0), reduction="none"
                )
                loss = (hard * known * weight).sum() / (known * weight).sum()
                if teachers:
                    with torch.no_grad():
                        said = [t([e for i in rows for e in theirs[i]]) for t in teachers]
                    soft = torch.sigmoid(torch.stack([pooled(z, owner, len(rows)) for z, _ in said]).mean(0))
                    distance = torch.nn.functional.binary_cross_entropy_with_logits(found, soft, reduction="none")
                    loss = 0.3 * loss + 0.7 * (distance * weight).mean() / weight.mean()
                    if said[0][1].shape == vectors.shape:
                        loss = loss + 1 - torch.nn.functional.cosine_similarity(vectors, said[0][1]).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            if step % 200 == 0 or step == total:
                print(
                    f"{chosen.out.stem} step {step}/{total} loss {loss.item():.4f} {time.perf_counter() - start:.0f} s",
                    flush=True,
                )
            if step >= total:
                break


def tell(name: str, z: np.ndarray, labels: np.ndarray) -> None:
    """How the first output parts risk from none, and the second."""
    for level in (1, 2):
        risk, none = z[labels >= level, 0], z[labels == 0, 0]
        if len(risk) and len(none):
            order = np.argsort(np.concatenate([none, risk]), kind="stable").argsort()
            auc = (order[len(none) :].mean() - (len(risk) - 1) / 2) / len(none)
            at = {f: float((risk > np.quantile(none, 1 - f)).mean()) for f in (0.005, 0.01, 0.02, 0.05)}
            print(
                f"{name} level >= {level}: AUC {auc:.4f}",
                " ".join(f"FPR {f:g}: {s:.3f}" for f, s in at.items()),
                flush=True,
            )


def main() -> None:
    """Train one, judge everything, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--layers", type=int, nargs="*")
    parser.add_argument("--teachers", type=Path, nargs="*", default=[])
    parser.add_argument("--teacher-home", type=Path)
    parser.add_argument("--start", type=Path)
    parser.add_argument("--coarse", action="store_true")
    parser.add_argument("--pack", action="store_true", help="write what is shipped, of 16 bits where not --coarse")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rate", type=float, default=4e-5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--few", type=int, default=0, help="judge so many of each set, to rehearse")
    chosen = parser.parse_args()
    torch.manual_seed(chosen.seed)
    torch.set_float32_matmul_precision("high")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    data = json.loads(gzip.decompress(chosen.data.read_bytes()))
    outputs = len(data["outputs"])
    teachers = []
    for path in chosen.teachers:
        teacher = Net(chosen.teacher_home or chosen.home, outputs)
        teacher.load_state_dict(torch.load(path))
        teachers.append(teacher.to(device).eval().requires_grad_(False))
    net = Net(chosen.home, outputs)
    if chosen.start:
        net.load_state_dict(torch.load(chosen.start))
    if chosen.layers:
        net.keep(chosen.layers)
    if chosen.coarse:
        net.coarsen()
    net.to(device)
    learn(net, teachers, data, chosen, device)
    few = chosen.few or None
    aside = data["aside"][:few]
    found = {"aside": judge(net, [r["passages"] for r in aside], device)}
    tell(chosen.out.stem, found["aside"], np.array([r["level"] for r in aside]))
    for name, rows in data["sets"].items():
        found[name] = judge(net, rows[:few], device)
    np.savez_compressed(chosen.out.with_suffix(".npz"), **{n: z.astype(np.float16) for n, z in found.items()})
    if chosen.coarse or chosen.pack:
        save_file({n: t.contiguous() for n, t in net.packed().items()}, chosen.out.with_suffix(".safetensors"))
    else:
        torch.save(net.state_dict(), chosen.out)
    print(chosen.out, "done", flush=True)


if __name__ == "__main__":
    main()
