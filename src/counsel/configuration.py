"""Where a setting's value comes from: flag beats file beats recipe beats default, and each origin is kept.

A configuration file has one table for each command, with the settings' own names::

    [train]
    learning_rate = 1e-4
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from counsel.errors import CounselError

Layer = tuple[dict[str, Any], str]


def read_configuration(path: Path, command: str, known: Mapping[str, type[Any]]) -> dict[str, Any]:
    """The settings that a file holds for one command.

    Args:
        path: the TOML file.
        command: the command whose table is wanted.
        known: the settings class of every command.

    Raises:
        CounselError: when the file is not TOML, or has a table or a key that no command knows.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise CounselError(
            "the configuration file does not exist", where=path, fix="check the path after --config"
        ) from e
    except (OSError, ValueError) as e:
        raise CounselError(f"the configuration file cannot be read: {e}", where=path, fix="correct its TOML") from e
    names = {c: [f.name for f in fields(settings)] for c, settings in known.items()}
    for table, values in content.items():
        if not isinstance(values, dict):
            raise CounselError(
                f"the setting {table} stands outside every table",
                where=path,
                fix=f"put it under [{_home(table, names) or command}]",
            )
        if table not in names:
            raise CounselError(
                f"there is no command for the table [{table}]", where=path, fix=_nearest(table, names, "[{}]")
            )
        for key in values:
            if key not in names[table]:
                raise CounselError(f"[{table}] has no setting {key}", where=path, fix=_place(key, table, names))
    return dict(content.get(command, {}))


def _home(key: str, names: Mapping[str, list[str]]) -> str | None:
    return next((c for c, keys in names.items() if key in keys), None)


def _place(key: str, table: str, names: Mapping[str, list[str]]) -> str:
    """What to do about an unknown key: its right name here, or its right table."""
    elsewhere = _home(key, names)
    if elsewhere:
        return f"{key} belongs under [{elsewhere}]"
    return _nearest(key.replace("-", "_"), names[table], "{}")


def _nearest(word: str, known: Iterable[str], form: str) -> str:
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"did you mean {form.format(close[0])}?"


class Origins:
    """A cyclopts configuration source that puts file and recipe beneath the flags and notes where each value came from.

    Args:
        known: the settings class of every command.
        recipe: from a recipe's name to its settings.
    """

    def __init__(self, known: Mapping[str, type[Any]], recipe: Callable[[str], dict[str, Any]]) -> None:
        self.known, self.recipe = known, recipe
        self.chosen: dict[str, str] = {}

    def __call__(self, app: Any, commands: tuple[str, ...], arguments: Any) -> None:
        """Called by cyclopts between reading argv and making the settings."""
        if not commands or commands[0] not in self.known:
            return
        command = commands[0]
        if path := _value(arguments, "--config"):
            self._lay(
                app,
                commands,
                arguments,
                (read_configuration(Path(path), command, self.known), Path(path).name),
            )
        if command == "train":
            default = next(f.default for f in fields(self.known["train"]) if f.name == "recipe")
            name = _value(arguments, "--recipe") or str(default)
            if name in _choices(arguments, "--recipe"):
                self._lay(app, commands, arguments, (self.recipe(name), f"recipe {name}"))
        self.chosen = {f.name: "default" for f in fields(self.known[command])}
        for argument in arguments:
            key = argument.name.removeprefix("--").replace("-", "_")
            if argument.tokens and key in self.chosen:
                source = argument.tokens[0].source
                self.chosen[key] = "flag" if source == "cli" else source

    def _lay(self, app: Any, commands: tuple[str, ...], arguments: Any, layer: Layer) -> None:
        from cyclopts.config import Dict

        values, source = layer
        flat = {k: str(v) if isinstance(v, Path) else v for k, v in values.items()}
        Dict(flat, source=source, use_commands_as_keys=False)(app, commands, arguments)


def _value(arguments: Any, name: str) -> str | None:
    tokens: list[Any] = next((a.tokens for a in arguments if a.name == name), [])
    return str(tokens[0].value) if tokens else None


def _choices(arguments: Any, name: str) -> tuple[str, ...]:
    from typing import get_args

    return next((get_args(a.hint) for a in arguments if a.name == name), ())
