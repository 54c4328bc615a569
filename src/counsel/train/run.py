"""``counsel train``: a run from its settings to its adapter, through kills, full disks and full memories."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from counsel.data.prepare import prepare
from counsel.data.prepared import Prepared
from counsel.data.settings import PrepareSettings
from counsel.errors import CheckFailed, CounselError
from counsel.files import read_json, sha256_of, unwritable, write_json
from counsel.model.load import be_quiet
from counsel.model.render import Renderer, load_tokenizer
from counsel.records import Run, environment
from counsel.train.checkpoints import checkpoints
from counsel.train.memory import fitting
from counsel.train.objective import Task
from counsel.train.settings import Asked, TrainSettings

Say = Callable[[str], None]

FREE_TO_CHANGE = ("resume", "dry_run", "log_to", "run", "rows", "accumulate", "memory", "checkpointing")
"""Settings that may change when a run is resumed, because none of them changes what is learned."""


def train(asked: Asked, say: Say, task: Task | None = None) -> Run:
    """Train an adapter.

    Args:
        asked: the settings, and where each came from.
        say: prints one line.
        task: what kind of training; supervised fine-tuning by default.

    Returns:
        The run, finished.

    Raises:
        CounselError: for whatever its user can mend; the run keeps its last whole checkpoint.
    """
    be_quiet()
    os.environ.setdefault(
        "PYTORCH_ALLOC_CONF", "expandable_segments:True"
    )  # so that less memory is lost between blocks
    settings, run = asked.settings, Run(asked.settings.run)
    if settings.log_to != "none" and not find_spec(settings.log_to):
        raise CounselError(
            f"the package {settings.log_to} is not installed",
            where=f"--log-to {settings.log_to}",
            fix=f"pip install {settings.log_to}",
        )
    if settings.dry_run:
        from counsel.train.dry_run import dry_run

        with TemporaryDirectory() as scratch:
            dry_run(task or _supervised(), asked, prepared_data(settings, Run(scratch), say), say)
        return run
    with run.lock():
        if run.is_finished and settings.resume:
            say(f"{run.path} has finished already, so there is nothing to do")
            return run
        data = _begin(asked, run, say)
        fitting(settings, lambda fit: _train_once(task or _supervised(), fit, data, run, say), say)
        return run


def _supervised() -> Task:
    from counsel.train.sft import SFT  # torch and TRL come with it

    return SFT


def prepared_data(settings: TrainSettings, run: Run, say: Say) -> Prepared:
    """The prepared directory that ``--data`` names, or the one made from the files that it names."""
    first = Path(settings.data[0])
    if first.is_dir():
        if len(settings.data) > 1:
            raise CounselError(
                "--data takes one prepared directory, or any number of files",
                where=first,
                fix="prepare all files together first",
            )
        return Prepared.open(first)
    home = run.path / "data"
    if not home.exists():
        say(f"preparing {', '.join(settings.data)} in {home}")
        prepare(
            tuple(settings.data),
            PrepareSettings(out=home, tokenizer=settings.base, max_length=settings.max_length, seed=settings.seed),
            say,
        )
    return Prepared.open(home)


def _begin(asked: Asked, run: Run, say: Say) -> Prepared:
    """Write down what the run is, or check that it is still the same."""
    settings = asked.settings
    values = json.loads(json.dumps(asdict(settings), default=str))
    known = run.path / "settings.json"
    if known.exists() and not settings.resume:
        state = "a finished run" if run.is_finished else "a run that has begun"
        raise CounselError(
            f"there is {state} here",
            where=run.path,
            fix="add --resume to go on with it, or choose another --run",
        )
    run.begin()
    data = prepared_data(settings, run, say)
    files = {name: entry["sha256"] for name, entry in data.audit["files"].items()}
    if known.exists():
        _check_same(run, values, files)
        return data
    with suppress(FileNotFoundError):
        (run.path / "metrics.jsonl").unlink()
    where = {"data": {"directory": str(data.path.resolve()), "sha256": files}}
    write_json(run.path / "environment.json", environment() | where)
    write_json(run.path / "data.json", data.audit)
    write_json(known, {"command": "train", "values": values, "origins": dict(asked.origins)})
    return data


def _check_same(run: Run, values: dict[str, Any], files: dict[str, str]) -> None:
    before = run.settings
    changed = [k for k, v in values.items() if k not in FREE_TO_CHANGE and before.get(k) != v]
    if changed:
        listed = ", ".join(f"{k} was {before.get(k)!r} and is now {values[k]!r}" for k in changed)
        raise CounselError(
            f"a resumed run must keep its settings: {listed}",
            where=run.path,
            fix="use the same settings, or start another run with another --run",
        )
    if before["rows"] * before["accumulate"] != values["rows"] * values["accumulate"]:
        raise CounselError(
            "a resumed run must keep the product of --rows and --accumulate",
            where=run.path,
            fix=f"choose two whose product is {before['rows'] * before['accumulate']}",
        )
    if read_json(run.path / "environment.json")["data"]["sha256"] != files:
        raise CounselError(
            "the prepared data has changed since this run began",
            where=run.path,
            fix="restore it, or start a new run",
        )


def _train_once(task: Task, settings: TrainSettings, data: Prepared, run: Run, say: Say) -> None:
    """From the last whole checkpoint, or from the start, to the finished run."""
    from counsel.train.session import set_up

    for part in (*run.checkpoints.glob(".part-*"), *run.path.glob(".adapter*")):
        shutil.rmtree(part, ignore_errors=True)
    kept = checkpoints(run.checkpoints)
    begun = int(kept[-1].name.split("-")[1]) if kept else 0
    run.rewind(begun)
    if kept:
        say(f"going on from step {begun}")
    tokenizer = load_tokenizer(settings.base)
    rows, valid = task.rows(settings, data, Renderer(tokenizer), say)
    session = set_up(task, settings, rows, valid, tokenizer, run, say)
    if not (kept and session.was_over_at(kept[-1])):
        session.schedule.listen()
        try:
            session.trainer.train(resume_from_checkpoint=str(kept[-1]) if kept else None)
        finally:
            session.schedule.stop_listening()
            session.recorder.close()
    step = session.trainer.state.global_step
    if session.schedule.interrupted and step < session.trainer.state.max_steps:
        raise CheckFailed(
            f"stopped at step {step} as asked, with a checkpoint", where=run.path, fix="go on with --resume"
        )
    _finish(settings, session, run, say)


def _finish(settings: TrainSettings, session: Any, run: Run, say: Say) -> None:
    """Put the best adapter in place, last, by one rename."""
    from counsel.model import adapter

    summary = session.summary()
    part = run.path / ".adapter"
    try:
        session.load_best(run)
        adapter.copy_tiny(settings.base, run.path)
        adapter.save(
            session.trainer.model,
            session.trainer.processing_class,
            adapter.home_of(settings.base, run.path),
            part,
        )
    except OSError as e:
        shutil.rmtree(part, ignore_errors=True)
        raise unwritable(run.adapter, e) from e
    write_json(
        run.results / "training.json",
        summary | {"adapter_sha256": sha256_of(part / "adapter_model.safetensors")},
    )
    run.put(part, "adapter")
    loss = summary["best_valid_loss"]
    told = f", best valid loss {loss:.4f} at step {summary['best_step']}" if loss is not None else ""
    say(f"trained {summary['steps']} steps in {math.ceil(summary['seconds'])} s{told}: {run.adapter}")
