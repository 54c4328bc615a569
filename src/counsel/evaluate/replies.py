"""``results/replies.jsonl``: every reply, asked for once. Scorers read it; a stopped evaluation goes on from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.evaluate.systems import Done, System
from counsel.files import unwritable, write_atomically


@dataclass(frozen=True)
class Reply:
    """One line of the file.

    Attributes:
        prompt: the digest of the conversation that was answered.
        id: the id of that conversation, where it has one.
        system: who answered.
        seed: the seed of the draws.
        text: the reply as a person would have seen it.
        tokens: how many tokens the model drew.
        finish: why it ended.
        made_by: the digest of the system that answered.
    """

    prompt: str
    id: str
    system: str
    seed: int
    text: str
    tokens: int
    finish: str
    made_by: str


class Replies:
    """The stored replies of one run, and the way to more of them.

    Args:
        path: the file; it need not exist yet.
        systems: who is measured now. What an earlier version of one of them said is dropped.

    Raises:
        CounselError: when the file holds something else.
    """

    def __init__(self, path: Path, systems: Iterable[System]) -> None:
        self.path = path
        now = {s.name: s.digest for s in systems}
        text, kept = _text(path), []
        lines = text.split("\n")
        for number, line in enumerate(lines[:-1], 1):  # text after the last line end was cut short by a crash
            reply = _reply(line, f"{path}:{number}")
            if now.get(reply.system, reply.made_by) == reply.made_by:
                kept.append(reply)
        self._known = {(r.prompt, r.made_by): r for r in kept}
        whole = "".join(map(_line, kept))
        if whole != text:
            write_atomically(path, whole)

    def missing(self, system: System, prompts: Sequence[Conversation]) -> list[Conversation]:
        """Those of the prompts that the system has not answered yet, each once."""
        wanted = {p.digest: p for p in prompts}
        return [p for digest, p in wanted.items() if (digest, system.digest) not in self._known]

    def ask(self, system: System, prompts: Sequence[Conversation], rows: int, done: Done) -> list[Reply]:
        """The system's replies to the prompts, in their order; only those not stored yet are asked for.

        Args:
            system: who answers.
            prompts: conversations that end with the person's turn.
            rows: how many are asked for, and stored, together.
            done: is called with the number of missing replies that have come so far.
        """
        missing = sorted(self.missing(system, prompts), key=lambda c: sum(len(m.content) for m in c.messages))
        for at in range(0, len(missing), rows):
            asked = missing[at : at + rows]
            answers = system.respond(asked, lambda n: None)
            self._add(
                Reply(c.digest, c.id, system.name, system.seed, a.text, a.tokens, a.finish, system.digest)
                for c, a in zip(asked, answers, strict=True)
            )
            done(at + len(asked))
        return [self._known[p.digest, system.digest] for p in prompts]

    def _add(self, replies: Iterable[Reply]) -> None:
        """Append lines and wait until the disk holds them, before the next replies are asked for."""
        new = list(replies)
        try:
            with open(self.path, "a", encoding="utf-8") as f:
                f.write("".join(map(_line, new)))
                f.flush()
                os.fsync(f.fileno())
        except OSError as e:
            raise unwritable(self.path, e) from e
        self._known |= {(r.prompt, r.made_by): r for r in new}


def _line(reply: Reply) -> str:
    return json.dumps(asdict(reply)) + "\n"


def _reply(line: str, where: str) -> Reply:
    try:
        return Reply(**json.loads(line))
    except (ValueError, TypeError) as e:
        raise CounselError(
            f"this line is not a stored reply: {e}",
            where=where,
            fix="delete the file; the replies are then asked for again",
        ) from e


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as e:
        raise CounselError(f"the stored replies cannot be read: {e}", where=path, fix="delete the file") from e
