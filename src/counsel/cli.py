"""The command line: argv to one settings object to one call. The one place where rooms are wired together.

Nothing heavy is imported here: a command's room is imported when the command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from counsel.chat.settings import ChatSettings
from counsel.configuration import Origins
from counsel.data.settings import PrepareSettings
from counsel.demo.settings import DemoSettings
from counsel.errors import CounselError
from counsel.evaluate.settings import EvaluateSettings
from counsel.model.load import be_quiet
from counsel.printing import speak_any_encoding
from counsel.publish.settings import CardSettings
from counsel.safety.settings import HelplinesSettings, ScreenSettings
from counsel.train.recipes import load_recipe
from counsel.train.settings import Asked, TrainSettings
from counsel.version import __version__

COMMANDS = {
    "demo": DemoSettings,
    "prepare": PrepareSettings,
    "train": TrainSettings,
    "evaluate": EvaluateSettings,
    "chat": ChatSettings,
    "screen": ScreenSettings,
    "helplines": HelplinesSettings,
    "card": CardSettings,
}

origins = Origins(COMMANDS, load_recipe)
app = App(
    name="counsel",
    help="From a file of counseling conversations to a small, private, measured counseling model.",
    version=__version__,
    help_format="plaintext",
    default_parameter=Parameter(consume_multiple=True, negative_iterable=()),
    config=[origins],
    result_action="return_value",
)

Flat = Parameter(name="*")
Config = Annotated[Path | None, Parameter(name="--config")]


def say(line: str) -> None:
    """Tell the user one line of progress, on stderr."""
    print(line, file=sys.stderr, flush=True)


@app.command
def demo(*, settings: Annotated[DemoSettings, Flat] = DemoSettings(), config: Config = None) -> None:  # noqa: B008
    """Show all of Counsel in a few minutes: prepare, train, evaluate, card, and two replies before and after tuning.

    Parameters
    ----------
    config
        A TOML file with settings, one table a command; flags beat it.
    """
    from counsel.demo.run import demo as run

    run(settings, say)


@app.command
def prepare(*files: str, settings: Annotated[PrepareSettings, Flat], config: Config = None) -> None:
    """Turn files of conversations into cleaned, split and audited training data.

    Parameters
    ----------
    files
        Files to read (JSONL, JSON, CSV, Parquet), or a data set id on the hub.
    config
        A TOML file with settings, one table a command; flags beat it.
    """
    from counsel.data.prepare import prepare as run

    run(files, settings, say)


@app.command
def train(*, settings: Annotated[TrainSettings, Flat], config: Config = None) -> None:
    """Tune a base model on prepared conversations: train a LoRA adapter on a 4-bit base.

    Parameters
    ----------
    config
        A TOML file with settings, one table a command; flags beat it, and it beats the recipe.
    """
    from counsel.train.run import train as run

    run(Asked(settings, dict(origins.chosen)), say)


@app.command
def evaluate(*, settings: Annotated[EvaluateSettings, Flat], config: Config = None) -> None:
    """Measure a run on conversations that it never saw, before and after tuning, and write its report.

    Parameters
    ----------
    config
        A TOML file with settings, one table a command; flags beat it.
    """
    from counsel.evaluate.run import evaluate as run
    from counsel.respondents import systems

    run(settings, systems(settings), say)


@app.command
def chat(*, settings: Annotated[ChatSettings, Flat], config: Config = None) -> None:
    """Talk to a run in the terminal.

    Parameters
    ----------
    config
        A TOML file with settings, one table a command; flags beat it.
    """
    from counsel.chat.terminal import chat as run

    run(settings)


@app.command
def screen(
    *files: str,
    settings: Annotated[ScreenSettings, Flat] = ScreenSettings(),  # noqa: B008
    config: Config = None,
) -> None:
    """Read conversations for signs of danger and print one verdict per line, without a word of their text.

    Parameters
    ----------
    files
        Files of conversations, one on each line; without a file, standard input is read.
    config
        A TOML file with settings, one table a command; flags beat it.
    """
    from counsel.safety.run import screen as run

    run(files, settings, say)


@app.command
def helplines(
    country: str,
    /,
    *,
    settings: Annotated[HelplinesSettings, Flat] = HelplinesSettings(),  # noqa: B008
    config: Config = None,
) -> None:
    """Show the helplines of a country, the most useful first.

    Parameters
    ----------
    country
        Two letters: US, CA, GB, AU, NZ, IN, ES, EU. For any other country the directory of helplines is shown.
    config
        A TOML file with settings, one table a command; flags beat it.
    """
    from counsel.safety.run import show_helplines as run

    run(country, settings)


@app.command
def card(*, settings: Annotated[CardSettings, Flat], config: Config = None) -> None:
    """Write the run's model card from its records.

    Parameters
    ----------
    config
        A TOML file with settings, one table a command; flags beat it.
    """
    from counsel.publish.card import write_card as run

    run(settings, say)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 done; 1 a check or gate failed, or the command was stopped; 2 the input or the call is wrong.
    """
    be_quiet()
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    except (CycloptsError, ValueError) as e:  # a settings class refuses a value with ValueError
        named = next((a for a in arguments if a in COMMANDS), "")
        what = " ".join(str(e).split()).rstrip(".")
        say(f"error: {what}; fix: see `{' '.join(filter(None, ('counsel', named, '--help')))}`")
        return 2
    except CounselError as e:
        say(f"error: {e}")
        return e.exit_code
    try:
        command(*bound.args, **bound.kwargs)
    except CounselError as e:
        say(f"error: {e}")
        return e.exit_code
    except KeyboardInterrupt:
        say("stopped")
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return 0


def run() -> None:
    """The console script."""
    speak_any_encoding()
    sys.exit(main())


if __name__ == "__main__":
    run()
