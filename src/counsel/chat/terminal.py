"""``counsel chat``: a conversation in the terminal, the disclaimer first, replies as they come. It only prints."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from textwrap import fill
from typing import TextIO

from counsel.chat.counselor import Counselor, load_counselor, opening
from counsel.chat.events import Done, Led, Notice, Said
from counsel.chat.session import Session
from counsel.chat.settings import ChatSettings
from counsel.model.engine import TooLong
from counsel.records import Run
from counsel.safety.helplines import helplines, spoken
from counsel.safety.notices import Policy
from counsel.text import printable

DANGER = "If you or someone else is in danger, call {}."
HERE = "What you type here stays on this machine."
ANYWHERE = ("the emergency number of the place where you are", "findahelpline.com lists free helplines by country.")
UNGUARDED = (
    "UNGUARDED: neither your messages nor the replies are checked. This is for study, not for anybody who needs help."
)
HELP = "Type your message. /reset starts over, /quit ends (so does Ctrl-D), Ctrl-C stops a reply."


def chat(settings: ChatSettings, source: TextIO | None = None, target: TextIO | None = None) -> None:
    """Talk until the user ends the conversation.

    Args:
        settings: which run, and how.
        source: where messages come from, standard input by default.
        target: where replies go, standard output by default.

    Raises:
        CounselError: when the run is not finished or its model cannot be loaded.
    """
    source, target = source or sys.stdin, target or sys.stdout
    run = Run.open_finished(settings.run)
    guarded = not settings.unguarded
    session, notices = opening(Policy(settings.jurisdiction), datetime.now(UTC))
    lines = [n.text for n in notices] if guarded else [UNGUARDED]
    print("\n".join([*(fill(line, 110) for line in lines), *_danger(settings.country), ""]), file=target, flush=True)
    counselor = load_counselor(settings)
    who = f"{run.settings['base']}, " + ("before tuning" if settings.base_only else f"tuned in {run.path}")
    print(f"Model: {who}.\n{HELP}", file=target, flush=True)
    if trouble := loop(counselor, source, target, session):
        print(f"error: {trouble}", file=sys.stderr)


def _danger(country: str | None) -> list[str]:
    """Where help is: the country's emergency number and first helpline, or the directory if no country is known."""
    known = helplines(country, "suicide", today=date.today()) if country else ()
    emergency = next((x.number for x in known if x.is_emergency), ANYWHERE[0])
    line = next((spoken(x, "en") for x in known if not x.is_emergency), ANYWHERE[1])
    return [DANGER.format(emergency), line, HERE]


def loop(counselor: Counselor, source: TextIO, target: TextIO, session: Session | None = None) -> str:
    """Read, answer, read again, until the end of input or ``/quit``.

    Returns:
        What went wrong besides the talk, or an empty string.
    """
    session = session or counselor.begin()[0]
    trouble = ""

    def write(text: str) -> None:
        target.write(text)
        target.flush()

    while True:
        try:
            write("\nyou> ")
            line = source.readline()
        except KeyboardInterrupt:
            write("\n(/quit ends the conversation)")
            continue
        except UnicodeDecodeError:
            write("That could not be read as text; please type it again.")
            continue
        if not line:
            write("\n")
            return trouble
        text = printable(line).strip()
        if text == "/quit":
            return trouble
        if text == "/reset":
            session = Session(started_at=session.started_at, noticed_at=session.noticed_at)
            write("A new conversation.\n")
        elif text.startswith("/"):
            write(f"{HELP}\n")
        elif text:
            session, went_wrong = _turn(counselor, session, text, write)
            trouble = went_wrong or trouble


def _turn(counselor: Counselor, session: Session, text: str, write: Callable[[str], None]) -> tuple[Session, str]:
    """Print one turn; return the session after it, and what went wrong besides the talk."""
    shown: list[str] = []
    trouble = ""
    write("\ncounsel> ")
    try:
        with closing(counselor.answer(session, text)) as events:
            for event in events:
                if isinstance(event, Notice):
                    write(f"({event.text})\n\n")
                elif isinstance(event, Led | Said):
                    shown.append(event.text)
                    write(event.text)
                elif isinstance(event, Done):
                    session, trouble = event.session, event.trouble
    except KeyboardInterrupt:
        session = session.stopped(text, "".join(shown))
        write(" (stopped)")
    except TooLong as e:
        write(f"This message is too long for the model: {e.what}. Please say it in fewer words.")
    write("\n")
    return session, trouble
