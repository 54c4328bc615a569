"""The held-out messages are frozen, large enough, and apart from what the classifier was trained on."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

from counsel.safety.screening.measure import read_labelled
from counsel.safety.verdict import Level

ROOT = Path(__file__).parents[3]
HELD_OUT = ROOT / "benchmarks" / "screening"


@pytest.fixture(scope="module")
def messages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("screening_messages", ROOT / "tools" / "screening" / "messages.py")
    assert spec and spec.loader
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("folder", [HELD_OUT, HELD_OUT / "2026-12"], ids=["first", "second"])
def test_nobody_has_touched_them(folder: Path) -> None:
    listed = dict(reversed(line.split()) for line in (folder / "SHA256SUMS").read_text().splitlines())
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.jsonl")}
    assert found and found == listed


def test_there_are_enough_of_each_manner() -> None:
    examples = read_labelled(HELD_OUT / "english.jsonl")
    manners = Counter(e.manner for e in examples)
    assert manners["direct"] >= 300 and manners["oblique"] >= 300 and manners["safe"] >= 500
    others = ("coded", "misspelt", "third_party", "retracted", "split", "historical", "negated", "idiom", "fiction")
    assert all(manners[m] >= 30 for m in others)
    at_risk = {e.manner for e in examples if e.level > Level.none}
    assert not at_risk & {"safe", "historical", "negated", "idiom", "fiction"}


def test_the_training_messages_are_many_and_balanced(messages: ModuleType) -> None:
    found = messages.read()
    assert len(found) >= 2500
    levels = Counter(m.level for m in found)
    assert min(levels.values()) > 500
    assert 0.25 < levels[Level.none] / len(found) < 0.6


@pytest.mark.slow
def test_no_message_repeats_another_or_a_held_out_one(messages: ModuleType) -> None:
    once, texts = [m.text for m in messages.read((messages.FOLDER,))], [m.text for m in messages.read()]
    held = [" ".join(e.turns) for e in read_labelled(HELD_OUT / "english.jsonl")]
    assert not list(messages.alike(once)) and not list(messages.alike(texts, held))
