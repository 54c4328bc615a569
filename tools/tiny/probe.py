"""Prints a model's greedy replies and flags those that do not end by themselves within 120 tokens.

Run `python tools/tiny/probe.py MODEL_DIR [--prompts FILE]`; FILE holds one prompt a line. Without it, 30 openings that
training never saw are asked.
"""

import argparse
import sys
from pathlib import Path
from random import Random

import torch
from generate import Generator
from transformers import AutoModelForCausalLM, AutoTokenizer
from world import HERE, survey

LONGEST = 120  # tokens


def held_out_prompts(count: int, world: Path = HERE / "world", seed: int = 7) -> list[str]:
    """First messages whose pair of tell and ask is kept from training."""
    generator = Generator(survey(world)[0])
    rng = Random(f"{seed}:probe")
    return [generator.conversation(rng, held_out=True).texts[0] for _ in range(count)]


@torch.inference_mode()
def greedy_replies(folder: Path, prompts: list[str], device: str) -> list[tuple[str, bool]]:
    """For each prompt the reply and whether it ended by itself."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.padding_side = "left"
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    texts = [
        tokenizer.apply_chat_template([{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True)
        for prompt in prompts
    ]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(device)
    output = model.generate(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        max_new_tokens=LONGEST,
        do_sample=False,
    )
    new = output[:, batch["input_ids"].shape[1] :]
    ended = (new == tokenizer.eos_token_id).any(1).tolist()
    replies = tokenizer.batch_decode(new, skip_special_tokens=True)
    return [(text.strip(), end) for text, end in zip(replies, ended, strict=True)]


def print_replies(folder: Path, prompts: list[str], device: str) -> int:
    """Print prompts and replies; returns how many did not end."""
    replies = greedy_replies(folder, prompts, device)
    for prompt, (reply, ended) in zip(prompts, replies, strict=True):
        print(f"U: {prompt}\nA: {reply}{'' if ended else '   <-- DOES NOT END'}\n")
    endless = sum(not ended for _, ended in replies)
    print(f"{len(replies)} replies, {endless} did not end within {LONGEST} tokens")
    return endless


def main() -> int:
    """Print replies; 1 when one does not end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=Path, help="one prompt a line")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    if options.prompts:
        prompts = [line for line in options.prompts.read_text(encoding="utf-8").splitlines() if line.strip()]
    else:
        prompts = held_out_prompts(30)
    return 1 if print_replies(options.folder, prompts, options.device) else 0


if __name__ == "__main__":
    sys.exit(main())
