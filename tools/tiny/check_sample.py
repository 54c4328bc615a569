"""Checks the hand-written sample conversations and merges them into one file.

Run `python tools/tiny/check_sample.py --out sample.jsonl`: problems are listed and nothing is written (exit 1), or
the file is written with a stable "id" and "source": "counsel-sample" in each line.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world import HERE

SOURCE = "counsel-sample"
CONVERSATIONS = 300
MULTI_TURN_SHARE = 1 / 3
SHARED_PROMPTS = 75  # prompts with two or more replies
RUN = 7  # words in a row that two replies may not share
JACCARD = 0.4
REPLY_WORDS = (15, 40)
USER_WORDS = (3, 70)
WORD = re.compile(r"[a-z']+")
FORBIDDEN = re.compile(r"[^A-Za-z ,.?!'-]")  # also digits, double quotes, brackets, emoji


@dataclass(frozen=True)
class Sample:
    """One conversation and where it stands."""

    where: str
    messages: list[dict[str, str]]

    @property
    def id(self) -> str:
        """The same for the same content."""
        text = json.dumps(self.messages, sort_keys=True)
        return "sample-" + hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def replies(self) -> list[str]:
        """What the assistant says."""
        return [message["content"] for message in self.messages[1::2]]


def read(folder: Path, problems: list[str]) -> list[Sample]:
    """The samples of all files in the order of their names; lines that are none go to `problems`."""
    samples = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            where = f"{path.name}:{number}"
            try:
                messages = json.loads(line)["messages"]
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                problems.append(f"{where}: no conversation: {error!r}")
                continue
            if problem := _shape_problem(messages):
                problems.append(f"{where}: {problem}")
            else:
                samples.append(Sample(where, messages))
    return samples


def _shape_problem(messages: Any) -> str:
    if not isinstance(messages, list) or not messages or len(messages) % 2:
        return "must hold an even number of messages"
    for at, message in enumerate(messages):
        if not isinstance(message, dict) or set(message) != {"role", "content"}:
            return f"message {at}: must have role and content alone"
        if message["role"] != ("user", "assistant")[at % 2]:
            return f"message {at}: has the role {message['role']!r}"
        if not isinstance(message["content"], str) or not message["content"].strip():
            return f"message {at}: is empty"
    return ""


def text_problems(sample: Sample) -> Iterator[str]:
    """What is wrong with the texts of one conversation."""
    for at, message in enumerate(sample.messages):
        text = message["content"]
        where = f"{sample.where} message {at}"
        count = len(text.split())
        low, high = REPLY_WORDS if at % 2 else USER_WORDS
        if not low <= count <= high:
            yield f"{where}: {count} words, {low} to {high} wanted: {text!r}"
        if odd := FORBIDDEN.findall(text):
            yield f"{where}: holds {sorted(set(odd))}: {text!r}"
        if at % 2 and (text.count("?") != 1 or not text.endswith("?")):
            yield f"{where}: must end with its one question: {text!r}"


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return WORD.findall(text.lower())


def grams(words: list[str], size: int) -> set[tuple[str, ...]]:
    """All runs of `size` words."""
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


def alike(samples: Iterable[Sample]) -> Iterator[str]:
    """Pairs of replies that share a run of words or too many word trigrams."""
    replies = [(f"{s.where} ({s.id}) reply {n}", words_of(r)) for s in samples for n, r in enumerate(s.replies, 1)]
    trigrams = [grams(words, 3) for _, words in replies]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    common: dict[tuple[int, int], int] = defaultdict(int)
    for number, runs in enumerate(trigrams):
        for run in runs:
            for other in holders[run]:
                common[other, number] += 1
            holders[run].append(number)
    for (one, two), shared in sorted(common.items()):
        (name_one, words_one), (name_two, words_two) = replies[one], replies[two]
        jaccard = shared / len(trigrams[one] | trigrams[two])
        if jaccard > JACCARD:
            yield f"{name_one} and {name_two}: trigram Jaccard {jaccard:.2f}"
        if shared > RUN - 3 and (runs := grams(words_one, RUN) & grams(words_two, RUN)):
            yield f"{name_one} and {name_two}: both say {' '.join(min(runs))!r}"


def total_problems(samples: list[Sample]) -> Iterator[str]:
    """What is wrong with the samples as a whole."""
    if len(samples) < CONVERSATIONS:
        yield f"{len(samples)} conversations, at least {CONVERSATIONS} wanted"
    multi = sum(len(sample.messages) > 2 for sample in samples)
    if multi < len(samples) * MULTI_TURN_SHARE:
        yield f"{multi} of {len(samples)} are multi-turn, at least a third wanted"
    replies: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        replies[sample.messages[0]["content"]].add(sample.replies[0])
    shared = sum(len(found) > 1 for found in replies.values())
    if shared < SHARED_PROMPTS:
        yield f"{shared} prompts have two or more replies, at least {SHARED_PROMPTS} wanted"
    seen: dict[str, str] = {}
    for sample in samples:
        if sample.id in seen:
            yield f"{sample.where}: the same conversation as {seen[sample.id]}"
        seen[sample.id] = sample.where


def main() -> int:
    """Check, and write when there is nothing to complain about."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=Path, default=HERE / "sample")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    problems: list[str] = []
    samples = read(options.sample, problems)
    for sample in samples:
        problems += text_problems(sample)
    problems += [*total_problems(samples), *alike(samples)]
    for problem in problems:
        print(problem)
    print(f"{len(samples)} conversations, {len(problems)} problems", file=sys.stderr)
    if problems:
        return 1
    lines = (json.dumps({"id": s.id, "source": SOURCE, "messages": s.messages}, ensure_ascii=False) for s in samples)
    options.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
