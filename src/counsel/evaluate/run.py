"""``counsel evaluate``: a finished run, measured before and after tuning on conversations that it never saw."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any

from counsel.errors import CounselError
from counsel.evaluate.held_out import held_out
from counsel.evaluate.replies import Replies
from counsel.evaluate.scorers import SCORERS
from counsel.evaluate.settings import EvaluateSettings
from counsel.evaluate.suite import Answers, Probes, Suite
from counsel.evaluate.systems import Done, Foreseen, System
from counsel.files import read_json, sha256_of, write_json
from counsel.records import Run
from counsel.report.page import write_report

Say = Callable[[str], None]


def evaluate(settings: EvaluateSettings, systems: Sequence[System], say: Say) -> dict[str, dict[str, Any]]:
    """Ask the systems what the scorers want to know, write each scorer's result, and the run's report.

    Args:
        settings: which run, and how.
        systems: who is measured; the run's ``base`` and ``tuned`` first.
        say: hears each line of progress.

    Returns:
        By the scorer's name, what its ``results/NAME.json`` holds.

    Raises:
        CounselError: when the run is not finished, a scorer is not known, or the eval set is missing, empty or changed.
        CheckFailed: when the model's loss is not a finite number.
    """
    run = Run.open_finished(settings.run)
    names = _chosen(settings.only)
    with run.lock():
        known = held_out(run, settings.data)
        say(str(known))
        suite = Suite(known, tuple(s.name for s in systems), settings.seed, settings.resamples, settings.samples)
        asker = _Asker(systems, Replies(run.results / "replies.jsonl", systems), settings.rows, say)
        origin, written = _origin(settings, run), {}
        for name in names:
            scorer = SCORERS[name](suite)
            found = scorer.score(asker.ask(name, scorer.probes()))
            written[name] = found.to_json(scorer) | origin
            for table, body in found.tables.items():
                write_json(run.results / f"{table}.json", body)
            write_json(run.results / f"{name}.json", written[name])
            if found.told:
                say(found.told)
        report = write_report(run)
    say(f"wrote {', '.join(str(run.results / f'{name}.json') for name in names)} and {report}")
    return written


@dataclass(frozen=True)
class _Asker:
    """Puts a scorer's probes to every system, and tells the user what it asks."""

    systems: Sequence[System]
    store: Replies
    rows: int
    say: Say

    def ask(self, scorer: str, probes: Probes) -> Answers:
        """What the systems answered."""
        replies = {}
        for system in self.systems if probes.prompts else ():
            missing = len(self.store.missing(system, probes.prompts))
            if missing:
                self.say(f"{scorer}: asking {system.name} for {missing:,} of {len(probes.prompts):,} replies")
            else:
                self.say(f"{scorer}: the {len(probes.prompts):,} replies of {system.name} are stored already")
            done = _tenths(missing, "answered", self.say) if missing > self.rows else _unheard
            replies[system.name] = self.store.ask(system, probes.prompts, self.rows, done)
        return Answers(replies or {s.name: [] for s in self.systems}, self._foreseen(probes) if probes.examples else {})

    def _foreseen(self, probes: Probes) -> dict[str, Foreseen | None]:
        able = [s for s in self.systems if s.foresee]
        total = _tenths(len(able) * len(probes.examples), "measured", self.say)
        foreseen: dict[str, Foreseen | None] = dict.fromkeys(s.name for s in self.systems)
        for i, system in enumerate(able):
            assert system.foresee
            before = i * len(probes.examples)
            foreseen[system.name] = system.foresee(probes.examples, lambda n, b=before: total(b + n))  # type: ignore[misc]
        return foreseen


def _chosen(only: Sequence[str]) -> list[str]:
    """The scorers asked for, in the suite's order."""
    for name in only:
        if name not in SCORERS:
            raise CounselError(
                f"there is no scorer called {name!r}", where=f"--only {name}", fix=f"choose from {', '.join(SCORERS)}"
            )
    return [name for name in SCORERS if not only or name in only]


def _origin(settings: EvaluateSettings, run: Run) -> dict[str, Any]:
    """What made a result: command, settings, and the exact files that it is about."""
    data = read_json(run.path / "environment.json")["data"]["sha256"]["eval.jsonl"]
    return {
        "command": command_of(settings),
        "seed": settings.seed,
        "max_new_tokens": settings.max_new_tokens,
        "data_sha256": data,
        "eval_sha256": data,  # the older name of the same value; report and card also read older results by it
        "adapter_sha256": sha256_of(run.adapter / "adapter_model.safetensors"),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def command_of(settings: EvaluateSettings) -> str:
    """The command line that asks for these settings."""
    values, words = asdict(settings), ["counsel", "evaluate"]
    for field in fields(settings):
        value, flag = values[field.name], f"--{field.name.replace('_', '-')}"
        if field.name == "run" or value != field.default:
            words += [flag] if value is True else [flag, *map(str, value if isinstance(value, tuple) else (value,))]
    return shlex.join(words)


def _unheard(n: int) -> None:
    """So few come together that there is nothing to tell."""


def _tenths(total: int, what: str, say: Say) -> Done:
    """Reports progress at every tenth of the way, and not in between."""
    said = 0

    def done(n: int) -> None:
        nonlocal said
        if 10 * n // total > said:
            said = 10 * n // total
            say(f"  {said}0 % {what}")

    return done
