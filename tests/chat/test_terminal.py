"""The terminal conversation, as its user types it."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from counsel.chat.terminal import ANYWHERE, HERE, UNGUARDED, loop
from counsel.errors import CounselError
from counsel.model.engine import Delta, Request, ScriptedEngine

from ..evaluate.finished_run import make_run
from .talking import JUMP, counselor


def typed(text: str, *replies: str, engine: ScriptedEngine | None = None) -> tuple[str, ScriptedEngine]:
    """What is on the screen after typing ``text``, and the engine that answered."""
    engine, screen = engine or ScriptedEngine(replies or ["That sounds hard.", "What happened then?"]), io.StringIO()
    loop(counselor(engine=engine), io.StringIO(text), screen)
    return screen.getvalue(), engine


def told(engine: ScriptedEngine, number: int) -> list[str]:
    return [m.content for m in engine.asked[number].conversation.messages]


def test_each_message_gets_a_reply_that_knows_what_came_before() -> None:
    screen, engine = typed("I am sad\nBecause of work\n")
    assert "counsel> That sounds hard.\n" in screen and "counsel> What happened then?\n" in screen
    assert told(engine, 1) == ["I am sad", "That sounds hard.", "Because of work"]


def test_reset_forgets() -> None:
    _, engine = typed("I am sad\n/reset\nHello\n")
    assert told(engine, 1) == ["Hello"]


def test_a_new_conversation_starts_without_the_old_risk() -> None:
    screen, _ = typed("i want to kill myself\n/reset\nnice weather\n", "It is.")
    assert screen.rstrip().endswith("counsel> It is.\n\nyou>")


def test_quit_ends_and_so_does_the_end_of_input() -> None:
    assert len(typed("a\n/quit\nb\n")[1].asked) == 1
    assert len(typed("a")[1].asked) == 1


def test_blank_lines_and_unknown_commands_are_not_sent() -> None:
    screen, engine = typed("\n   \n/halp\n")
    assert not engine.asked and "/reset starts over" in screen


def test_notices_and_help_are_printed() -> None:
    screen, _ = typed("are you a real person?\n" + JUMP + "\n", "Hm.")
    assert "counsel> (To be plain: I am an AI" in screen and "Hm." in screen and "911" in screen


class Interrupted(ScriptedEngine):
    """Says two words, then is interrupted; later whole."""

    def stream(self, request: Request) -> Generator[Delta, None, None]:
        self.asked.append(request)
        yield Delta("Two words. Whole." if len(self.asked) > 1 else "Two words. And", 3)
        if len(self.asked) == 1:
            raise KeyboardInterrupt
        yield Delta(finish="stop")


def test_ctrl_c_stops_the_reply_and_not_the_conversation() -> None:
    screen, engine = typed("first\nsecond\n", engine=Interrupted([]))
    assert "Two words. (stopped)" in screen and "Whole." in screen
    assert told(engine, 1) == ["first", "Two words.", "second"], "what was read stays"


def test_ctrl_c_leaves_the_protocol_where_it_was() -> None:
    """A reply that was stopped behind a weak sign: the question was never asked, so it is asked in the next turn."""
    screen, _ = typed("I wish I was dead\nit is all so grey\n", engine=Interrupted([]))
    first, second = screen.split("you> ")[1:3]
    assert "suicide" not in first and "suicide" in second


def test_a_message_that_is_too_long_is_told_and_the_talk_goes_on() -> None:
    engine = ScriptedEngine(["ok"], limit=40)
    screen, engine = typed("one\n" + "please " * 60 + "\nfour\n", engine=engine)
    assert "too long for the model" in screen
    assert told(engine, 1) == ["one", "ok", "four"], "what was refused is not part of the conversation"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_run(tmp_path_factory.mktemp("chat"))
    return made.path


def program(run: Path, *flags: str) -> list[str]:
    quick = ["--temperature", "0", "--max-new-tokens", "8"]
    return [sys.executable, "-m", "counsel.cli", "chat", "--run", str(run), *quick, *flags]


@pytest.mark.parametrize("flags", [(), ("--base-only", "--unguarded")])
def test_the_disclaimer_comes_first_and_a_pipe_gets_no_codes(run: Path, flags: tuple[str, ...]) -> None:
    done = subprocess.run(program(run, *flags), input="i am sad\n/quit\n", capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("UNGUARDED" if flags else "You are talking with an AI")
    assert (
        HERE in done.stdout
        and ANYWHERE[1] in done.stdout
        and (UNGUARDED in done.stdout.replace("\n", " ") or not flags)
    )
    assert ("before tuning" in done.stdout) == bool(flags)
    assert "counsel> " in done.stdout and "\x1b" not in done.stdout


def test_it_opens_with_the_numbers_of_the_country(run: Path) -> None:
    done = subprocess.run(program(run, "--country", "GB"), input="/quit\n", capture_output=True, text=True, timeout=120)
    opening = done.stdout.split("Model:")[0]
    assert "call 999" in opening and "Samaritans: call 116 123" in opening and ANYWHERE[1] not in opening


def test_chat_needs_a_finished_run(tmp_path: Path) -> None:
    from counsel.chat.settings import ChatSettings
    from counsel.chat.terminal import chat

    with pytest.raises(CounselError, match="there is no run here"):
        chat(ChatSettings(run=tmp_path))


@pytest.mark.slow
def test_on_a_real_terminal_ctrl_c_at_the_prompt_goes_on(run: Path) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(program(run), stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    seen = ""
    deadline = time.monotonic() + 90
    while "you> " not in seen and time.monotonic() < deadline:
        seen += os.read(master, 4096).decode()
    process.send_signal(signal.SIGINT)
    while "/quit ends" not in seen.split("you> ", 1)[1] and time.monotonic() < deadline:
        seen += os.read(master, 4096).decode()
    os.write(master, b"/quit\n")
    assert process.wait(30) == 0
