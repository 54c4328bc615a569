"""The report: self-contained, escaped, well-formed, and true to the records."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from counsel.errors import CounselError
from counsel.files import read_json, write_json
from counsel.records import Run
from counsel.report import plots
from counsel.report.facts import Facts
from counsel.report.page import write_report
from counsel.report.wording import cautions, duration, interval, number, percent, verdict

from ..evaluate.finished_run import LOSS, give_results

VOID = {"meta", "link", "br"}


class Page(HTMLParser):
    """Reads a page strictly: every element is closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def told(run: Run) -> Run:
    """A finished run with results."""
    return give_results(run)


def page_of(run: Run) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_it_is_one_well_formed_page_that_needs_nothing_else(told: Run) -> None:
    page = page_of(told)
    for tag, attributes in page.elements:
        assert tag not in ("script", "img", "iframe", "object"), tag
        for name in ("src", "href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), value
    raw = (told.path / "report.html").read_text()
    assert "@import" not in raw and "url(" not in raw and "http" not in raw
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    linked = [a["href"][1:] for t, a in page.elements if t == "a" and a.get("href")]
    assert set(linked) <= set(ids) and linked
    levels = [int(t[1]) for t, _ in page.elements if re.fullmatch(r"h[1-6]", t)]
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    assert ("html", {"lang": "en"}) in page.elements
    assert all("scope" in a for t, a in page.elements if t == "th")


def test_sentences_stand_apart(told: Run) -> None:
    # A template that swallows a line's end joins two sentences.
    for piece in page_of(told).words:
        assert not re.search(r"[a-z)]\.[A-Z]|[a-z],[a-z]", piece), piece


def test_every_picture_has_words(told: Run) -> None:
    pictures = [a for _, a in page_of(told).elements if a.get("role") == "img"]
    assert len(pictures) == 2
    assert "before 3.100; after 2.500" in pictures[0]["aria-label"]
    assert "training loss from" in pictures[1]["aria-label"]


NASTY = '<script>alert("x")</script><img src=x onerror=y>&amp;{{ 97531*97531 }}'


def test_whatever_a_record_says_stays_text(told: Run) -> None:
    samples = read_json(told.results / "samples.json")
    for reply in samples["replies"]:
        reply["messages"][0]["content"] = reply["reference"] = NASTY
        reply["replies"] = {"base": NASTY, "tuned": NASTY + "\x00\x1b"}
    write_json(told.results / "samples.json", samples)
    audit = read_json(told.path / "data.json")
    audit["warnings"], audit["cleaned"] = [NASTY], {NASTY: 1}
    audit["inputs"][0]["name"] = NASTY
    write_json(told.path / "data.json", audit)
    settings = read_json(told.path / "settings.json")
    settings["values"]["base"] = settings["values"]["recipe"] = NASTY
    settings["origins"] = {NASTY: NASTY, "seed": NASTY}
    write_json(told.path / "settings.json", settings)
    page = page_of(told)
    raw = (told.path / "report.html").read_text()
    assert "<script" not in raw and "<img" not in raw and str(97531 * 97531) not in page.text
    assert page.text.count('alert("x")') >= 8
    assert not re.search(r"[\x00-\x08\x0b-\x1f]", raw)


@pytest.mark.parametrize(
    ("file", "path", "value", "shown"),
    [
        ("results/loss.json", ("tuned", "loss"), 1.2345, "1.234"),
        ("results/loss.json", ("base", "perplexity"), 77.777, "77.78"),
        ("results/loss.json", ("relative", "share"), 0.3217, "32.2 %"),
        ("results/loss.json", ("conversations",), 4321, "4,321"),
        ("results/training.json", ("best_step",), 8765, "8,765"),
        ("results/training.json", ("steps_per_s",), 12.34, "12.34"),
        ("data.json", ("exact_duplicates",), 5432, "5,432"),
        ("data.json", ("leak", "row_split", "prompt"), 0.9531, "95.3 %"),
        ("data.json", ("truncation_at", "256", "ends_lost"), 0.4677, "46.8 %"),
        ("settings.json", ("values", "learning_rate"), 0.000321, "0.000321"),
        ("environment.json", ("packages", "peft"), "9.8.7", "peft 9.8.7"),
    ],
)
def test_numbers_come_from_the_records(told: Run, file: str, path: tuple[str, ...], value: Any, shown: str) -> None:
    assert shown not in page_of(told).text
    record = place = read_json(told.path / file)
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    write_json(told.path / file, record)
    assert shown in page_of(told).text


def test_a_run_without_results_says_so(run: Run) -> None:
    page = page_of(run)
    assert "has not been evaluated" in page.text
    assert "counsel evaluate --run run" in page.text


def test_a_record_from_elsewhere_is_an_error_not_a_blank(told: Run) -> None:
    audit = read_json(told.path / "data.json")
    del audit["groups"]
    write_json(told.path / "data.json", audit)
    with pytest.raises(CounselError, match="lacks what the page needs.*groups"):
        write_report(told)
    assert not (told.path / "report.html").exists()


def test_a_leaky_split_is_the_first_thing_said(told: Run) -> None:
    write_json(told.results / "loss.json", LOSS | {"leak": {"prompt": 0.95, "pair": 0.7}})
    assert "95% of the held-out conversations have a prompt that was also trained on" in page_of(told).text


def test_a_base_worse_than_blind_guessing_is_told(told: Run) -> None:
    assert not any("blindly" in c for c in cautions(Facts.read(told)))
    write_json(told.results / "loss.json", LOSS | {"base": LOSS["base"] | {"loss": 12.6}})
    assert any("worse (12.60) than guessing blindly would (6.24)" in c for c in cautions(Facts.read(told)))


def test_an_adapter_changed_since_is_told(told: Run) -> None:
    summary = read_json(told.results / "training.json")
    write_json(told.results / "loss.json", LOSS | {"adapter_sha256": summary["adapter_sha256"]})
    assert not any("has changed since" in c for c in cautions(Facts.read(told)))
    write_json(told.results / "loss.json", LOSS | {"adapter_sha256": "f" * 64})
    assert any("has changed since" in c for c in cautions(Facts.read(told)))


@pytest.mark.parametrize(
    ("share", "pair", "words"),
    [
        (0.2, [0.1, 0.3], "better than the base does"),
        (-0.2, [-0.3, -0.1], "worse than the base does"),
        (0.01, [-0.02, 0.04], "lower after tuning, but by no more than chance"),
        (-0.01, [-0.04, 0.02], "higher after tuning, but by no more than chance"),
        (0.2, None, "share one prompt"),
    ],
)
def test_the_verdict_says_no_more_than_the_interval(share: float, pair: list[float] | None, words: str) -> None:
    assert words in verdict({"relative": {"share": share, "interval": pair}})


def test_a_worse_model_is_called_worse(told: Run) -> None:
    write_json(told.results / "loss.json", LOSS | {"relative": {"share": -0.12, "interval": [-0.2, -0.05]}})
    page = page_of(told)
    assert "12.0 % higher loss on replies it never saw" in page.text
    assert "5.0 % to 20.0 % higher" in page.text


def test_what_a_result_measured_is_no_longer_unmeasured(told: Run) -> None:
    before = Facts.read(told).unmeasured
    write_json(told.results / "safety.json", {})
    after = Facts.read(told).unmeasured
    assert len(after) == len(before) - 1
    assert not any("in crisis" in text for text in after)


def test_formats() -> None:
    assert [number(x) for x in (None, 12345, 2.5, 0.00002)] == ["–", "12,345", "2.500", "2.0e-05"]
    assert [percent(x) for x in (None, 0.123, -0.1)] == ["–", "12.3 %", "−10.0 %"]
    assert [interval(x) for x in (None, [1, 2.5])] == ["no interval", "1 to 2.500"]
    assert [duration(x) for x in (90, 130, 9000)] == ["90 s", "2.2 min", "2.5 h"]


def test_ticks_are_round_and_cover() -> None:
    assert plots.ticks(0.13, 0.87) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert plots.ticks(3, 3) == [3]
    assert plots.ticks(0, 1350)[-1] >= 1350


def test_a_long_run_is_thinned_and_a_short_one_drawn() -> None:
    long = [{"step": i, "loss": 5 - i / 1000} for i in range(1, 4001)]
    assert len(plots.thin([(m["step"], m["loss"]) for m in long])) <= plots.POINTS
    assert plots.curves([], None) == ""
    assert "best-dot" not in plots.curves([{"step": 1, "loss": 2.0}], None)
    drawn = plots.curves([*long, {"step": 4000, "valid_loss": 1.5}], 4000)
    assert "best-dot" in drawn and "nan" not in drawn
