"""``counsel prepare``: files of conversations in; train, valid, eval and an audit out."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from counsel.conversation import Conversation
from counsel.data import audit as auditing
from counsel.data import plots, review, split
from counsel.data.audit import Audit
from counsel.data.canaries import Canary, make_canaries
from counsel.data.folder import MADE, building
from counsel.data.gather import Gathered, gather
from counsel.data.settings import PrepareSettings
from counsel.data.spool import Spool
from counsel.errors import CounselError
from counsel.files import sha256_of, write_atomically, write_json
from counsel.model.render import Renderer, load_tokenizer


def prepare(sources: tuple[str, ...], settings: PrepareSettings, say: Callable[[str], None]) -> Audit:
    """Read, clean, mask, split and audit conversations; ``settings.out`` appears whole at the end, or not at all.

    Args:
        sources: paths or hub ids.
        settings: what to do with them.
        say: takes each line of progress and result.

    Raises:
        CounselError: when the input is broken, too small, or the directory cannot be made.
    """
    if not sources:
        raise CounselError("there is nothing to prepare", fix="name at least one file, or a hub id")
    renderer = Renderer(load_tokenizer(settings.tokenizer))
    with building(settings.out, settings.overwrite) as folder:
        spool = Spool(folder, settings.similarity)
        try:
            done, samples = gather(sources, settings, spool, say)
            if not len(spool):
                raise CounselError(
                    f"no conversation was found in {done.read:,} rows",
                    where=", ".join(sources),
                    fix="each needs a prompt and a reply; check the columns",
                )
            say(f"{done.read:,} rows read, {len(spool):,} usable; comparing prompts")
            audit = _finish(spool, done, settings, renderer, folder, say)
        finally:
            spool.close()
    if settings.review:
        samples.tell(say)
    _summary(audit, settings.out, say)
    return audit


def _finish(
    spool: Spool,
    done: Gathered,
    settings: PrepareSettings,
    renderer: Renderer,
    folder: Path,
    say: Callable[[str], None],
) -> Audit:
    plan = split.plan(spool, settings)
    canaries, controls = make_canaries(settings.canaries, settings.seed)
    files = _write(spool, plan, canaries, folder)
    if canaries:
        secrets = {"planted": [asdict(c) for c in canaries], "controls": [asdict(c) for c in controls]}
        write_json(folder / "canaries.json", secrets)
        files["canaries.json"] = {"rows": len(canaries), "sha256": sha256_of(folder / "canaries.json")}
    chosen = np.flatnonzero(plan.place != split.LEFT_OUT)
    measured = chosen
    if len(chosen) > auditing.MEASURED:
        draw = np.random.default_rng(settings.seed)
        measured = np.sort(draw.choice(chosen, auditing.MEASURED, replace=False))
    say("measuring lengths")
    conversations = [spool.conversation(int(i)) for i in measured]
    lengths = auditing.measure(conversations, renderer, settings.max_length)
    _show(conversations[: settings.show], renderer, settings.max_length, say)
    body: dict[str, Any] = {
        "version": _version(),
        "inputs": done.inputs,
        "settings": _settings(settings),
        "rows_read": done.read,
        "rows_skipped": done.skipped,
        "first_skipped": done.first_skipped,
        "rows_without_prompt": done.without_prompt,
        "rows_without_reply": done.without_reply,
        "rows": len(spool),
        "exact_duplicates": plan.exact_duplicates,
        "duplicates_after_cleaning": plan.cleaned_duplicates,
        "prompts": len(np.unique(spool.prompts)),
        "pairs": len(spool) - plan.exact_duplicates,
        "near_equal_prompts": plan.near_equal,
        "groups": len(np.unique(plan.group)),
        "leak": split.leaks(spool, plan, settings),
        "cleaned": dict(done.cleaned),
        "tokens": auditing.tokens(lengths, len(chosen), settings.tokenizer),
        "truncation": {
            "max_length": settings.max_length,
            **auditing.truncation(lengths, settings.max_length),
        },
        "truncation_at": {str(n): auditing.truncation(lengths, n) for n in auditing.LENGTHS},
        "canaries": {"planted": len(canaries)},
        "files": files,
    }
    body["warnings"] = auditing.warnings(body)
    audit = Audit(**body)
    pictures = plots.draw(folder / "plots", body, lengths.total)
    write_atomically(folder / "audit.md", auditing.page(body, pictures))
    write_json(folder / MADE, audit.to_json())
    return audit


def _show(conversations: list[Conversation], renderer: Renderer, max_length: int, say: Callable[[str], None]) -> None:
    if conversations:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        for line in review.show(conversations, renderer, max_length, colour):
            say(line)


def _write(spool: Spool, plan: split.Plan, canaries: list[Canary], folder: Path) -> dict[str, dict[str, Any]]:
    """The three files, rows in the order they came; canaries last in train."""
    names = {place: f"{name}.jsonl" for place, name in split.NAMES.items()}
    hashes = {place: hashlib.sha256() for place in names}
    rows = dict.fromkeys(names, 0)
    used: dict[int, int] = {}
    with ExitStack() as stack:
        handles = {place: stack.enter_context(open(folder / name, "wb")) for place, name in names.items()}

        def put(place: int, line: bytes) -> None:
            handles[place].write(line)
            hashes[place].update(line)
            rows[place] += 1

        places, groups, digests = plan.place.tolist(), plan.group, spool.digests
        repeats = _repeated(digests[plan.place != split.LEFT_OUT])
        for i, (messages, source) in enumerate(spool.records()):
            if not places[i]:
                continue
            digest = int(digests[i])
            identity = f"{digest:016x}"
            if digest in repeats:  # only a split by row keeps duplicates
                used[digest] = used.get(digest, 0) + 1
                identity += f"-{used[digest]}"
            tail = f', "id": "{identity}", "group": "{int(groups[i]):016x}"}}\n'.encode()
            put(places[i], b'{"messages": ' + messages + b', "source": ' + source + tail)
        for canary in canaries:
            put(split.TRAIN, json.dumps(canary.conversation().to_json()).encode() + b"\n")
    return {names[p]: {"rows": rows[p], "sha256": hashes[p].hexdigest()} for p in names}


def _repeated(digests: split.Keys) -> set[int]:
    values, counts = np.unique(digests, return_counts=True)
    return set(values[counts > 1].tolist())


def _settings(settings: PrepareSettings) -> dict[str, Any]:
    """The settings that decide the result, as JSON."""
    values = asdict(settings)
    for name in ("out", "review", "show", "overwrite"):
        del values[name]
    return {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}


def _version() -> str:
    try:
        return version("counsel")
    except PackageNotFoundError:
        return "unknown"


def _summary(audit: Audit, out: Path, say: Callable[[str], None]) -> None:
    row, ours = audit.leak["row_split"], audit.leak["this_split"]
    say(
        f"{audit.rows:,} rows: {audit.pairs:,} pairs over {audit.prompts:,} prompts, "
        f"{audit.exact_duplicates:,} exact duplicates"
    )
    say(
        f"leak: {ours['prompt']:.2f} of prompts, {ours['pair']:.2f} of pairs "
        f"(a split by row: {row['prompt']:.2f}, {row['pair']:.2f})"
    )
    for warning in audit.warnings:
        say(f"warning: {warning}")
    counts = ", ".join(f"{name} {entry['rows']:,}" for name, entry in audit.files.items())
    say(f"{out}: {counts}; read audit.md")
