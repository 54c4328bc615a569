"""Composes conversations from the world, seeded: what counsel-tiny is trained on.

Run `python tools/tiny/generate.py --count 20 --seed 1` to read some, `--jsonl FILE` to write them, `--held-out` for
openings that training never sees. The same seed gives the same conversations on every machine.
"""

import argparse
import json
import sys
import time
import tomllib
import zlib
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

from register import REGISTER_WEIGHTS, REGISTERS, contract, count_in_digits, finish, with_filler
from replies import CounselingManner, PlainManner, Scene, pick
from smalltalk import Exchange, load_smalltalk
from world import HERE, Topic, capitalize, load_world, resolve, slots_in, survey

COUNSELING_SHARE = 1 / 3
MULTI_TURN_SHARE = 0.44
SYSTEM_SHARE = 0.04
LONGEST_MESSAGE = 4  # sentences, less greeting and opener


@dataclass(slots=True)
class Conversation:
    """Messages that alternate between user and assistant, and where they came from."""

    texts: list[str]
    kind: str
    manner: str

    def messages(self) -> list[dict[str, str]]:
        """The conversation in the form of chat templates."""
        roles = ("user", "assistant")
        return [{"role": roles[at % 2], "content": text} for at, text in enumerate(self.texts)]


@cache
def is_held_out(topic_id: str, tell: str, ask: str) -> bool:
    """Whether this pair of tell and ask is of the tenth that is kept for testing."""
    return zlib.crc32(f"{topic_id}|{tell}|{ask}".encode()) % 10 == 0


class Generator:
    """The grammar, loaded once; `conversation(rng)` draws from it."""

    def __init__(self, topics: list[Topic]) -> None:
        phrases = tomllib.loads((HERE / "phrases.toml").read_text(encoding="utf-8"))
        self.user: dict[str, list[str]] = phrases["user"]
        self.plain = PlainManner(phrases["plain"])
        self.counseling = CounselingManner(phrases["counseling"])
        self.topics = topics
        self.feelings = {t.id: [f for f in t.feelings if f not in self.user["set_aside"]] for t in topics}
        small = load_smalltalk(word for words in self.feelings.values() for word in words)
        self.small = small.topics
        self.feelings |= {t.id: list(t.feelings) for t in small.topics}
        self.system = small.system
        self.exchanges = {place: [e for e in small.exchanges if e.place == place] for place in ("start", "any", "end")}

    def conversation(self, rng: Random, *, held_out: bool = False) -> Conversation:
        """One conversation; with `held_out` its opening is of the pairs kept for testing."""
        counseling = rng.random() < COUNSELING_SHARE
        manner = "counseling" if counseling else "plain"
        register = rng.choices(REGISTERS, REGISTER_WEIGHTS)[0]
        draw = 1.0 if held_out else rng.random()
        if draw < 0.05:
            return Conversation(self._small_exchange(rng, register, counseling), "exchange", manner)
        texts: list[str] = []
        if draw < 0.09:
            texts += self._exchange(rng, rng.choice(self.exchanges["start"]), register, counseling)
        family = not held_out and rng.random() < 0.13
        topic = rng.choice(self.small) if family else rng.choice(self.topics)
        self._topic_turns(rng, topic, texts, register, counseling=counseling, held_out=held_out)
        if rng.random() < SYSTEM_SHARE and not held_out:
            texts[0] = f"{pick(rng, self.system)}\n\n{texts[0]}"
        return Conversation(texts, "small" if family else "topic", manner)

    def _topic_turns(
        self, rng: Random, topic: Topic, texts: list[str], register: str, *, counseling: bool, held_out: bool
    ) -> None:
        manner = self.counseling if counseling else self.plain
        message, scene = self.opening(rng, topic, register, held_out, greeted=bool(texts))
        texts += [message, manner.reply(rng, scene, None)]
        if rng.random() >= MULTI_TURN_SHARE:
            return
        follows = rng.sample(topic.next, min(len(topic.next), 1 if rng.random() < 0.55 else 2))
        for follow in follows:
            if len(texts) >= 6:
                return
            texts.append(self.later(rng, scene, follow.user, register, counseling))
            texts.append(manner.reply(rng, scene, follow))
        draw = rng.random()
        if len(texts) < 6 and draw < 0.2:
            place = "end" if draw < 0.12 else "any"
            texts += self._exchange(rng, rng.choice(self.exchanges[place]), register, counseling)

    def _spoken(self, rng: Random, scene: Scene, text: str, register: str) -> str:
        """One sentence of the user in the register, with its slots filled."""
        if register != "careful":
            if register == "chatty" or rng.random() < 0.6:
                text = contract(text)
            if rng.random() < 0.5:
                text = count_in_digits(text)
        return capitalize(resolve(text, scene.values))

    def opening(self, rng: Random, topic: Topic, register: str, held_out: bool, *, greeted: bool) -> tuple[str, Scene]:
        """The user's first message about a topic, and the scene that it sets."""
        tell, ask = self._pair(rng, topic, held_out)
        values = {name: pick(rng, options) for name, options in topic.slots.items()}
        pool = self.feelings[topic.id]
        feeling = ""
        if pool and rng.random() < (0.3 if register == "terse" else 0.55):
            feeling = pick(rng, pool)
            if len(pool) > 1 and rng.random() < 0.15:
                feeling = " and ".join(rng.sample(pool, 2))
        details = 0
        if register != "terse":
            details = rng.choices((0, 1, 2), (0.4, 0.5, 0.1))[0]
        parts = [tell, *rng.sample(topic.detail, details)]
        known = frozenset().union(*(slots_in(part) for part in (*parts, ask)))
        scene = Scene(topic, values, known, values.get("feeling", feeling))
        if feeling:
            self._place_feeling(rng, parts, feeling)
        if ask:
            first = ask in topic.ask and rng.random() < 0.06
            parts.insert(0 if first else len(parts), ask)
        if len(parts) > LONGEST_MESSAGE:
            parts = [*parts[: LONGEST_MESSAGE - 1], parts[-1]]
        sentences = [self._spoken(rng, scene, part, register) for part in parts]
        if not greeted:
            self._open(rng, sentences, register)
        scene.used.clear()
        return finish(rng, " ".join(sentences), register), scene

    def _pair(self, rng: Random, topic: Topic, held_out: bool) -> tuple[str, str]:
        """A tell and an ask ("" for none) on the right side of the split."""
        for _ in range(200):
            tell = pick(rng, topic.tell)
            draw = rng.random()
            ask = pick(rng, topic.ask) if draw < 0.48 else pick(rng, self.user["ask"]) if draw < 0.64 else ""
            if is_held_out(topic.id, tell, ask) == held_out:
                break
        return tell, ask

    def _place_feeling(self, rng: Random, parts: list[str], feeling: str) -> None:
        """Weave in a sentence with the feeling: before the situation, after it, or after the details."""
        before = rng.random() < 0.2
        after = rng.random() < 0.55
        phrases = self.user["feeling_after" if after and not before else "feeling"]
        at = 0 if before else 1 if rng.random() < 0.4 else len(parts)
        parts.insert(at, pick(rng, phrases).replace("{f}", feeling))

    def _open(self, rng: Random, sentences: list[str], register: str) -> None:
        draw = rng.random()
        if register == "chatty" and draw < 0.3:
            sentences[0] = with_filler(pick(rng, self.user["filler"]), sentences[0])
        if draw > 0.86:
            sentences.insert(0, self._phrase(pick(rng, self.user["opener"]), register))
        if rng.random() < (0.04 if register == "terse" else 0.15):
            sentences.insert(0, pick(rng, self.user["greeting"]))

    @staticmethod
    def _phrase(text: str, register: str) -> str:
        return contract(text) if register == "chatty" else text

    def later(self, rng: Random, scene: Scene, texts: tuple[str, ...], register: str, counseling: bool) -> str:
        """A later message of the user, at times with a word about the last reply."""
        sentence = self._spoken(rng, scene, pick(rng, texts), register)
        draw = rng.random()
        if draw < 0.28:
            reaction = pick(rng, self.user["after_question" if counseling else "after_advice"])
            sentence = f"{self._phrase(reaction, register)} {sentence}"
        elif draw < 0.4 and register == "chatty":
            sentence = with_filler(pick(rng, self.user["filler"]), sentence)
        return finish(rng, sentence, register)

    def _exchange(self, rng: Random, exchange: Exchange, register: str, counseling: bool) -> list[str]:
        parts = exchange.counseling if counseling and exchange.counseling else exchange.reply
        text = self._phrase(pick(rng, exchange.user), register)
        reply = " ".join(filter(None, (pick(rng, part) for part in parts)))
        return [finish(rng, text, register), reply]

    def _small_exchange(self, rng: Random, register: str, counseling: bool) -> list[str]:
        """An exchange that stands alone, or a greeting and then one."""
        texts: list[str] = []
        if rng.random() < 0.2:
            texts += self._exchange(rng, rng.choice(self.exchanges["start"]), register, counseling)
        place = rng.choices(("start", "any", "end"), (0.2, 0.7, 0.1))[0]
        pool = self.exchanges[place]
        return texts + self._exchange(rng, rng.choice(pool), register, counseling)


def main() -> int:
    """Print or write conversations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", action="store_true", help="openings that training never sees")
    parser.add_argument("--world", type=Path, default=HERE / "world")
    parser.add_argument("--draft", action="store_true", help="take a world that still has problems")
    parser.add_argument("--jsonl", type=Path, help="write here instead of printing")
    options = parser.parse_args()
    topics = survey(options.world)[0] if options.draft else load_world(options.world)
    generator = Generator(topics)
    rng = Random(options.seed)
    start = time.perf_counter()
    stream = (generator.conversation(rng, held_out=options.held_out) for _ in iter(int, 1))
    found = list(islice(stream, options.count))
    rate = len(found) / (time.perf_counter() - start)
    if options.jsonl:
        lines = (json.dumps({"messages": item.messages()}) for item in found)
        options.jsonl.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        for item in found:
            print(f"--- {item.kind}, {item.manner}")
            for message in item.messages():
                print(f"{message['role'][0].upper()}: {message['content']}")
    print(f"{len(found)} conversations, {rate:,.0f} a second", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
