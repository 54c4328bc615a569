"""The engine: left padding, the end token, streams, and conversations that are too long."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.engine import Sampling, ScriptedEngine, TransformersEngine, load_engine
from counsel.model.render import load_tokenizer

GREEDY = Sampling(temperature=0, max_new_tokens=12)


def ask(*turns: str) -> Conversation:
    roles = ["user", "assistant"] * len(turns)
    return Conversation.of([{"role": r, "content": t} for r, t in zip(roles, turns, strict=False)])


@pytest.fixture(scope="module")
def engine(tiny_base: Path) -> TransformersEngine:
    return load_engine(str(tiny_base), rows=4)


@pytest.fixture
def long_winded(engine: TransformersEngine) -> Iterator[TransformersEngine]:
    """The same engine, unable to end by itself."""
    eos = engine.model.config.eos_token_id
    weight = engine.model.get_output_embeddings().weight
    with torch.no_grad():
        kept = weight[eos].clone()
        weight[eos] = 0
    yield engine
    with torch.no_grad():
        weight[eos] = kept


QUESTIONS = [
    ask("i feel sad"),
    ask("my work is hard and my mother is tired of it all"),
    ask("a", "b", "c"),
    ask("money"),
]


def test_a_batch_answers_as_each_alone(engine: TransformersEngine) -> None:
    together = engine.complete(QUESTIONS + QUESTIONS[:2], GREEDY)
    assert together == [engine.complete([q], GREEDY)[0] for q in QUESTIONS + QUESTIONS[:2]]


def test_a_joined_stream_is_the_reply(engine: TransformersEngine) -> None:
    for question in QUESTIONS:
        assert "".join(engine.stream(question, GREEDY)).strip() == engine.complete([question], GREEDY)[0]


def test_it_stops_at_the_end_token(engine: TransformersEngine) -> None:
    first = engine.renderer.tokenizer(engine.complete([QUESTIONS[0]], GREEDY)[0], add_special_tokens=False)["input_ids"]
    eos, engine.tokenizer.eos_token_id = engine.tokenizer.eos_token_id, first[0]
    try:
        assert len(engine.tokenizer.encode(engine.complete([QUESTIONS[0]], GREEDY)[0])) <= 1
    finally:
        engine.tokenizer.eos_token_id = eos


def test_leaving_a_stream_stops_the_generation(long_winded: TransformersEngine) -> None:
    before = threading.active_count()
    stream = long_winded.stream(QUESTIONS[0], Sampling(temperature=0, max_new_tokens=400))
    next(stream)
    began = time.monotonic()
    stream.close()
    assert threading.active_count() == before
    assert time.monotonic() - began < 2


def test_a_seed_draws_the_same_reply(engine: TransformersEngine) -> None:
    warm = Sampling(temperature=1.5, seed=3, max_new_tokens=12)
    assert engine.complete(QUESTIONS, warm) == engine.complete(QUESTIONS, warm)
    assert engine.complete(QUESTIONS, warm) != engine.complete(QUESTIONS, Sampling(temperature=1.5, seed=4))


def test_a_conversation_longer_than_the_model_reads_is_an_error(engine: TransformersEngine) -> None:
    too_long = ask("x " * 600)
    with pytest.raises(CounselError, match="reads at most 511"):
        engine.complete([too_long], GREEDY)
    with pytest.raises(CounselError, match="reads at most 511"):
        list(engine.stream(too_long, GREEDY))


def test_the_scripted_engine_follows_its_script() -> None:
    engine = ScriptedEngine(["one two", "three"])
    assert engine.complete(QUESTIONS[:3], GREEDY) == ["one two", "three", "one two"]
    assert engine.asked == QUESTIONS[:3]


def test_evaluating_leaves_the_four_bit_weights_as_they_are(engine: TransformersEngine) -> None:
    """bitsandbytes would round the block scales to bf16 at the first evaluation on some processors."""
    layers = [m for m in engine.model.modules() if hasattr(m, "support_avx512bf16_for_cpu")]
    assert layers
    before = [(m.weight.data.clone(), m.weight.quant_state.absmax.clone()) for m in layers]
    engine.complete(QUESTIONS, GREEDY)
    for layer, (weight, absmax) in zip(layers, before, strict=True):
        assert torch.equal(layer.weight.data, weight) and torch.equal(layer.weight.quant_state.absmax, absmax)


@pytest.mark.parametrize("damage", ["missing", "cut short"])
@pytest.mark.parametrize("part", ["base", "adapter"])
def test_a_damaged_model_is_told(tiny_base: Path, tmp_path: Path, part: str, damage: str) -> None:
    from peft import get_peft_model

    from counsel.model import adapter
    from counsel.model.load import load_base, load_tuned

    base = Path(shutil.copytree(tiny_base, tmp_path / "copy"))
    model = get_peft_model(load_base(str(base)), adapter.lora_config(4, 8, 0.0, adapter.ATTENTION))
    adapter.save(model, load_tokenizer(str(base)), str(base), tmp_path / "adapter")
    file = base / "model.safetensors" if part == "base" else tmp_path / "adapter" / "adapter_model.safetensors"
    file.unlink() if damage == "missing" else file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(CounselError, match=f"the {part} could not be loaded"):
        load_tuned(str(base), tmp_path / "adapter")
