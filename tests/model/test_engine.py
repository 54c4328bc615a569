"""The engine: left padding, the end token, streams, and conversations that are too long."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.engine import (
    Completion,
    Delta,
    Request,
    Sampling,
    ScriptedEngine,
    TransformersEngine,
    _Draw,
    joined,
    load_engine,
)
from counsel.model.render import load_tokenizer

GREEDY = Sampling(temperature=0, max_new_tokens=12)


def ask(*turns: str) -> Conversation:
    roles = ["user", "assistant"] * len(turns)
    return Conversation.of([{"role": r, "content": t} for r, t in zip(roles, turns, strict=False)])


def requests(conversations: Sequence[Conversation], sampling: Sampling = GREEDY, **more: Any) -> list[Request]:
    return [Request(c, sampling, **more) for c in conversations]


def texts(completions: Sequence[Completion]) -> list[str]:
    return [c.text for c in completions]


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


WARM = [Sampling(temperature=1.5, top_p=0.95, max_new_tokens=12, seed=seed) for seed in range(6)]


@pytest.mark.parametrize("sampling", [[GREEDY] * 6, WARM], ids=["greedy", "drawn"])
def test_a_batch_answers_as_each_alone(engine: TransformersEngine, sampling: list[Sampling]) -> None:
    asked = [Request(c, s) for c, s in zip(QUESTIONS + QUESTIONS[:2], sampling, strict=True)]
    assert engine.complete(asked) == [engine.complete([r])[0] for r in asked]


@pytest.mark.parametrize("sampling", [GREEDY, WARM[3]], ids=["greedy", "drawn"])
def test_a_joined_stream_is_the_reply(engine: TransformersEngine, sampling: Sampling) -> None:
    for request in requests(QUESTIONS, sampling):
        assert joined(engine.stream(request)) == engine.complete([request])[0]


def test_it_stops_at_the_end_token_and_says_so(engine: TransformersEngine) -> None:
    first = engine.renderer.tokenizer(engine.complete(requests(QUESTIONS[:1]))[0].text, add_special_tokens=False)
    eos, engine.tokenizer.eos_token_id = engine.tokenizer.eos_token_id, first["input_ids"][0]
    try:
        reply = engine.complete(requests(QUESTIONS[:1]))[0]
    finally:
        engine.tokenizer.eos_token_id = eos
    assert (reply.tokens, reply.finish) == (1, "stop")


def test_without_room_it_ends_for_length(long_winded: TransformersEngine) -> None:
    reply = long_winded.complete(requests(QUESTIONS[:1]))[0]
    assert (reply.tokens, reply.finish) == (12, "length")


def test_leaving_a_stream_stops_the_generation(long_winded: TransformersEngine) -> None:
    before = threading.active_count()
    stream = long_winded.stream(Request(QUESTIONS[0], Sampling(temperature=0, max_new_tokens=400)))
    next(stream)
    began = time.monotonic()
    stream.close()
    assert threading.active_count() == before
    assert time.monotonic() - began < 2


def test_a_seed_belongs_to_one_reply(engine: TransformersEngine) -> None:
    warm = Sampling(temperature=1.5, seed=3, max_new_tokens=12)
    state = torch.random.get_rng_state()
    drawn = engine.complete(requests(QUESTIONS, warm))
    assert torch.equal(state, torch.random.get_rng_state()), "nobody else's draws are disturbed"
    assert engine.complete(requests(QUESTIONS, warm)) == drawn
    assert engine.complete(requests(QUESTIONS, Sampling(temperature=1.5, seed=4, max_new_tokens=12))) != drawn
    unseeded = requests(QUESTIONS, Sampling(temperature=1.5, max_new_tokens=12))
    assert engine.complete(unseeded) != engine.complete(unseeded)


def test_drawing_follows_the_probabilities() -> None:
    """The tokens drawn over many seeds come as often as their probabilities say; outside the nucleus none comes."""
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).repeat(4000, 1)
    draw = _Draw(Sampling(temperature=1.0, top_p=0.9), list(range(4000)), torch.device("cpu"))
    counts = torch.bincount(draw(torch.zeros(4000, 1), logits).argmax(-1), minlength=4) / 4000
    expected = torch.tensor([0.5, 0.3, 0.15, 0.0]) / 0.95
    assert torch.allclose(counts, expected, atol=0.03), counts


def test_base_and_tuned_are_asked_side_by_side(tiny_base: Path, tmp_path: Path) -> None:
    """Threads that ask with and without the adapter get what each would get alone."""
    engine = load_engine(str(tiny_base), random_adapter(tiny_base, tmp_path))
    alone = {tuned: texts(engine.complete(requests(QUESTIONS, tuned=tuned))) for tuned in (True, False)}
    assert alone[True] != alone[False]
    assert alone[False] == texts(load_engine(str(tiny_base)).complete(requests(QUESTIONS)))
    with ThreadPoolExecutor(4) as pool:
        asked = [(tuned, i) for _ in range(3) for i in range(len(QUESTIONS)) for tuned in (True, False)]
        said = pool.map(lambda x: joined(engine.stream(Request(QUESTIONS[x[1]], GREEDY, x[0]))).text, asked)
        assert list(said) == [alone[tuned][i] for tuned, i in asked]


def test_a_batch_may_mix_base_and_tuned(tiny_base: Path, tmp_path: Path) -> None:
    engine = load_engine(str(tiny_base), random_adapter(tiny_base, tmp_path))
    mixed = [Request(c, GREEDY, tuned) for c in QUESTIONS for tuned in (True, False)]
    assert engine.complete(mixed) == [engine.complete([r])[0] for r in mixed]


def random_adapter(base: Path, out: Path) -> Path:
    """An adapter that changes every reply."""
    from peft import get_peft_model

    from counsel.model.adapter import lora_config, save
    from counsel.model.load import load_base

    torch.manual_seed(0)
    model = get_peft_model(load_base(str(base), None, True), lora_config(4, 64, 0.0, ["q_proj", "v_proj", "o_proj"]))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    save(model, load_tokenizer(str(base)), str(base), out / "adapter")
    return out / "adapter"


def test_a_conversation_longer_than_the_model_reads_is_an_error(engine: TransformersEngine) -> None:
    too_long = Request(ask("x " * 600), GREEDY)
    with pytest.raises(CounselError, match="reads at most 511"):
        engine.complete([too_long])
    with pytest.raises(CounselError, match="reads at most 511"):
        list(engine.stream(too_long))


def test_the_scripted_engine_follows_its_script() -> None:
    engine = ScriptedEngine(["one two", "three"])
    assert texts(engine.complete(requests(QUESTIONS[:3]))) == ["one two", "three", "one two"]
    assert [r.conversation for r in engine.asked] == QUESTIONS[:3]
    assert list(engine.stream(Request(QUESTIONS[0])))[-1] == Delta(finish="stop")


def test_evaluating_leaves_the_four_bit_weights_as_they_are(engine: TransformersEngine) -> None:
    """bitsandbytes would round the block scales to bf16 at the first evaluation on some processors."""
    layers = [m for m in engine.model.modules() if hasattr(m, "support_avx512bf16_for_cpu")]
    assert layers
    before = [(m.weight.data.clone(), m.weight.quant_state.absmax.clone()) for m in layers]
    engine.complete(requests(QUESTIONS))
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
