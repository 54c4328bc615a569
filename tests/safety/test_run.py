"""``counsel screen``: verdicts in order and at once, errors by line, and never a word of anybody's text."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from counsel.cli import main

Run = Callable[..., tuple[int, list[dict[str, Any]], str]]
SECRET = "Zanzibar"
KILL = f"I want to kill myself {SECRET}"


def line(*turns: str) -> str:
    return json.dumps({"messages": [{"role": "user", "content": t} for t in turns]})


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command by the rules alone; gives the exit code, the verdicts, and what went to stderr."""

    def call(text: str | bytes, *flags: str) -> tuple[int, list[dict[str, Any]], str]:
        body = text.encode() if isinstance(text, str) else text
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(body)))
        code = main(["screen", "--rules-only", *flags])
        out, err = capsys.readouterr()
        assert SECRET not in out and SECRET not in err
        return code, [json.loads(x) for x in out.splitlines()], err

    return call


def levels(verdicts: list[dict[str, Any]]) -> list[str]:
    return [v["level"] for v in verdicts]


def test_a_verdict_a_line_in_order(run: Run) -> None:
    code, verdicts, err = run("\n".join([line("hello"), line(KILL), line("I want to", "kill myself"), line("bye")]))
    assert (code, err) == (0, "")
    assert levels(verdicts) == ["none", "moderate", "moderate", "none"]
    assert set(verdicts[0]) == {
        "level", "categories", "subject", "time", "language", "action", "evidence", "by", "degraded"
    }  # fmt: skip
    assert verdicts[1]["evidence"][0].keys() == {"turn", "start", "end", "signal"}
    assert all(v["degraded"] for v in verdicts)  # the classifier was left out


def test_files_are_read_one_after_the_other(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(line(KILL) + "\n")
    (tmp_path / "b").write_text(line("hello"))
    code, verdicts, _ = run(line("I wish I was dead"), "--", str(tmp_path / "a"), "-", str(tmp_path / "b"))
    assert code == 0
    assert levels(verdicts) == ["moderate", "low", "none"]


def test_a_message_a_line(run: Run) -> None:
    code, verdicts, _ = run(f"hello\r\n\r\n{KILL}\n{{not json}}", "--plain")
    assert code == 0
    assert levels(verdicts) == ["none", "moderate", "none"]


def test_a_bare_list_of_messages_is_read(run: Run) -> None:
    assert levels(run(json.dumps([{"role": "user", "content": KILL}]))[1]) == ["moderate"]


SILENT = [
    {"role": "assistant", "content": ""},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
    {"role": "assistant"},
    {"role": "assistant", "content": [{"type": "text", "text": "hello"}]},
    {"role": "tool", "content": "42"},
    {"role": "developer", "content": "Be kind."},
    {"role": "system", "content": " "},
    {"role": "user", "content": ""},
]


@pytest.mark.parametrize("silent", SILENT)
def test_a_turn_without_words_keeps_nobody_from_being_heard(run: Run, silent: dict[str, Any]) -> None:
    asked = {"role": "assistant", "content": "Are you thinking about killing yourself?"}
    hello, yes, kill = ({"role": "user", "content": t} for t in ("hello", "yes", KILL))
    code, verdicts, err = run(json.dumps({"messages": [hello, silent, kill]}))
    assert (code, levels(verdicts), err) == (0, ["moderate"], "")
    assert {e["turn"] for e in verdicts[0]["evidence"]} == {2}
    with_silence = run(json.dumps([hello, asked, silent, yes]))[1]
    assert levels(with_silence) == levels(run(json.dumps([hello, asked, yes]))[1]) == ["moderate"]


@pytest.mark.parametrize("blank", ["\n\n", "  \t \n", "\u00a0\n\u2003\n", "\ufeff\n"])
@pytest.mark.parametrize("flags", [[], ["--plain"]])
def test_blank_lines_are_no_lines(run: Run, blank: str, flags: list[str]) -> None:
    code, verdicts, err = run(f"{blank}{blank}", *flags)
    assert (code, verdicts, err) == (0, [], "")


def test_a_byte_order_mark_does_not_count(run: Run) -> None:
    assert levels(run("\ufeff" + line(KILL))[1]) == ["moderate"]
    assert run("\ufeff" + KILL, "--plain")[1][0]["evidence"][0]["start"] == KILL.index("want")


BROKEN = {
    "no json": f'{{"messages": {SECRET}',
    "a word": json.dumps(SECRET),
    "a number": "7",
    "nothing": "null",
    "no messages": json.dumps({"text": SECRET}),
    "an empty list": '{"messages": []}',
    "messages as text": json.dumps({"messages": SECRET}),
    "a message as text": json.dumps({"messages": [SECRET]}),
    "no content": json.dumps({"messages": [{"role": "user", "text": SECRET}]}),
    "role and content exchanged": json.dumps({"messages": [{"role": SECRET, "content": "user"}]}),
    "a role that is a list": json.dumps({"messages": [{"role": [SECRET], "content": "x"}]}),
    "a key as text": json.dumps({SECRET: 1}),
    "content that is none": json.dumps({"messages": [{"role": "user", "content": None}]}),
    "content that is a list": json.dumps({"messages": [{"role": "user", "content": [SECRET]}]}),
    "blank content": '{"messages": [{"role": "user", "content": " "}]}',
    "a person's content that is a list of parts": json.dumps(
        {"messages": [{"role": "user", "content": [{"type": "text", "text": SECRET}]}, {"role": "assistant"}]}
    ),
    "nobody's words": '{"messages": [{"role": "assistant", "content": ""}, {"role": "user", "content": " "}]}',
    "nested deeply": "[" * 100_000,
    "nested deeply and closed": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "a huge number": "1" * 10_000,
    "two objects": line(SECRET) + line(SECRET),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_line_is_named_and_not_quoted(run: Run, broken: str) -> None:
    code, verdicts, err = run("\n".join([line("hello"), "", broken, line(KILL)]))
    assert code == 2
    assert levels(verdicts) == ["none"]
    assert err.startswith("error: ") and "(standard input:3); fix: " in err
    assert len(err.splitlines()) == 1 and len(err) < 400


def test_bytes_that_are_no_text_are_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "conversations.jsonl"
    path.write_bytes(line("hello").encode() + b"\n" + line("caf\xe9").encode("latin-1").replace(b"\\u00e9", b"\xe9"))
    code, verdicts, err = run("", str(path))
    assert code == 2 and levels(verdicts) == ["none"]
    assert f"{path}:2" in err
    assert run(b"\xff\xfeh\x00i\x00", "--plain")[0] == 2


def test_skipping_goes_on_and_says_so(run: Run) -> None:
    code, verdicts, err = run("\n".join(["{", line(KILL), "[", line("hello")]), "--on-error", "skip")
    assert code == 0
    assert levels(verdicts) == ["moderate", "none"]
    assert ["(standard input:1)" in err.splitlines()[0], "(standard input:3)" in err.splitlines()[1]] == [True, True]
    assert "2 lines were skipped" in err


def test_characters_without_a_pair_are_read(run: Run) -> None:
    code, verdicts, _ = run('{"messages": [{"role": "user", "content": "\\ud800 I want to kill myself"}]}')
    assert (code, levels(verdicts)) == (0, ["moderate"])


ODD: dict[str, dict[str, Any]] = {
    "empty": {"content": ""},
    "blank": {"content": " \n"},
    "none": {"content": None},
    "missing": {"tool_calls": []},
    "parts": {"content": [{"type": "text", "text": "Hello"}]},
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_an_odd_turn_of_the_assistant_keeps_nobodys_words_from_being_read(run: Run, odd: dict[str, Any]) -> None:
    messages = [{"role": "user", "content": "hi"}, {"role": "assistant", **odd}, {"role": "user", "content": KILL}]
    code, verdicts, _ = run(json.dumps({"messages": messages}))
    assert (code, levels(verdicts)) == (0, ["moderate"])
    assert {e["turn"] for e in verdicts[0]["evidence"]} == {2}


@pytest.mark.parametrize("name", ["missing.jsonl", "."])
def test_a_file_that_cannot_be_read_is_named(run: Run, tmp_path: Path, name: str) -> None:
    code, verdicts, err = run("", str(tmp_path / name))
    assert (code, verdicts) == (2, [])
    assert str(tmp_path / name) in err and "fix: " in err


@pytest.mark.parametrize(
    "flags",
    [["--topic", "abuse"], ["--on-error", "ignore"], ["--nonsense"], ["--helplines", "England"], ["--evaluate", "no"]],
)
def test_a_wrong_call_is_told(run: Run, flags: list[str]) -> None:
    code, verdicts, err = run("", *flags)
    assert (code, verdicts) == (2, [])
    assert err.startswith("error: ") and "fix: " in err


def test_helplines_of_a_country(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["helplines", "GB"]) == 0
    plain = capsys.readouterr().out.splitlines()
    assert main(["helplines", "GB", "--topic", "minor"]) == 0
    young = capsys.readouterr().out.splitlines()
    assert main(["screen", "--helplines", "GB", "--topic", "minor"]) == 0  # as it was called before
    old = capsys.readouterr()
    assert old.out.splitlines() == young and "type `counsel helplines GB --topic minor`" in old.err
    assert plain and sorted(plain) == sorted(young) and plain != young
    assert main(["helplines", "ZZ"]) == 0
    assert "findahelpline.com" in capsys.readouterr().out


# ---- a real process

COMMAND = [sys.executable, "-m", "counsel.cli", "screen", "--rules-only"]


def test_a_verdict_is_there_before_the_next_line_is_asked_for() -> None:
    buffered = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [*COMMAND, "--plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=buffered
    )
    assert process.stdin and process.stdout
    patience = Timer(30, process.kill)
    patience.start()
    try:
        for text, expected in (("hello", "none"), (KILL, "moderate")):
            process.stdin.write(text + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["level"] == expected
        process.stdin.close()
        assert process.wait(20) == 0
    finally:
        patience.cancel()
        process.kill()
        process.stdout.close()


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    process = subprocess.Popen(
        [*COMMAND, "--plain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout and process.stderr
    process.stdout.close()
    try:
        process.stdin.write("hello\n" * 100)
        process.stdin.close()
    except BrokenPipeError:
        pass
    assert process.wait(20) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_output_that_cannot_be_written_is_no_success() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no full device")
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, "--plain"], input=KILL, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode != 0
    assert SECRET not in done.stderr
