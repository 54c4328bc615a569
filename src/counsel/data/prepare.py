"""``counsel prepare``: files of conversations in; train, valid, eval and an audit out."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counsel.conversation import Conversation
from counsel.data.audit import examples, lengths, plots
from counsel.data.audit.audit import Audit
from counsel.data.audit.page import page
from counsel.data.canaries import make_canaries
from counsel.data.cleaning.conversations import ConversationCleaner
from counsel.data.cleaning.excerpts import Excerpts
from counsel.data.cleaning.masking import Masker, read_terms
from counsel.data.cleaning.turns import Cleaner
from counsel.data.prepared import MADE
from counsel.data.reading.columns import Columns
from counsel.data.reading.intake import Intake
from counsel.data.settings import PrepareSettings
from counsel.data.splitting.earlier import read_earlier
from counsel.data.splitting.leak import leaks
from counsel.data.splitting.parts import Shares
from counsel.data.splitting.split import split
from counsel.data.splitting.spool import Spool
from counsel.data.writing.files import write_files
from counsel.data.writing.folder import building
from counsel.errors import CounselError
from counsel.files import write_atomically, write_json
from counsel.model.render import Renderer, load_tokenizer

Say = Callable[[str], None]


def prepare(sources: tuple[str, ...], settings: PrepareSettings, say: Say) -> Audit:
    """Read, clean, mask, split and audit conversations; ``settings.out`` appears whole at the end, or not at all.

    Args:
        sources: paths or hub ids.
        settings: what to do with them.
        say: is called with each line of progress and of the result.

    Raises:
        CounselError: when the input is broken, too small, or the directory cannot be made.
    """
    if not sources:
        raise CounselError("there is nothing to prepare", fix="name at least one file, or a hub id")
    ask = settings
    shares = Shares(ask.valid_share, ask.eval_share)
    excerpts = Excerpts(ask.review, random.Random(ask.seed))
    renderer = Renderer(load_tokenizer(ask.tokenizer))
    with building(ask.out, ask.overwrite) as folder, Spool(folder, ask.similarity) as spool:
        intake = Intake(sources, Columns(ask.prompt_column, ask.reply_column), ask.on_error == "skip", say)
        masker = Masker(read_terms(ask.redact) if ask.redact else (), intake.authors())
        earlier = read_earlier(ask.like, ask.similarity, Cleaner(masker).prompt, spool) if ask.like else None
        cleaner = ConversationCleaner(masker, excerpts)
        _fill(spool, intake, cleaner)
        say(f"{intake.read:,} rows read, {len(spool):,} of them usable; comparing their prompts")
        made = split(spool, ask.split, shares, sample=ask.sample, seed=ask.seed, earlier=earlier)
        planted, controls = make_canaries(ask.canaries, ask.seed)
        files = write_files(folder, spool, made, planted, controls)
        say("measuring lengths")
        conversations = [spool.conversation(int(row)) for row in lengths.drawn(made.used, ask.seed)]
        measured = lengths.measure(conversations, renderer, ask.max_length)
        _show(conversations[: ask.show], renderer, ask.max_length, say)
        audit = Audit.of(
            settings=_deciding(settings),
            **intake.figures(),
            **cleaner.figures(),
            **made.figures(spool),
            leak=leaks(spool, made, ask.split, shares, ask.seed),
            **lengths.figures(measured, len(made.used), ask.tokenizer, ask.max_length),
            canaries={"planted": len(planted)},
            files=files,
        )
        pictures = plots.draw(folder / "plots", audit.to_json(), measured.total)
        write_atomically(folder / "audit.md", page(audit.to_json(), pictures))
        write_json(folder / MADE, audit.to_json())
    if ask.review:
        excerpts.tell(say)
    _summary(audit, ask.out, say)
    return audit


def _fill(spool: Spool, intake: Intake, cleaner: ConversationCleaner) -> None:
    """Take every row down from its source to the spool, cleaned, one at a time."""
    for row in intake:
        try:
            cleaned = cleaner.clean(row)
        except ValueError as e:
            intake.refuse(row, str(e))
            continue
        if cleaned:
            spool.add(cleaned)
    if not len(spool):
        raise CounselError(
            f"no conversation was found in {intake.read:,} rows",
            where=", ".join(intake.names),
            fix="each row needs a prompt and a reply; check the columns",
        )


def _show(conversations: Sequence[Conversation], renderer: Renderer, max_length: int, say: Say) -> None:
    if conversations:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for line in examples.show(conversations, renderer, max_length, colour):
            say(line)


def _deciding(settings: PrepareSettings) -> dict[str, Any]:
    """The settings that decide the result, as JSON."""
    values = asdict(settings)
    for name in ("out", "review", "show", "overwrite"):
        del values[name]
    if settings.like is None:
        del values["like"]
    return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}


def _summary(audit: Audit, out: Path, say: Say) -> None:
    row, ours = audit.leak["row_split"], audit.leak["this_split"]
    say(
        f"{audit.rows:,} rows: {audit.pairs:,} pairs over {audit.prompts:,} prompts, "
        f"{audit.exact_duplicates:,} exact duplicates"
    )
    say(
        f"leak: {ours['prompt']:.2f} of held-out prompts and {ours['pair']:.2f} of pairs are also trained on "
        f"(in a split by row: {row['prompt']:.2f} and {row['pair']:.2f})"
    )
    if audit.like:
        kept = sum(audit.like["groups_kept"].values())
        say(
            f"like {audit.like['directory']}: {kept:,} groups stay in place, {audit.like['groups_new']:,} are new; "
            f"{audit.like['rows_left_out']:,} rows are left out at {audit.like['bridges']:,} bridges between its parts"
        )
    for warning in audit.warnings:
        say(f"warning: {warning}")
    counts = ", ".join(f"{name} {entry['rows']:,}" for name, entry in audit.files.items())
    say(f"{out}: {counts}; read audit.md")
