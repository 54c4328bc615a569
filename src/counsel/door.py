"""The front door: what the commands do, as functions. ``import counsel`` hands these names on.

Each function takes the settings of its command by name, with the command's defaults; ``counsel COMMAND --help`` and
docs/cli.md explain them.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from counsel.conversation import Message, messages_of
from counsel.errors import CounselError

if TYPE_CHECKING:
    from counsel.chat.counselor import Counselor
    from counsel.data.prepared import Prepared
    from counsel.helplines import Helpline
    from counsel.records import Run
    from counsel.safety.screening.screen import Screen
    from counsel.safety.verdict import Verdict

Settings = TypeVar("Settings")
Where = str | Path
Say = Callable[[str], None]


def tell(line: str) -> None:
    """A line of progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def prepare_data(*sources: Where, out: Where, say: Say = tell, **settings: Any) -> Prepared:
    """Turn files of conversations into cleaned, split and audited training data, as ``counsel prepare`` does.

    Args:
        sources: files (JSONL, JSON, CSV, Parquet), or a data set id on the hub.
        out: the directory to make; it appears whole at the end, or not at all.
        say: hears each line of progress.
        settings: of ``counsel prepare``, such as ``max_length=512``.

    Returns:
        The prepared data: ``train()``, ``valid()`` and ``eval()`` are lists of conversations, ``audit`` is what was
        found.

    Raises:
        CounselError: when the input is broken or too small, or a setting is not known.
    """
    from counsel.data.prepare import prepare as run
    from counsel.data.prepared import Prepared
    from counsel.data.settings import PrepareSettings

    run(tuple(map(str, sources)), _settings(PrepareSettings, settings, out=Path(out)), say)
    return Prepared.open(Path(out))


def train_run(
    *, data: Where | Sequence[Where], run: Where, recipe: str = "counsel", say: Say = tell, **settings: Any
) -> Run:
    """Train a LoRA adapter on a 4-bit base with prepared conversations, as ``counsel train`` does.

    Args:
        data: a prepared directory, or files to prepare on the way.
        run: the directory of the run.
        recipe: ``card``, ``counsel`` or ``tiny``; named defaults under the settings.
        say: hears each line of progress.
        settings: of ``counsel train``, such as ``base="counsel-tiny"`` or ``learning_rate=1e-4``.

    Returns:
        The finished run; ``run.adapter`` is the directory that PEFT and ``transformers`` load.

    Raises:
        CounselError: for whatever its user can mend; the run keeps its last whole checkpoint.
    """
    from counsel.train.recipes import load_recipe
    from counsel.train.run import train as start
    from counsel.train.settings import Asked, Recipe, TrainSettings

    if recipe not in get_args(Recipe):
        raise CounselError(f"there is no recipe called {recipe}", fix=f"use one of {', '.join(get_args(Recipe))}")
    named = load_recipe(recipe)
    given = {"run": Path(run), "data": (str(data),) if isinstance(data, Where) else tuple(map(str, data))}
    asked = _settings(TrainSettings, named | settings, recipe=recipe, **given)
    origins = dict.fromkeys(named, f"recipe {recipe}") | dict.fromkeys((*settings, *given, "recipe"), "flag")
    return start(Asked(asked, origins), say)


def evaluate_run(run: Run | Where, say: Say = tell, **settings: Any) -> dict[str, dict[str, Any]]:
    """Measure a run on conversations that it never saw, before and after tuning, as ``counsel evaluate`` does.

    Args:
        run: a finished run, or its directory.
        say: hears each line of progress.
        settings: of ``counsel evaluate``, such as ``guarded=True``.

    Returns:
        By scorer, what ``results/SCORER.json`` holds: ``scores`` lists value, 95 % interval and n for each system.
        Losses are in nats a token.

    Raises:
        CounselError: when the run is not finished, or its data are missing or changed.
    """
    from counsel.evaluate.run import evaluate as measure
    from counsel.evaluate.settings import EvaluateSettings
    from counsel.respondents import systems

    asked = _settings(EvaluateSettings, settings, run=_path(run))
    return measure(asked, systems(asked), say)


def write_card(run: Run | Where, say: Say = tell, **settings: Any) -> Path:
    """Write the run's model card from its records, as ``counsel card`` does.

    Args:
        run: a finished run, or its directory.
        say: hears what the card lacks.
        settings: of ``counsel card``, such as ``author="A. Name"``.

    Returns:
        The card, README.md in the run.

    Raises:
        CounselError: when the run is not finished, or a record is missing.
    """
    from counsel.publish.card import write_card as write
    from counsel.publish.settings import CardSettings

    return write(_settings(CardSettings, settings, run=_path(run)), say)


def load_counselor(run: Run | Where, **settings: Any) -> Counselor:
    """A guarded counselor over a run's model, the same that ``counsel chat`` talks with.

    Args:
        run: a finished run, or its directory.
        settings: of ``counsel chat``, such as ``country="GB"``.

    Returns:
        A counselor that serves many conversations and threads. ``begin()`` gives a session, ``answer(session, text)``
        yields the events of a turn, the last of which carries the new session; ``reply(conversation)`` answers a whole
        conversation.

    Raises:
        CounselError: when the run is not finished or its model cannot be loaded.
    """
    from counsel.chat.counselor import load_counselor as load
    from counsel.chat.settings import ChatSettings

    return load(_settings(ChatSettings, settings, run=_path(run)))


def screen_messages(messages: str | Sequence[Any], *, rules_only: bool = False) -> Verdict:
    """Read what a person wrote for signs of danger, as ``counsel screen`` does. It runs on a CPU without a network.

    Args:
        messages: one message of a person, or a list of ``{"role", "content"}``, or of ``Message``s.
        rules_only: leave the classifier out; the verdict then says ``degraded``.

    Returns:
        The verdict. Its spans index the raw text of each message; it holds none of the words.

    Raises:
        CounselError: when the messages are not a conversation.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    try:
        read = [m if isinstance(m, Message) else messages_of([m])[0] for m in messages]
    except ValueError as e:
        raise CounselError(f"the messages cannot be read: {e}", fix="give a list of role and content") from e
    return _screen(rules_only)(read)


@cache
def _screen(rules_only: bool) -> Screen:
    from counsel.safety.screening.screen import Screen

    return Screen(classify=None) if rules_only else Screen()


def find_helplines(country: str | None, topic: str | None = None, today: date | None = None) -> tuple[Helpline, ...]:
    """The helplines of a country, the most fitting first, as ``counsel helplines`` shows them; none has expired.

    Args:
        country: ISO 3166 alpha-2, such as ``GB``; None for the international directory.
        topic: such as ``suicide``, ``abuse`` or ``minor``, or None.
        today: the day on which helplines must not have expired; by default the current day.

    Raises:
        CounselError: when the country is not a code or the topic is not known.
    """
    from counsel.safety.helplines import helplines as shown

    return shown(country, topic, today=today or date.today())


def _path(run: Run | Where) -> Path:
    return Path(run) if isinstance(run, Where) else run.path


def _settings(kind: type[Settings], given: dict[str, Any], **own: Any) -> Settings:
    """The settings of a command, from names and values.

    Raises:
        CounselError: when there is no such setting, or a value is refused.
    """
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    for name in given:
        if name not in known or name in own:
            near = difflib.get_close_matches(name, known, 1, 0.0)[0]
            raise CounselError(f"there is no setting called {name}", fix=f"did you mean {near}?")
    hints = get_type_hints(kind)
    try:
        return kind(**own, **{name: _fitting(name, value, hints[name]) for name, value in given.items()})
    except (TypeError, ValueError) as e:
        raise CounselError(f"a setting was refused: {e}", fix="see docs/cli.md") from e


def _fitting(name: str, value: Any, hint: Any) -> Any:
    """A value as the settings hold it: a path where a path is wanted, or one of the known names.

    Raises:
        ValueError: when it is none of the known names.
    """
    kinds = get_args(hint)
    if get_origin(hint) is Literal and value not in kinds:
        raise ValueError(f"{name} must be one of {', '.join(map(str, kinds))}, not {value}")
    if get_origin(hint) is tuple and isinstance(value, Where):
        return (_fitting(name, value, kinds[0]),)
    return Path(value) if isinstance(value, str) and Path in (hint, *kinds) else value
