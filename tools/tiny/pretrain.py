"""Makes counsel-tiny in one command: text, tokenizer, model.

On one H200 (about six minutes):  python tools/tiny/pretrain.py --out DIR --minutes 4.5
Smoke test on a CPU (two minutes): python tools/tiny/pretrain.py --out DIR --device cpu --steps 60 --conversations 2000

DIR then holds model.safetensors (bfloat16), config.json, generation_config.json, the tokenizer with its chat template,
loss.jsonl, recipe.json and, where matplotlib is installed, loss.png.
"""

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from corpus import Tokens, generate_tokens, make_generator, pack, plain_texts
from probe import held_out_prompts, print_replies
from tokenizers import Tokenizer
from training import CONTEXT, WIDTH, Settings, Trainer
from vocabulary import as_transformers, check_round_trip, train_vocabulary
from world import HERE

HELD_OUT_CONVERSATIONS = 4000
VOCABULARY_CONVERSATIONS = 40_000


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--world", type=Path, default=HERE / "world")
    parser.add_argument("--draft", action="store_true", help="take a world that still has problems")
    parser.add_argument("--conversations", type=int, default=1_200_000)
    parser.add_argument("--minutes", type=float, default=4.5, help="of training; the schedule ends by the clock")
    parser.add_argument("--steps", type=int, help="a fixed number of steps instead of --minutes")
    parser.add_argument("--batch-tokens", type=int, help="a step (default 131072, on a CPU 1024)")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--user-weight", type=float, default=0.2, help="of the loss on the user's tokens")
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--noise", type=float, default=0.05, help="share of the user's tokens read garbled")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def prepare(options: argparse.Namespace, seconds: dict[str, float]) -> tuple[Tokenizer, Tokens, Tokens]:
    """Tokenizer, training tokens and held-out tokens; runs before the GPU is touched, since it forks."""
    start = time.monotonic()
    generator = make_generator(options.world, options.draft)
    count = min(VOCABULARY_CONVERSATIONS, options.conversations)
    tokenizer = train_vocabulary(plain_texts(generator, options.seed, count))
    seconds["vocabulary"] = round(time.monotonic() - start, 1)
    print(f"vocabulary: {tokenizer.get_vocab_size()} tokens, {seconds['vocabulary']} s", flush=True)
    start = time.monotonic()
    shared: dict[str, Any] = {"seed": options.seed, "processes": options.processes}
    train = generate_tokens(generator, tokenizer, count=options.conversations, held_out=False, **shared)
    few = min(HELD_OUT_CONVERSATIONS, options.conversations)
    held_out = generate_tokens(generator, tokenizer, count=few, held_out=True, **shared)
    seconds["text"] = round(time.monotonic() - start, 1)
    print(
        f"text: {len(train.lengths):,} conversations, {len(train.ids):,} tokens, {seconds['text']} s",
        flush=True,
    )
    return tokenizer, train, held_out


def world_hash(world: Path) -> str:
    """One sha256 over all texts that the grammar reads."""
    digest = hashlib.sha256()
    for path in [*sorted(world.glob("*.toml")), HERE / "phrases.toml", HERE / "small.toml"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def draw_loss(out: Path) -> None:
    """loss.png from loss.jsonl; nothing where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no matplotlib, no loss.png")
        return
    records = [json.loads(line) for line in (out / "loss.jsonl").read_text(encoding="utf-8").splitlines()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot([r["step"] for r in records], [r["loss"] for r in records], lw=0.8, label="training, weighted")
    held = [r for r in records if "held_out_loss" in r]
    axes.plot([r["step"] for r in held], [r["held_out_loss"] for r in held], "o-", label="held-out, assistant only")
    axes.set(xlabel="step", ylabel="loss (nats a token)", title="counsel-tiny, pre-training")
    axes.legend()
    figure.savefig(out / "loss.png", dpi=120)


def versions(device: str) -> dict[str, str]:
    """What it ran with."""
    found = {name: version(name) for name in ("torch", "transformers", "tokenizers", "numpy")}
    found["python"] = platform.python_version()
    found["device"] = torch.cuda.get_device_name() if device == "cuda" else platform.processor() or "cpu"
    return found


def main() -> int:
    """Make the model; see the module's text."""
    options = parse()
    begun = time.monotonic()
    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    seconds: dict[str, float] = {}
    tokenizer, train, held_out = prepare(options, seconds)
    wrapped = as_transformers(tokenizer, CONTEXT)
    check_round_trip(wrapped)
    wrapped.save_pretrained(out)
    start = time.monotonic()
    rows = pack(train, WIDTH)
    seconds["packing"] = round(time.monotonic() - start, 1)
    filled = float((rows.ids != wrapped.pad_token_id).mean())
    print(f"packing: {len(rows.ids):,} rows, {filled:.1%} filled, {seconds['packing']} s", flush=True)
    settings = Settings(
        device=options.device,
        minutes=options.minutes,
        steps=options.steps,
        batch_tokens=options.batch_tokens or (131_072 if options.device == "cuda" else 1024),
        learning_rate=options.learning_rate,
        user_weight=options.user_weight,
        weight_decay=options.weight_decay,
        noise=options.noise,
        compile=options.device == "cuda" and not options.no_compile,
        seed=options.seed,
    )
    trainer = Trainer(settings, rows, pack(held_out, WIDTH))
    with (out / "loss.jsonl").open("w", encoding="utf-8") as log:
        result = trainer.train(log)
    size = trainer.save(out)
    seconds["all"] = round(time.monotonic() - begun, 1)
    recipe = {
        "settings": vars(settings),
        "world_sha256": world_hash(options.world),
        "conversations": {
            "asked": options.conversations,
            "distinct": len(train.lengths),
            "held_out": len(held_out.lengths),
        },
        "tokens": {"distinct": len(train.ids), "vocabulary": len(wrapped), "packed": filled},
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "bytes": size,
        "training": result,
        "seconds": seconds,
        "versions": versions(options.device),
    }
    (out / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(recipe, indent=2), flush=True)
    draw_loss(out)
    print_replies(out, held_out_prompts(12, options.world), options.device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
