"""Writes docs/counsel-tiny/replies.md: unseen prompts with the greedy replies before and after tuning, unedited.

python tools/tiny/page.py --run demo/run --out docs/counsel-tiny/replies.md
"""

import argparse
from pathlib import Path
from random import Random

from generate import Generator
from world import HERE, load_world

from counsel.conversation import Conversation
from counsel.model.engine import Request, Sampling, load_engine

COUNT, SEED = 30, 2026
FREE = (
    "I have a job interview tomorrow and I cannot sleep.",
    "My best friend has stopped calling me, and I do not know why.",
    "My parents want me to study law, but I love music.",
    "I feel lonely since I moved here.",
    "i yelled at my kids and feel guilty",
    "How can I stop worrying about money?",
    "My boss never says thank you.",
    "I am nervous about a presentation on Monday.",
    "My sister borrowed my coat and ruined it. She did not even say sorry.",
    "I keep putting off my homework.",
)
HEAD = """# What counsel-tiny says, before and after tuning

Written by `python tools/tiny/page.py --run demo/run --out docs/counsel-tiny/replies.md` after
`counsel demo --out demo`: greedy replies in 4 bit, unedited. Whether a reply is good is for the reader to judge;
our own count stands in [counsel-tiny.md](../counsel-tiny.md).

## 30 prompts that pre-training and tuning never saw
Openings drawn with seed {seed} from the tenth of (situation, question) pairs that pre-training leaves out, less those
that the sample uses. The first 30, none left out.
"""


def unseen(sample: Path) -> list[str]:
    """Prompts that neither pre-training nor the sample has."""
    generator, rng = Generator(load_world(HERE / "world")), Random(SEED)
    used, found = sample.read_text(encoding="utf-8"), []
    while len(found) < COUNT:
        prompt = generator.conversation(rng, held_out=True).texts[0]
        if prompt not in used and prompt not in found:
            found.append(prompt)
    return found


def main() -> None:
    """Ask both models and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    prompts = [*unseen(HERE.parents[1] / "src/counsel/data/sample.jsonl"), *FREE]
    asked = [Conversation.of([{"role": "user", "content": p}]) for p in prompts]
    greedy = Sampling(temperature=0, max_new_tokens=120)
    engine = load_engine("counsel-tiny", options.run / "adapter")
    before, after = (
        [c.text for c in engine.complete([Request(a, greedy, tuned) for a in asked])] for tuned in (False, True)
    )
    lines = [HEAD.format(seed=SEED)]
    for number, (prompt, old, new) in enumerate(zip(prompts, before, after, strict=True), start=1):
        if number == COUNT + 1:
            lines.append("## 10 prompts in other words than its own\nWritten freely; it fails more often here.\n")
        lines.append(f"**{number}.** {prompt}\n\n- before: {old}\n- after: {new}\n")
    options.out.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
