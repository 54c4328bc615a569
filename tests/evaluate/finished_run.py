"""A finished run in seconds: a random two-layer Mistral in real NF4, a LoRA of a few steps, and its records."""

from __future__ import annotations

import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counsel.data.prepare import prepare
from counsel.data.prepared import Prepared
from counsel.data.settings import PrepareSettings
from counsel.files import sha256_of, write_json
from counsel.records import Run, environment
from counsel.train.recipes import load_recipe
from counsel.train.settings import TrainSettings

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}"
    "{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ ' ' + message['content'] + eos_token }}"
    "{% endif %}{% endfor %}"
)
FEELINGS = ("sad", "tired", "angry", "lonely", "worried", "afraid", "ashamed", "restless", "numb", "guilty")
THINGS = ("my work", "my mother", "the exam", "my friend", "the move", "my sleep", "our money", "school")
WAYS = ("It sounds as if", "I hear that", "So it seems that", "You tell me that")
ASKS = ("What happened last?", "When is it worst?", "Who knows of it?", "What would help tonight?")


def conversations(count: int = 160, seed: int = 3) -> list[dict[str, Any]]:
    """Small, grammatical, single- and two-turn; some prompts have several replies, some rows are doubled."""
    draw = random.Random(seed)

    def reply(feeling: str, thing: str) -> str:
        return f"{draw.choice(WAYS)} {thing} leaves you {feeling}. {draw.choice(ASKS)}"

    rows = []
    for _ in range(count):
        feeling, thing = draw.choice(FEELINGS), draw.choice(THINGS)
        said = [f"I feel {feeling} because of {thing} & I cannot rest.", reply(feeling, thing)]
        if draw.random() < 0.3:
            said += [f"Since {thing} changed I am {feeling} each day.", reply(feeling, thing)]
        roles = ("user", "assistant") * 2
        rows.append({"messages": [{"role": r, "content": t} for r, t in zip(roles, said, strict=False)]})
    return rows


def make_base(home: Path, rows: list[dict[str, Any]]) -> Path:
    """A Mistral of random weights, with a BPE tokenizer trained on the rows and the Mistral instruct template."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE(unk_token="<unk>"))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=["<unk>", "<s>", "</s>", "[INST]", "[/INST]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator((m["content"] for r in rows for m in r["messages"]), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(home)
    torch.manual_seed(0)
    size = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = MistralConfig(
        vocab_size=len(tokenizer), num_key_value_heads=2, head_dim=32, max_position_embeddings=512, **size
    )
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    MistralForCausalLM(config).save_pretrained(home)
    return home


def make_run(home: Path, rows: list[dict[str, Any]] | None = None, steps: int = 24, **prepared: Any) -> Run:
    """A finished run in ``home/run``, its base in ``home/base`` and its data in ``home/data``."""
    import torch

    torch.set_num_threads(1)  # several threads on matrices this small wait for each other, many times slower
    rows = conversations() if rows is None else rows
    base = make_base(home / "base", rows)
    (home / "raw.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    choices = {"eval_share": 0.2, "max_length": 128, **prepared}
    prepare((str(home / "raw.jsonl"),), PrepareSettings(out=home / "data", tokenizer=str(base), **choices), print)
    data, run = Prepared.open(home / "data"), Run(home / "run")
    run.begin()
    write_records(run, base, data)
    summary = tune(run, base, data, steps)
    write_json(run.results / "training.json", summary)
    return run


def write_records(run: Run, base: Path, data: Prepared) -> None:
    """What training writes down before its first step."""
    given = {"accumulate": 2, "max_length": 128, "learning_rate": 0.004, "rank": 8}
    values = load_recipe("tiny") | given | {"run": run.path, "data": (str(data.path),), "base": str(base)}
    settings = TrainSettings(recipe="tiny", **values)
    origins = {"base": "flag", "run": "flag", "data": "flag", "rank": "mine.toml", "learning_rate": "recipe tiny"}
    written = json.loads(json.dumps(asdict(settings), default=str))
    write_json(run.path / "settings.json", {"command": "train", "values": written, "origins": origins})
    sums = {name: entry["sha256"] for name, entry in data.audit["files"].items()}
    where = {"data": {"directory": str(data.path), "sha256": sums}}
    write_json(run.path / "environment.json", environment() | where)
    write_json(run.path / "data.json", data.audit)


def tune(run: Run, base: Path, data: Prepared, steps: int) -> dict[str, Any]:
    """A few steps of LoRA, enough that the tuned model differs, logged as training logs them."""
    import torch
    from peft import get_peft_model

    from counsel.model import adapter
    from counsel.model.load import load_base
    from counsel.model.render import Renderer, load_tokenizer

    torch.manual_seed(0)
    tokenizer = load_tokenizer(str(base))
    model = get_peft_model(load_base(str(base)), adapter.lora_config(8, 32, 0.0, adapter.ALL_LINEAR))
    rendered = Renderer(tokenizer).render_many(data.train())
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=4e-3)
    tokens = 0
    for step in range(1, steps + 1):
        batch = [rendered[(step * 8 + i) % len(rendered)] for i in range(8)]
        width = max(len(r.ids) for r in batch)
        ids = torch.tensor([r.ids + [0] * (width - len(r.ids)) for r in batch])
        marks = torch.tensor([r.mask + [False] * (width - len(r.ids)) for r in batch])
        labels = ids.masked_fill(~marks, -100)
        loss = model(input_ids=ids, labels=labels, attention_mask=(labels != -100) | (ids != 0)).loss
        loss.backward()
        loss = loss.detach()
        optimizer.step()
        optimizer.zero_grad()
        tokens += ids.numel()
        line = {"step": step, "epoch": step / 8, "loss": float(loss), "grad_norm": 1.0, "learning_rate": 4e-3}
        run.log(line | {"tokens": tokens, "seconds": step * 0.1})
        if step % 8 == 0:
            run.log({"step": step, "valid_loss": float(loss) + 0.1, "valid_tokens": 300})
    adapter.save(model, tokenizer, str(base), run.adapter)
    return {
        "steps": steps, "epochs": steps / 8, "train_rows": len(rendered), "dropped_rows": 0,
        "examples_cut_share": 0.0, "ends_lost_share": 0.0, "trained_tokens": sum(r.trained for r in rendered),
        "valid_rows": len(data.valid()), "train_loss": float(loss), "best_step": steps,
        "best_valid_loss": float(loss) + 0.1, "seconds": 2.4, "steps_per_s": 9.8, "tokens_per_s": 3187.5,
        "peak_memory_gib": None, "bound_share": None, "parameters": 229376,
        "trainable_parameters": sum(p.numel() for p in trained), "precision": "fp32", "device": "cpu",
        "stopped": "completed", "adapter_sha256": sha256_of(run.adapter / "adapter_model.safetensors"),
    }  # fmt: skip


# As evaluations wrote it before scorers had names: it must stay readable.
LOSS: dict[str, Any] = {
    "base": {"loss": 3.1, "interval": [3.0, 3.2], "perplexity": 22.198, "perplexity_interval": [20.1, 24.5]},
    "tuned": {"loss": 2.5, "interval": [2.4, 2.6], "perplexity": 12.182, "perplexity_interval": [11.0, 13.5]},
    "difference": {"loss": -0.6, "interval": [-0.7, -0.5]},
    "relative": {"share": 0.1935, "interval": [0.17, 0.21]},
    "groups_better": {"count": 58, "share": 0.9667, "interval": [0.886, 0.991]},
    "conversations": 97, "groups": 60, "trained_tokens": 7531, "dropped": 0, "cut": 3, "max_length": 128,
    "leak": {"prompt": 0.0, "pair": 0.0}, "level": 0.95, "blind": 6.238, "resamples": 10000, "precision": "float32",
    "command": "counsel evaluate --run run", "seed": 0, "max_new_tokens": 200, "eval_sha256": "e" * 64,
    "adapter_sha256": "a" * 64, "measured": "2026-01-02T03:04:05+00:00",
}  # fmt: skip


def give_results(run: Run) -> Run:
    """Results as an evaluation leaves them, without a model."""
    summary = json.loads((run.results / "training.json").read_text())
    write_json(run.results / "loss.json", LOSS | {"adapter_sha256": summary["adapter_sha256"]})
    reply = {
        "id": "1", "group": "g", "messages": [{"role": "user", "content": "I cannot sleep."}],
        "reference": "When did it begin?", "replies": {"base": "Sleep.", "tuned": "What keeps you awake?"},
    }  # fmt: skip
    write_json(run.results / "samples.json", {"drawn_from": 60, "replies": [reply], "max_new_tokens": 200})
    return run
