"""``counsel screen``: conversations in, one verdict a line out; or the measured screen. ``counsel helplines``."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date

from counsel.errors import CounselError
from counsel.safety.helplines import helplines, spoken
from counsel.safety.lines import STDIN, conversation, lines, plain
from counsel.safety.screening.opinion import judge_of
from counsel.safety.screening.screen import Screen
from counsel.safety.settings import HelplinesSettings, ScreenSettings

Say = Callable[[str], None]
FORMAT = 'give {"messages": [{"role": "user", "content": "…"}]}, or use --plain for a message a line'


def screen(files: Sequence[str], settings: ScreenSettings, say: Say) -> None:
    """Print verdicts, in the order of the input and each as soon as it is known.

    Args:
        files: to read; none, or ``-``, for standard input.
        settings: of the command.
        say: is called with each line of progress or trouble.

    Raises:
        CounselError: naming file and line of what cannot be read.
    """
    if settings.helplines is not None:
        show_helplines(settings.helplines, HelplinesSettings(topic=settings.topic))
        topic = f" --topic {settings.topic}" if settings.topic else ""
        say(f"--helplines has moved: from the next version on, type `counsel helplines {settings.helplines}{topic}`")
        return
    if settings.evaluate:
        from counsel.safety.screening.measure import measure

        print(measure(settings.evaluate, settings.rules_only, say))
        return
    reader = Screen(classify=None) if settings.rules_only else Screen(judge=judge_of(settings))
    read = plain if settings.plain else conversation
    skipped = 0
    for where, line in lines(files or [STDIN]):
        try:
            text = line.decode("utf-8").strip()
            if not text:
                continue
            messages = read(text)
        except ValueError as e:
            trouble = CounselError(f"this line cannot be read: {e}", where=where, fix=FORMAT)
            if settings.on_error == "stop":
                raise trouble from e
            say(f"error: {trouble}")
            skipped += 1
            continue
        print(json.dumps(reader(messages).to_json(), ensure_ascii=False), flush=True)
    if skipped:
        say(f"{skipped} lines were skipped")


def show_helplines(country: str, settings: HelplinesSettings) -> None:
    """Print the helplines of a country, the most useful first.

    Raises:
        CounselError: when the country is not a code or the topic is not known.
    """
    for helpline in helplines(country, settings.topic, today=date.today()):
        print(spoken(helpline, "en"))
