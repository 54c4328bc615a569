"""Every format reads to the same conversations; what is broken is told with its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.data.reading.columns import Columns
from counsel.data.reading.record import Row
from counsel.data.reading.sources import read
from counsel.errors import CounselError

PAIRS = [("I can't sleep, doctor", "Since when?"), ('He said "go"\nand I went\r\n', "Ünd dann?"), ("naïve 😀", "…")]


def turns(path: Path | str, **columns: str) -> list[tuple[tuple[str, str], ...]]:
    rows = list(read(str(path), Columns(**columns)))
    assert not [r.problem for r in rows if r.problem]
    return [r.turns for r in rows]


def problems(path: Path) -> list[tuple[str, str]]:
    return [(r.where.rpartition(":")[2], r.problem) for r in read(str(path), Columns()) if r.problem]


def wanted(pairs: list[tuple[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    return [(("user", p), ("assistant", r)) for p, r in pairs]


def csv_text(header: tuple[str, str], pairs: list[tuple[str, str]], **form: Any) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, **form)
    writer.writerows([header, *pairs])
    return out.getvalue()


def save(form: str, folder: Path, pairs: list[tuple[str, str]]) -> Path:
    bare = [[{"role": "user", "content": p}, {"role": "assistant", "content": r}] for p, r in pairs]
    gpt = [{"conversations": [{"from": "human", "value": p}, {"from": "gpt", "value": r}]} for p, r in pairs]
    columns = [{"Context": p, "Response": r} for p, r in pairs]
    match form:
        case "messages" | "bare" | "sharegpt" | "columns":
            records = {"messages": [{"messages": b} for b in bare], "bare": bare, "sharegpt": gpt, "columns": columns}
            text = "\n".join(json.dumps(r, ensure_ascii=False) for r in records[form])
            name = "d.jsonl"
        case "array of lists" | "array of objects":
            text, name = json.dumps(bare if form == "array of lists" else columns, indent=1), "d.json"
        case "counselchat":
            text, name = csv_text(("questionText", "answerText"), pairs), "d.csv"
        case "csv" | "semicolons" | "crlf" | "gz":
            text = csv_text(
                ("Context", "Response"),
                pairs,
                delimiter=";" if form == "semicolons" else ",",
                lineterminator="\r\n" if form == "crlf" else "\n",
            )
            name = "d.csv"
        case _:
            path = folder / "d.parquet"
            table: list[dict[str, Any]] = columns if form == "parquet" else [{"messages": b} for b in bare]
            pq.write_table(pa.Table.from_pylist(table), path)
            return path
    if form == "gz":
        path = folder / "d.csv.gz"
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
        return path
    path = folder / name
    path.write_bytes(("\ufeff" if form in ("csv", "messages") else "").encode() + text.encode())
    return path


FORMS = ("messages", "bare", "sharegpt", "columns", "array of lists", "array of objects", "counselchat", "csv",
         "semicolons", "crlf", "gz", "parquet", "parquet messages")  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_format_reads_the_same(form: str, tmp_path: Path) -> None:
    assert turns(save(form, tmp_path, PAIRS)) == wanted(PAIRS)


SAID = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=5), st.sampled_from(("messages", "crlf", "array of lists")))
def test_any_text_survives_the_round(tmp_path_factory: Any, pairs: list[tuple[str, str]], form: str) -> None:
    assert turns(save(form, tmp_path_factory.mktemp("round"), pairs)) == wanted(pairs)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("ab\n\",;'é", min_size=1, max_size=12), min_size=1, max_size=8), st.data())
def test_a_broken_csv_row_is_told_by_its_first_line(tmp_path_factory: Any, fields: list[str], data: Any) -> None:
    broken = data.draw(st.integers(0, len(fields)))
    head = csv_text(("Context", "Response"), [(f, "x") for f in fields[:broken]], lineterminator="\n")
    tail = csv_text(("a", "b"), [(f, "x") for f in fields[broken:]], lineterminator="\n").partition("\n")[2]
    path = tmp_path_factory.mktemp("csv") / "d.csv"
    path.write_text(head + "only one field\n" + tail, newline="")
    line = 1 + sum(1 for _ in io.StringIO(head, newline=""))  # lines as an editor counts them
    assert problems(path) == [(str(line), "the header has 2 fields, but this row has 1")]


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        (
            "a.jsonl",
            b'{"messages": []}\n{"messages": 3}\n',
            "2",
            "the record has neither messages nor keys known",
        ),
        ("a.jsonl", b'\n\n{"Context": "a", "Response": 3}\n', "3", "Response is a number, but should be text"),
        ("a.jsonl", b'[{"role": "user", "content": "a"}]\n{oops}\n', "2", "not valid JSON: Expecting property name"),
        ("a.jsonl", b'{"messages": [{"role": "tool", "content": "a"}]}', "1", "has the role 'tool'"),
        ("a.jsonl", b'{"messages": ["a"]}', "1", "message 1 is text, but should be an object"),
        (
            "a.jsonl",
            b'{"messages": [{"role": "user", "content": ["a"]}]}',
            "1",
            "the content of message 1 is a list, but should be text",
        ),
        ("a.jsonl", b'{"Context": "\xff", "Response": "b"}', "1", "not UTF-8"),
        ("a.jsonl", b'{"Context": "a\0", "Response": "b"}', "1", "NUL byte"),
        ("a.jsonl", b'"text"\n', "1", "the record is text, but should be an object or a list of messages"),
        ("a.jsonl", b'{\n"Context": "a"}\n', "1", "runs over several lines"),
        ("a.jsonl", b'{"messages": ' + b"[" * 100_000, "1", "nested too deeply"),
        ("a.csv", b'Context,Response\nx,y\n"a\nb",c,d\n', "3", "the header has 2 fields, but this row has 3"),
        ("a.csv", b'Context,Response\nx,"y\nz\n', "2", "a quote opens here and never closes"),
        ("a.csv", b'Context,Response\n"x"y,z\n', "2", "the CSV is broken here"),
        ("a.csv", b"Context,Response\nx,\xff\n", "2", "not UTF-8"),
        ("a.csv", b"Context,Response\nx,y\0\n", "2", "NUL byte"),
    ],
)
def test_a_broken_row_is_told_with_line_and_reason(
    name: str, content: bytes, line: str, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = problems(path)
    assert found[0][0] == line and reason in found[0][1]


@pytest.mark.parametrize(
    ("name", "content", "what", "fix"),
    [
        ("a.csv", b"", "empty", "conversations"),
        ("a.csv", b" \n\n", "empty", "conversations"),
        ("a.csv", b"question_text,answr\nx,y\n", "the columns are: question_text, answr", "nearest: question_text"),
        ("a.csv", "Context,Response".encode("utf-16"), "UTF-16", "UTF-8"),
        ("a.xlsx", b"PK\x03\x04rest", "Excel", "CSV"),
        ("a.parquet", b"PAR1 and then nothing", "Parquet file is broken", "export"),
        ("a.parquet", b"something else", "not Parquet", "export"),
        ("a.json", b'[{"Context": "a", "Response": "b"},\n{"Context": "c"', "broken here", "JSONL"),
        ("a.json", b'[{"Context": "a", "Response": "b"}', "ends before it is closed", "JSONL"),
        ("a.csv.gz", gzip.compress(b"Context,Response\n" + b"a,b\n" * 99, mtime=0)[:-20], "could not be read", "check"),
    ],
)
def test_a_broken_file_is_an_error(name: str, content: bytes, what: str, fix: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CounselError) as error:
        list(read(str(path), Columns()))
    assert what in error.value.what and fix in error.value.fix and str(path) in error.value.where


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("she,he\nhi,there\n")
    assert turns(path, prompt="she", reply="he") == wanted([("hi", "there")])
    with pytest.raises(CounselError, match="there is no column 'sheh'.*--prompt-column 'she'"):
        list(read(str(path), Columns("sheh", "he")))


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "chats.csv").write_text("x")
    with pytest.raises(CounselError, match=r"did you mean .*chats\.csv"):
        read(str(tmp_path / "chat.csv"), Columns())
    with pytest.raises(CounselError, match="this is a directory"):
        read(str(tmp_path), Columns())


def test_a_field_longer_than_the_csv_module_takes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"Context,Response\n{'long ' * 60_000},b\n")
    assert len(turns(path)[0][0][1]) == 300_000
    assert csv.field_size_limit() == 131_072  # the process's own limit is as before


def test_an_array_longer_than_one_look_keeps_its_lines(tmp_path: Path) -> None:
    records = [{"Context": f"{n} " + "x" * 3000, "Response": "y"} for n in range(900)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(records, indent=1))
    rows = list(read(str(path), Columns()))
    assert [r.where for r in rows] == [f"{path}:{2 + 4 * n}" for n in range(900)]


def test_the_author_and_the_source_come_along(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("questionText,answerText,therapistName\na,b,Jane Doe\n")
    assert list(read(str(path), Columns())) == [
        Row(f"{path}:2", (("user", "a"), ("assistant", "b")), "a.csv:2", "Jane Doe")
    ]
    path = tmp_path / "a.jsonl"
    path.write_text('{"Context": "a", "Response": "b", "source": "clinic 4"}')
    assert next(iter(read(str(path), Columns()))).source == "clinic 4"
