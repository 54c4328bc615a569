"""What the classifier is trained on is read rightly, and a calibration that did not settle is refused."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

TOOLS = Path(__file__).parents[3] / "tools" / "screening"


@pytest.fixture(scope="module")
def tools() -> Iterator[dict[str, ModuleType]]:
    sys.path.insert(0, str(TOOLS))
    names = ("messages", "calibrate", "examples")
    yield {name: importlib.import_module(name) for name in names}
    sys.path.remove(str(TOOLS))
    for name in names:
        del sys.modules[name]


def test_a_calibration_settles_and_is_right(tools: dict[str, ModuleType]) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(0.7 * logits - 0.4)))).astype(float)
    slope, offset = tools["calibrate"].calibrated(logits, labels)
    assert abs(slope - 0.7) < 0.05 and abs(offset + 0.4) < 0.06


@pytest.mark.parametrize("sign", [1e-3, -1.0], ids=["a step", "upside down"])
def test_a_calibration_that_is_none_is_refused(sign: float, tools: dict[str, ModuleType]) -> None:
    logits = sign * np.repeat([-1.0, 1.0], 500)
    with pytest.raises(ValueError, match="did not settle"):
        tools["calibrate"].calibrated(logits, np.repeat([0.0, 1.0], 500))


def test_labels_are_of_all_turns_of_the_last_and_of_each(tools: dict[str, ModuleType], tmp_path: Path) -> None:
    lines = {
        "messages": "M|suicide|self|present|-|I think of it ⏎ jk",
        "turns": "L|abuse,minor|self|past|disclosure|P: hi ⏎ A: Hello. ⏎ P: he hit me",
        "talks": "# one\nA: Hello.\nP N|-|self|present|talk: hi: there\nA: Yes?\n"
        "P H|suicide|self|present|disclosure: bye",
    }
    for folder, text in lines.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "some.txt").write_text(text + "\n", encoding="utf-8")
    whole, last, first, second = tools["messages"].read(tuple(tmp_path / f for f in lines))
    assert (whole.turns, whole.before, whole.act) == (("I think of it", "jk"), (), "-")
    assert (last.turns, last.before) == (("he hit me",), (("user", "hi"), ("assistant", "Hello.")))
    assert (first.text, first.before, first.level.name) == ("hi: there", (("assistant", "Hello."),), "none")
    assert (second.text, second.level.name, second.group) == ("bye", "high", first.group)
    assert len(second.before) == 3
    assert tools["examples"].read_as(last) == [("me: hi you: Hello.", "he hit me")]


@pytest.mark.parametrize(
    "line", ["X|-|self|present|talk|hi", "N|-|self|present|hi", "N|-|self|present|talk|", "N|-|me|present|talk|a"]
)
def test_a_line_that_breaks_the_format_is_named(line: str, tools: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"some\.txt:1"):
        tools["messages"].read((tmp_path,))
