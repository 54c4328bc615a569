"""The held-out conversations of a run, checked to be the very file that training never opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from counsel.conversation import Conversation
from counsel.data.prepared import Prepared
from counsel.errors import CounselError
from counsel.files import read_json, sha256_of
from counsel.model.render import Rendered, Renderer, load_tokenizer
from counsel.records import Run


@dataclass(frozen=True)
class HeldOut:
    """The held-out conversations that can be measured.

    Attributes:
        conversations: those that keep a reply after the cut.
        examples: the same as tokens, in the same order.
        answerable: those whose questions the model can read whole.
        dropped: how many keep no reply after the cut.
        cut: how many of ``conversations`` lost their end.
        max_length: the number of tokens at which the run cuts.
        leak: the share whose prompt, or prompt and reply, is also in the training data (``prompt``, ``pair``).
    """

    conversations: Sequence[Conversation] = ()
    examples: Sequence[Rendered] = ()
    answerable: Sequence[Conversation] = ()
    dropped: int = 0
    cut: int = 0
    max_length: int = 0
    leak: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """The group of each; a conversation without one is a group of its own."""
        return [c.group or f"alone {i}" for i, c in enumerate(self.conversations)]

    def __str__(self) -> str:
        tokens = sum(r.trained for r in self.examples)
        line = (
            f"{len(self.examples):,} held-out conversations, {len(set(self.groups)):,} groups of prompts, "
            f"{tokens:,} tokens of replies"
        )
        return line + (f"; {self.dropped:,} without a reply after the cut are left out" if self.dropped else "")


def held_out(run: Run, moved_to: Path | None = None) -> HeldOut:
    """Read a run's eval set.

    Args:
        run: a finished run.
        moved_to: where its prepared data lie now, if they have moved.

    Raises:
        CounselError: when the eval set is missing, has changed, or holds nothing to measure on.
    """
    directory = _unchanged(run, moved_to)
    conversations = Prepared.open(directory).eval()
    max_length: int = run.settings["max_length"]
    renderer = Renderer(load_tokenizer(str(run.adapter)))
    rendered = renderer.render_many(conversations)
    cut = [r.cut(max_length) for r in rendered]
    kept = [i for i, r in enumerate(cut) if sum(r.mask[1:])]
    if not kept:
        raise CounselError(
            f"none of the {len(conversations)} held-out conversations has a reply to measure on"
            if conversations
            else "no conversations were held out, so there is nothing to measure on",
            where=directory / "eval.jsonl",
            fix="prepare with a larger --eval-share or from more conversations, and train again",
        )
    measured = [conversations[i] for i in kept]
    leak = read_json(run.path / "data.json").get("leak", {}).get("this_split", {})
    return HeldOut(
        conversations=measured,
        examples=[cut[i] for i in kept],
        answerable=[c for c in measured if c.is_answered and len(renderer.prompt_ids(c.question)) < max_length],
        dropped=len(conversations) - len(kept),
        cut=sum(len(rendered[i].ids) > max_length for i in kept),
        max_length=max_length,
        leak={"prompt": leak.get("prompt"), "pair": leak.get("pair")},
    )


def _unchanged(run: Run, moved_to: Path | None) -> Path:
    """The directory of the prepared data, whose eval.jsonl is the one that the run was made beside."""
    recorded = read_json(run.path / "environment.json")["data"]
    directory = moved_to or Path(recorded["directory"])
    path = directory / "eval.jsonl"
    if not path.is_file():
        raise CounselError(
            "the run's eval set is not where it was",
            where=path,
            fix="say where its prepared data lie now with --data DIR",
        )
    if sha256_of(path) != recorded["sha256"].get("eval.jsonl"):
        raise CounselError(
            "the eval set is not the one that this run was made with, so some of it may have been trained on",
            where=path,
            fix="restore the file, or train a new run on the new data",
        )
    return directory
