"""The terminal conversation, as its user types it."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from counsel.chat.terminal import DANGER, UNGUARDED, Talk, loop
from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.engine import Sampling, ScriptedEngine, TooLong

from ..evaluate.finished_run import make_run


def typed(text: str, replies: list[str] | None = None) -> tuple[str, ScriptedEngine]:
    """What is on the screen after typing ``text``, and the engine that answered."""
    engine, screen = ScriptedEngine(replies or ["That sounds hard.", "What happened then?"]), io.StringIO()
    loop(Talk(engine, Sampling()), io.StringIO(text), screen)
    return screen.getvalue(), engine


def test_each_message_gets_a_reply_that_knows_what_came_before() -> None:
    screen, engine = typed("I am sad\nBecause of work\n")
    assert "counsel> That sounds hard.\n" in screen and "counsel> What happened then?\n" in screen
    assert [m.content for m in engine.asked[1].messages] == ["I am sad", "That sounds hard.", "Because of work"]


def test_reset_forgets() -> None:
    _, engine = typed("I am sad\n/reset\nHello\n")
    assert [m.content for m in engine.asked[1].messages] == ["Hello"]


def test_quit_ends_and_so_does_the_end_of_input() -> None:
    assert len(typed("a\n/quit\nb\n")[1].asked) == 1
    assert len(typed("a")[1].asked) == 1


def test_blank_lines_and_unknown_commands_are_not_sent() -> None:
    screen, engine = typed("\n   \n/halp\n")
    assert not engine.asked and "/reset starts over" in screen


def test_control_characters_neither_go_in_nor_come_out() -> None:
    screen, engine = typed("hi\x1b[2J there\n", ["clear \x1b]0;owned\x07 \u202etxet"])
    assert engine.asked[0].prompt == "hi[2J there"
    assert not any(c in screen for c in "\x1b\x07\u202e")


class Failing(ScriptedEngine):
    """Says two words, then is interrupted."""

    def stream(self, conversation: Conversation, sampling: Sampling, begun: str = "") -> Iterator[str]:
        self.asked.append(conversation)
        if len(self.asked) == 1:
            yield "Two words"
            raise KeyboardInterrupt
        yield "Whole."


def test_ctrl_c_stops_the_reply_and_not_the_conversation() -> None:
    engine, screen = Failing([]), io.StringIO()
    loop(Talk(engine, Sampling()), io.StringIO("first\nsecond\n"), screen)
    assert "Two words (stopped)" in screen.getvalue() and "Whole." in screen.getvalue()
    assert [m.content for m in engine.asked[1].messages] == ["first", "Two words", "second"]


class Short(ScriptedEngine):
    """Reads at most three messages of at most 100 characters."""

    def stream(self, conversation: Conversation, sampling: Sampling, begun: str = "") -> Iterator[str]:
        if len(conversation.messages) > 3 or len(conversation.messages[-1].content) > 100:
            raise TooLong("too long", fix="shorten it")
        return super().stream(conversation, sampling)


def test_a_long_conversation_forgets_its_oldest_turns() -> None:
    engine, screen = Short(["ok"]), io.StringIO()
    loop(Talk(engine, Sampling()), io.StringIO("one\ntwo\nthree\n" + "x" * 200 + "\nfour\n"), screen)
    assert [m.content for m in engine.asked[2].messages] == ["two", "ok", "three"]
    assert "too long for the model" in screen.getvalue()
    assert engine.asked[3].messages[-1].content == "four", "what was refused is not part of the conversation"


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
    assert DANGER in done.stdout and (UNGUARDED in done.stdout.replace("\n", " ") or not flags)
    assert ("before tuning" in done.stdout) == bool(flags)
    assert "counsel> " in done.stdout and "\x1b" not in done.stdout


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
