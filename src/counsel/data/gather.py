"""From sources to the spool: every row is read, cleaned, masked, checked and counted, one at a time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counsel.conversation import Conversation
from counsel.data import review, sources
from counsel.data.clean import Cleaner
from counsel.data.personal import Masker, read_terms
from counsel.data.rows import Columns, Row
from counsel.data.settings import PrepareSettings
from counsel.data.spool import Spool
from counsel.errors import CounselError
from counsel.files import sha256_of

SAY_EVERY = 100_000


@dataclass
class Gathered:
    """What reading has counted."""

    read: int = 0
    skipped: int = 0
    without_prompt: int = 0
    without_reply: int = 0
    first_skipped: list[str] = field(default_factory=list)
    """The first broken rows, as place and reason."""
    cleaned: Counter[str] = field(default_factory=Counter)
    inputs: list[dict[str, Any]] = field(default_factory=list)


class _Broken(Exception):
    """A row that is no conversation."""


def gather(
    names: Iterable[str], settings: PrepareSettings, spool: Spool, say: Callable[[str], None]
) -> tuple[Gathered, review.Samples]:
    """Read every source into the spool.

    Raises:
        CounselError: at the first broken row, unless the settings say to skip them.
    """
    names = tuple(names)
    terms = read_terms(settings.redact) if settings.redact else ()
    masker = Masker(terms, (a for name in names for a in sources.authors(name)))
    cleaner = Cleaner(masker)
    samples = review.Samples(settings.review, random.Random(settings.seed))
    done = Gathered()
    for name in names:
        before = done.read
        for row in _rows(name, settings):
            done.read += 1
            try:
                _take(row, cleaner, spool, samples, done)
            except _Broken as e:
                if settings.on_error == "stop":
                    raise CounselError(
                        str(e), where=row.where, fix="mend it, or leave broken rows out with --on-error skip"
                    ) from e
                done.skipped += 1
                if len(done.first_skipped) < 10:
                    done.first_skipped.append(f"{row.where}: {e}")
            if done.read % SAY_EVERY == 0:
                say(f"{done.read:,} rows read")
        done.inputs.append({"name": Path(name).name, "rows": done.read - before, **_identity(name)})
    done.cleaned = Counter({rule: n for rule, n in sorted(cleaner.counts.items()) if n})
    return done, samples


def _rows(name: str, settings: PrepareSettings) -> Iterator[Row]:
    return sources.read(name, Columns(settings.prompt_column, settings.reply_column))


def _identity(name: str) -> dict[str, Any]:
    path = Path(name)
    return {"sha256": sha256_of(path), "bytes": path.stat().st_size} if path.is_file() else {"hub": name}


def _take(row: Row, cleaner: Cleaner, spool: Spool, samples: review.Samples, done: Gathered) -> None:
    """Clean one row into the spool, or count why not."""
    if row.problem:
        raise _Broken(row.problem)
    turns = list(row.turns)
    while turns and turns[-1][0] != "assistant" and any(role == "assistant" for role, _ in turns):
        turns.pop()  # a question that nobody answered teaches nothing
        cleaner.counts["unanswered_turns"] += 1
    cleaned = [cleaner.turn(text, role, row.author) for role, text in turns]
    if samples.size:
        for turn in cleaned:
            samples.look(turn.before, turn.text, turn.spans, row.where)
    cleaned = [t for t in cleaned if t.text or t.role != "system"]
    said = [t for t in cleaned if t.role != "system"]
    if not said or (said[0].role == "user" and not said[0].text):
        done.without_prompt += 1
    elif said[-1].role != "assistant" or not said[-1].text:
        done.without_reply += 1
    else:
        try:
            conversation = Conversation.of([{"role": t.role, "content": t.text} for t in cleaned], source=row.source)
        except ValueError as e:
            raise _Broken(str(e)) from e
        came, now = [t.came for t in said], [t.words for t in said]
        spool.add(conversation, (came[0], "\x1e".join(came)), (now[0], "".join(now)))
