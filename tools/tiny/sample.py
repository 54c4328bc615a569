"""Composes the sample conversations that Counsel ships, from the same hand-written pieces as counsel-tiny's text.

Run `python tools/tiny/sample.py --out src/counsel/data/sample.jsonl`. Every conversation is in the counseling manner: a
reflection that names the feeling, then one open question. Its opening is of the tenth that pre-training never saw
(`generate.is_held_out`), and no two replies share their wording: no run of seven words, and a Jaccard of word trigrams
of at most 0.4. The same seed gives the same file.
"""

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

from generate import Generator
from register import REGISTER_WEIGHTS, REGISTERS
from replies import Scene
from world import HERE, Topic, load_world

SOURCE = "counsel-sample"
SINGLE, SHARED, MULTI = 50, 80, 130  # prompts with one reply, with two, and multi-turn conversations
RUN, JACCARD = 7, 0.4
REPLY_WORDS = (15, 40)
WORD = re.compile(r"[a-z']+")
FORBIDDEN = re.compile(r"[^A-Za-z ,.?!'-]")  # digits, quotes, brackets, emoji
# The ways of reflecting that the sample keeps to, of the many that counsel-tiny knows as a base.
WAYS = {
    "named": ["You feel {f}.", "You are feeling {f}.", "So you feel {f}.", "There is a feeling of being {f}."],
    "tentative": ["You seem to feel {f}.", "Perhaps you feel {f}.", "It may leave you feeling {f}."],
    "mirror": ["It sounds like {m}.", "It seems that {m}.", "{M}.", "From your words, {m}."],
}


class Wording:
    """The replies taken so far; `take` refuses one that sounds like another."""

    def __init__(self) -> None:
        self.runs: set[tuple[str, ...]] = set()
        self.trigrams: list[set[tuple[str, ...]]] = []

    def take(self, replies: list[str]) -> bool:
        """Whether all of them are new, also to each other; if so they are taken."""
        runs, trigrams = set(self.runs), list(self.trigrams)
        for reply in replies:
            words = WORD.findall(reply.lower())
            own = {tuple(words[i : i + RUN]) for i in range(len(words) - RUN + 1)}
            three = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
            if own & runs or any(len(three & t) > JACCARD * len(three | t) for t in trigrams):
                return False
            runs |= own
            trigrams.append(three)
        self.runs, self.trigrams = runs, trigrams
        return True


def opening(generator: Generator, rng: Random, topic: Topic) -> tuple[str, Scene]:
    """A first message that pre-training never saw, and the scene that it sets."""
    register = rng.choices(REGISTERS, REGISTER_WEIGHTS)[0]
    while True:
        text, scene = generator.opening(rng, topic, register, True, greeted=False)
        if not FORBIDDEN.search(text):
            return text, scene


def drafts(generator: Generator, rng: Random) -> Iterator[list[list[str]]]:
    """Endless candidates: first a multi-turn conversation, then two single ones with one prompt."""
    answer = generator.counseling.reply
    while True:
        topic = rng.choice(generator.topics)
        text, scene = opening(generator, rng, topic)
        turns = [text, answer(rng, scene, None)]
        for follow in rng.sample(topic.next, rng.choice((1, 1, 2))):
            turns += [generator.later(rng, scene, follow.user, "careful", True), answer(rng, scene, follow)]
        yield [turns]
        topic = rng.choice(generator.topics)
        text, scene = opening(generator, rng, topic)
        yield [[text, answer(rng, scene, None)] for _ in range(2)]


def compose(generator: Generator, seed: int) -> list[list[str]]:
    """The sample: texts of user and assistant in turn."""
    rng, wording, prompts = Random(seed), Wording(), set()
    left = {"multi": MULTI, "shared": SHARED, "single": SINGLE}
    found: list[list[str]] = []
    for draft in drafts(generator, rng):
        kind = "multi" if len(draft[0]) > 2 else "shared" if left["shared"] else "single"
        chosen = draft[:1] if kind == "single" else draft
        replies = [text for texts in chosen for text in texts[1::2]]
        low, high = REPLY_WORDS
        fit = all(low <= len(r.split()) <= high and r.count("?") == 1 and not FORBIDDEN.search(r) for r in replies)
        if not left[kind] or not fit or draft[0][0] in prompts or not wording.take(replies):
            if not any(left.values()):
                return found
            continue
        prompts.add(draft[0][0])
        found += chosen
        left[kind] -= 1
    return found


def line(texts: list[str]) -> str:
    """One line of the file, its id made of its content."""
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    digest = hashlib.sha256(json.dumps(messages).encode()).hexdigest()[:12]
    return json.dumps({"messages": messages, "id": f"sample-{digest}", "source": SOURCE})


def main() -> int:
    """Write the sample and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    generator = Generator(load_world(HERE / "world"))
    generator.counseling.phrases = {**generator.counseling.phrases, **WAYS}
    found = compose(generator, options.seed)
    options.out.write_text("\n".join(map(line, found)) + "\n", encoding="utf-8")
    prompts = sorted(texts[0] for texts in found)
    shared = sum(a == b for a, b in pairwise(prompts))
    multi = sum(len(texts) > 2 for texts in found)
    print(f"{len(found)} conversations, {multi} multi-turn, {shared} prompts with two replies: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
