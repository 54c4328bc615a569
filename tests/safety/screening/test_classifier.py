"""The shipped classifier: sound probabilities, the same for every batch and thread; damaged weights are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from counsel.conversation import Message
from counsel.errors import CounselError
from counsel.safety.screening import classifier as room
from counsel.safety.screening.classifier import (
    CATEGORY_OUTPUTS,
    LEVEL_OUTPUTS,
    OUTPUTS,
    WEIGHTS,
    Classifier,
    classifier,
)
from counsel.safety.screening.screen import Screen
from counsel.safety.verdict import Level

TEXTS = [
    "I want to kill myself tonight",
    "my husband beats me and I am afraid of him",
    "I baked bread with my sister and it was lovely",
    "the match was on television and we cheered",
    "I have been cutting my arms again",
]


@pytest.fixture
def judge() -> Iterator[Classifier]:
    """The shipped one, remembering nothing from other tests."""
    shipped = classifier()
    shipped._known.clear()
    yield shipped
    shipped._known.clear()


def close(a: room.Probabilities, b: room.Probabilities) -> bool:
    pairs = zip((*a.levels, *a.categories, a.other), (*b.levels, *b.categories, b.other), strict=True)
    return all(abs(x - y) < 1e-3 for x, y in pairs)


def test_every_result_is_made_of_probabilities(judge: Classifier) -> None:
    for found in judge(TEXTS):
        assert len(found.levels) == len(LEVEL_OUTPUTS) and len(found.categories) == len(CATEGORY_OUTPUTS)
        assert all(0 <= p <= 1 for p in (*found.levels, *found.categories, found.other))
    assert judge([]) == []


def test_plain_danger_and_plain_safety_lie_apart(judge: Classifier) -> None:
    danger, abuse, bread, match, cuts = (p.levels[0] for p in judge(TEXTS))
    assert min(danger, abuse, cuts) > 0.5 > max(bread, match)


def test_a_text_is_judged_alike_whatever_stands_beside_it(judge: Classifier) -> None:
    together = judge(TEXTS)
    judge._known.clear()
    assert all(close(p, judge([t])[0]) for t, p in zip(TEXTS, together, strict=True))


def test_texts_that_were_met_are_remembered(judge: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = judge._judge

    def spy(texts: Any) -> Any:
        seen.append(list(texts))
        return real(texts)

    monkeypatch.setattr(judge, "_judge", spy)
    first = judge([TEXTS[0], TEXTS[1], TEXTS[0]])
    assert first[0] == first[2]
    judge([TEXTS[1], TEXTS[2]])
    assert seen == [[TEXTS[0], TEXTS[1]], [TEXTS[2]]]


def test_its_memory_is_bounded(judge: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "REMEMBERED", 3)
    monkeypatch.setattr(judge, "_judge", lambda texts: [room.Probabilities((0.0,) * 4, (0.0,), 0.0) for _ in texts])
    for n in range(3):
        assert len(judge([f"{n} {i}" for i in range(5)])) == 5
        assert len(judge._known) == 3


def test_a_growing_conversation_is_not_read_again(judge: Classifier, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = judge._judge
    monkeypatch.setattr(judge, "_judge", lambda texts: (seen.append(len(texts)), real(texts))[1])
    screen, messages = Screen(classify=judge), []
    for n in range(6):
        messages += [Message("user", f"Day {n}, I walked home and it rained on me. The dog ran ahead, happy as ever.")]
        screen(messages)
        messages += [Message("assistant", "I'm listening.")]
    new = [n for n in seen if n]
    assert len(new) == 6 and max(new) <= 2


def test_many_threads_get_what_one_gets(judge: Classifier) -> None:
    texts = [f"{t} {n}" for n in range(3) for t in TEXTS]
    expected = judge(texts)
    judge._known.clear()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda i: judge(texts[i : i + 4]), range(0, len(texts), 2)))
    for i, some in zip(range(0, len(texts), 2), found, strict=True):
        assert all(close(a, b) for a, b in zip(some, expected[i : i + 4], strict=True))


def test_risk_at_the_end_of_three_thousand_words_is_found(judge: Classifier) -> None:
    calm = "Today I went to the shop and bought bread, then I walked home and it rained. " * 200
    seen: list[str] = []

    def spy(texts: Any) -> Any:
        seen.extend(texts)
        return judge(texts)

    verdict = Screen(classify=spy)([Message("user", calm + "I want to kill myself tonight.")])
    assert verdict.level >= Level.moderate
    assert verdict.by == "both"
    assert seen[-1].endswith("I want to kill myself tonight")
    assert not Screen(classify=judge)([Message("user", calm)]).level


def test_the_shipped_file_says_what_it_was_made_for() -> None:
    with safe_open(str(WEIGHTS), "pt") as f:
        assert json.loads(f.metadata()["outputs"]) == list(OUTPUTS)


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return load_file(str(WEIGHTS))


DAMAGE = {
    "no file": None,
    "no safetensors": b"weights",
    "cut short": 1000,
    "no head": lambda t: {k: v for k, v in t.items() if k != "head.weight"},
    "no calibration": lambda t: {k: v for k, v in t.items() if k != "platt"},
    "half an encoder": lambda t: {k: v for k, v in t.items() if not k.endswith("layer.0.output.dense.scales")},
    "no words": lambda t: t | {"tokenizer": t["tokenizer"][:100].clone()},
    "too few outputs": lambda t: t | {k: t[k][:-1].clone() for k in ("head.weight", "head.bias", "platt")},
    "another width": lambda t: t | {"head.weight": t["head.weight"][:, :-1].clone()},
    "not a number": lambda t: t | {"head.bias": t["head.bias"] * float("nan")},
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_weights_are_refused(damage: Any, tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "classifier.safetensors"
    if isinstance(damage, bytes):
        path.write_bytes(damage)
    elif isinstance(damage, int):
        path.write_bytes(WEIGHTS.read_bytes()[:damage])
    elif damage:
        save_file(damage(tensors), str(path))
    with pytest.raises(CounselError) as caught:
        Classifier(path, sha256=None)
    assert caught.value.where and caught.value.fix


def test_other_weights_than_the_shipped_are_refused(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    save_file(tensors | {"head.bias": tensors["head.bias"] + 1}, str(tmp_path / "other.safetensors"))
    with pytest.raises(CounselError, match="not the classifier's weights"):
        Classifier(tmp_path / "other.safetensors")


def test_context_explains_and_is_not_judged(judge: Classifier) -> None:
    told = "me: i want to die. you: Are you thinking of ending your life?"
    yes, dinner, alone = judge([f"{told}\nyes", f"{told}\ncan you help me plan a birthday dinner", "yes"])
    assert yes.levels[0] > 0.5 > max(dinner.levels[0], alone.levels[0])
