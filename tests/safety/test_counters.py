"""Counts are kept, by several processes at once too, and nothing else is; a damaged file is never overwritten."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from counsel.errors import CounselError
from counsel.safety import counters
from counsel.safety.counters import Counters
from counsel.safety.verdict import CATEGORIES


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "referrals.json"


def test_a_year_is_reported_by_month_and_category(path: Path) -> None:
    counts = Counters(path)
    counts.referred(("suicide", "abuse"), date(2027, 3, 1))
    counts.referred(("suicide",), date(2027, 3, 31))
    counts.referred((), date(2027, 12, 31))
    counts.referred(["abuse", "abuse"], date(2028, 1, 1))
    report = Counters(path).report(2027)
    assert report["year"] == 2027 and report["referrals"] == 3
    assert {c: n for c, n in report["by_category"].items() if n} == {"suicide": 2, "abuse": 1}
    assert set(report["by_category"]) == set(CATEGORIES)
    assert list(report["by_month"]) == [f"2027-{m:02}" for m in range(1, 13)]
    march = {k: n for k, n in report["by_month"]["2027-03"].items() if n}
    assert march == {"referrals": 2, "suicide": 2, "abuse": 1}
    assert report["by_month"]["2027-12"]["referrals"] == 1
    assert Counters(path).report(2028)["by_category"]["abuse"] == 1
    json.dumps(report)


def test_no_file_yet_counts_nothing_and_none_is_made_by_asking(path: Path) -> None:
    assert Counters(path).report(2027)["referrals"] == 0
    assert not path.exists()


def test_the_file_holds_months_and_numbers_alone(path: Path) -> None:
    for category in CATEGORIES:
        Counters(path).referred((category,), date(2027, 3, 17))
    month = dict.fromkeys(CATEGORIES, 1) | {"referrals": len(CATEGORIES)}
    assert json.loads(path.read_text()) == {"months": {"2027-03": month}}
    assert [p.name for p in path.parent.iterdir()] == ["referrals.json"]


def test_the_order_of_counting_leaves_no_trace(tmp_path: Path) -> None:
    said = [(("abuse", "suicide"), date(2027, 2, 1)), (("suicide", "abuse"), date(2026, 12, 1))]
    for name, order in (("a", said), ("b", said[::-1])):
        for categories, day in order:
            Counters(tmp_path / name).referred(categories, day)  # type: ignore[arg-type]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


COUNT = """
import sys
from datetime import date
from counsel.safety.counters import Counters
for i in range(40):
    Counters(sys.argv[1]).referred(("suicide",) if i % 2 else ("abuse", "minor"), date(2027, 1 + i % 12, 1))
"""


def test_processes_that_count_at_once_lose_nothing(path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", COUNT, str(path)]) for _ in range(5)]
    assert [process.wait(60) for process in running] == [0] * 5
    report = Counters(path).report(2027)
    assert report["referrals"] == 200
    assert {c: n for c, n in report["by_category"].items() if n} == {"suicide": 100, "abuse": 100, "minor": 100}


def test_threads_that_count_at_once_lose_nothing(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: Counters(path).referred(("suicide",), date(2027, 1, 1)), range(60)))
    assert Counters(path).report(2027)["referrals"] == 60


HOLD = """
import sys
from counsel.safety.counters import Counters
with Counters(sys.argv[1])._lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_waited_for_and_ends_with_its_holder(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "_PATIENCE", 0.05)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    with pytest.raises(CounselError, match="another process holds the counts"):
        Counters(path).referred(("suicide",), date(2027, 1, 1))
    assert Counters(path).report(2027)["referrals"] == 0  # reading does not wait
    holder.kill()
    holder.communicate()
    Counters(path).referred(("suicide",), date(2027, 1, 1))
    assert Counters(path).report(2027)["referrals"] == 1


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "null", "\xff", "[" * 100_000, '{"months": []}', '{"months": {}, "who": "x"}',
        '{"months": {"2027-13": {"referrals": 1}}}', '{"months": {"2027-03-01": {"referrals": 1}}}',
        '{"months": {"2027-03": {"referrals": 1, "names": 1}}}', '{"months": {"2027-03": {"referrals": -1}}}',
        '{"months": {"2027-03": {"referrals": 1.5}}}', '{"months": {"2027-03": {"referrals": true}}}',
        '{"months": {"2027-03": {"referrals": "1"}}}', '{"months": {"2027-03": {"referrals": 1, "suicide": 2}}}',
        '{"months": {"2027-03": {"suicide": 1}}}', '{"months": {"2027-03": 1}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_an_error_and_stays_as_it_was(path: Path, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(CounselError, match="the counts are damaged.*nothing was written"):
        Counters(path).referred(("suicide",), date(2027, 1, 1))
    with pytest.raises(CounselError, match="the counts are damaged"):
        Counters(path).report(2027)
    assert path.read_bytes() == content.encode("latin-1")


def test_a_write_that_fails_leaves_the_old_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Counters(path).referred(("suicide",), date(2027, 1, 1))
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", full)
        with pytest.raises(CounselError, match="No space left on device"):
            Counters(path).referred(("suicide",), date(2027, 1, 1))
    assert path.read_bytes() == before
    Counters(path).referred(("suicide",), date(2027, 1, 1))
    assert Counters(path).report(2027)["referrals"] == 2


def test_a_wrong_category_or_place_is_an_error(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CounselError, match="'sadness' is not a category"):
        Counters(path).referred(("suicide", "sadness"), date(2027, 1, 1))  # type: ignore[arg-type]
    assert not path.exists()
    with pytest.raises(CounselError, match="could not write: No such file"):
        Counters(tmp_path / "nowhere" / "counts").referred((), date(2027, 1, 1))
    with pytest.raises(CounselError, match="could not read the counts: Is a directory"):
        Counters(tmp_path).report(2027)
