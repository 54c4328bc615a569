"""``counsel screen``: conversations in, one verdict a line out; or the measured screen; or a country's helplines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import date
from typing import IO, Any

from counsel.conversation import ROLES, Message
from counsel.errors import CounselError
from counsel.safety.helplines import helplines, spoken
from counsel.safety.screening.screen import Screen
from counsel.safety.settings import ScreenSettings

Say = Callable[[str], None]
Read = Callable[[str], list[Message]]

STDIN = "-"
FORMAT = 'give {"messages": [{"role": "user", "content": "…"}]}, or use --plain for a message a line'


def screen(files: Sequence[str], settings: ScreenSettings, say: Say) -> None:
    """Print verdicts, in the order of the input and each as soon as it is known.

    Args:
        files: to read; none, or ``-``, for standard input.
        settings: of the command.
        say: prints one line of progress or trouble.

    Raises:
        CounselError: naming file and line of what cannot be read.
    """
    if settings.helplines is not None:
        for helpline in helplines(settings.helplines, settings.topic, today=date.today()):
            print(spoken(helpline, "en"))
        return
    if settings.evaluate:
        from counsel.safety.screening.measure import measure

        print(measure(settings.evaluate, settings.rules_only, say))
        return
    judge = Screen(classify=None) if settings.rules_only else Screen()
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
        print(json.dumps(judge(messages).to_json(), ensure_ascii=False), flush=True)
    if skipped:
        say(f"{skipped} lines were skipped")


def lines(files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Each line that is not blank, with its place."""
    for name in files:
        try:
            opened = nullcontext(sys.stdin.buffer) if name == STDIN else open(name, "rb")  # noqa: SIM115
        except OSError as e:
            raise CounselError(f"the file cannot be read: {e.strerror}", where=name, fix="check its name") from e
        with opened as stream:
            yield from _lines(stream, "standard input" if name == STDIN else name)


def _lines(stream: IO[bytes], name: str) -> Iterator[tuple[str, bytes]]:
    for n, line in enumerate(stream, 1):
        body = line.removeprefix(b"\xef\xbb\xbf").strip()
        if body:
            yield f"{name}:{n}", body


def plain(line: str) -> list[Message]:
    """One message of a person."""
    return [Message("user", line)]


def conversation(line: str) -> list[Message]:
    """The messages of a JSON object with ``messages``, or of a bare list of them.

    Raises:
        ValueError: with the reason.
    """
    try:
        value = json.loads(line)
    except RecursionError as e:
        raise ValueError("it is nested too deeply") from e
    entries = value.get("messages") if isinstance(value, dict) else value
    if not isinstance(entries, list) or not entries:
        raise ValueError("there is no list of messages")
    return [_message(entry) for entry in entries]


def _message(entry: Any) -> Message:
    if not isinstance(entry, dict) or not {"role", "content"} <= entry.keys():
        raise ValueError("a message needs a role and a content")
    if entry["role"] not in ROLES:  # what stands there instead may be somebody's words: it is not repeated
        raise ValueError(f"a role is none of {', '.join(ROLES)}")
    return Message(entry["role"], entry["content"])
