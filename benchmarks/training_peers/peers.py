"""TRL and Unsloth, trained for a few steps on the rows that the product itself would train on.

Both are timed by the host's clock over all measured steps, so that data loading and bookkeeping count as they do in a
real run.
"""

from __future__ import annotations

import time
from itertools import chain, islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_peers.contenders import WARM_UP, Contender

if TYPE_CHECKING:
    import torch

    from counsel.train.rows import Rows

SEED = 0
RANK, ALPHA = 16, 32
LEARNING_RATE = 2e-5


class Clock:
    """Counts optimizer steps, and times those after the warm-up.

    The GPU is waited for twice only, so that a peer may queue its next step while one is computed, as it would.
    """

    def __init__(self, contender: Contender) -> None:
        self.steps, self.taken = contender.steps or 0, 0
        self.began = self.ended = 0.0

    def tick(self) -> None:
        """A step is queued."""
        import torch

        self.taken += 1
        if self.taken in (WARM_UP, WARM_UP + self.steps):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.began, self.ended = self.ended, time.perf_counter()

    def steps_per_s(self) -> float:
        """Steps a second, warm-up left out."""
        return self.steps / (self.ended - self.began)


def rows_and_padding(base: str, data: Path, max_length: int) -> tuple[Rows, int]:
    """The product's own training rows, and the token that fills them up."""
    from counsel.data.prepared import Prepared
    from counsel.model.render import Renderer, load_tokenizer
    from counsel.train.rows import make_rows

    tokenizer = load_tokenizer(base)
    rows = make_rows(Prepared.open(data).train(), Renderer(tokenizer), max_length, str(data))
    return rows, int(tokenizer.pad_token_id)


def labels_of(rows: Rows) -> list[list[int]]:
    """Each row's tokens as the peers want them: -100 where nothing is trained."""
    return [[i if m else -100 for i, m in zip(r.ids, r.mask, strict=True)] for r in rows.rendered]


def run_peer(contender: Contender, base: str, data: Path) -> dict[str, Any]:
    """Train with a peer's code; speed and memory."""
    train = train_unsloth if contender.who == "unsloth" else train_trl
    return train(contender, base, data)


def train_trl(contender: Contender, base: str, data: Path) -> dict[str, Any]:
    """TRL's SFTTrainer as its documentation shows it for QLoRA. Only the adapters' bf16 is TRL's own choice."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer, TrainerCallback
    from trl import SFTTrainer

    clock = Clock(contender)

    class Ticks(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock.tick()

    rows, _ = rows_and_padding(base, data, contender.max_length)
    trainer = SFTTrainer(
        model=nf4_model(base),
        args=sft_config(contender),
        train_dataset=Dataset.from_dict({"input_ids": [r.ids for r in rows.rendered], "labels": labels_of(rows)}),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=RANK, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=list(contender.targets)
        ),
        callbacks=[Ticks()],
    )
    forget_peaks(torch)
    loss = trainer.train().training_loss
    return figures(contender, clock, rows, loss) | {"precision": "bf16" if trainer.args.bf16 else "fp32"}


def sft_config(contender: Contender) -> Any:
    """TRL's settings: the fastest that leave the gradient as it is, and as little logging as can be."""
    import torch
    from trl import SFTConfig

    steps, on_gpu = WARM_UP + (contender.steps or 0), torch.cuda.is_available()
    return SFTConfig(
        output_dir="trl",
        max_steps=steps,
        per_device_train_batch_size=contender.rows,
        gradient_accumulation_steps=contender.accumulate,
        gradient_checkpointing=contender.checkpointing,
        pad_to_multiple_of=contender.pad_to,
        max_length=None,  # the rows are cut already
        dataset_kwargs={"skip_prepare_dataset": True},
        bf16=on_gpu,
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        optim="adamw_torch_fused",
        learning_rate=LEARNING_RATE,
        max_grad_norm=1.0,
        seed=SEED,
        logging_steps=steps,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )


def nf4_model(base: str) -> Any:
    """The base in double-quantised NF4, as ``transformers`` loads it."""
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    on_gpu = torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return AutoModelForCausalLM.from_pretrained(
        base, dtype=dtype, quantization_config=quantisation, device_map={"": 0 if on_gpu else "cpu"}
    )


def train_unsloth(contender: Contender, base: str, data: Path) -> dict[str, Any]:
    """Unsloth's model in the barest loop there is, its batches on the GPU beforehand: faster than under a trainer."""
    import unsloth  # noqa: F401, I001  (it patches transformers, so it comes first)
    import torch

    rows, padding = rows_and_padding(base, data, contender.max_length)
    model = adapted_by_unsloth(contender, base)
    adapter = [weight for weight in model.parameters() if weight.requires_grad]
    adam = torch.optim.AdamW(adapter, fused=True, weight_decay=0.0, lr=LEARNING_RATE)
    steps = WARM_UP + (contender.steps or 0)
    batches = iter(padded(rows, contender, steps * contender.accumulate, padding))
    clock, losses = Clock(contender), []
    half_precision = torch.autocast("cuda", torch.bfloat16)
    forget_peaks(torch)
    for _ in range(steps):
        for ids, labels in islice(batches, contender.accumulate):
            with half_precision:
                passed = model(input_ids=ids, labels=labels, use_cache=False)
                share = passed.loss / contender.accumulate
            share.backward()
            losses.append(share.detach())
        torch.nn.utils.clip_grad_norm_(adapter, max_norm=1.0)
        adam.step()
        adam.zero_grad()
        clock.tick()
    mean = contender.accumulate * float(torch.stack(losses).mean())
    return figures(contender, clock, rows, mean) | {"precision": "bf16"}


def adapted_by_unsloth(contender: Contender, base: str) -> Any:
    """The base in NF4 with a fresh adapter, both by Unsloth."""
    import torch
    from unsloth import FastLanguageModel

    length = contender.max_length
    model, _ = FastLanguageModel.from_pretrained(
        base, max_seq_length=length, dtype=torch.bfloat16, load_in_4bit=True, local_files_only=True
    )
    model = FastLanguageModel.get_peft_model(
        model,
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=0,
        bias="none",
        target_modules=list(contender.targets),
        use_gradient_checkpointing="unsloth" if contender.checkpointing else False,
        max_seq_length=length,
        random_state=SEED,
    )
    FastLanguageModel.for_training(model)
    return model


def padded(
    rows: Rows, contender: Contender, count: int, padding: int, device: str = "cuda"
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Batches of shuffled rows, filled up on the right, on the GPU; each epoch is shuffled anew."""
    import torch

    generator = torch.Generator().manual_seed(SEED)
    order = chain.from_iterable(torch.randperm(len(rows), generator=generator).tolist() for _ in repeat(None))
    batches, marked = [], labels_of(rows)
    for _ in range(count):
        chosen = list(islice(order, contender.rows))
        width = contender.pad_to or max(rows.lengths[i] for i in chosen)
        ids = [rows.rendered[i].ids + [padding] * (width - rows.lengths[i]) for i in chosen]
        labels = [marked[i] + [-100] * (width - rows.lengths[i]) for i in chosen]
        batches.append((torch.tensor(ids, device=device), torch.tensor(labels, device=device)))
    return batches


def forget_peaks(torch: Any) -> None:
    """Leave loading and quantising out of the memory figures."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def figures(contender: Contender, clock: Clock, rows: Rows, loss: float) -> dict[str, Any]:
    """What is recorded of a peer."""
    import torch

    speed, length = clock.steps_per_s(), sum(rows.lengths) / len(rows)
    on_gpu = torch.cuda.is_available()
    return {
        "steps_per_s": speed,
        "tokens_per_s": speed * contender.conversations * length,
        "tokens_per_row": length,
        "peak_reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if on_gpu else None,
        "peak_allocated_gib": torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None,
        "train_loss": loss if loss == loss else None,
        "rows": contender.rows,
        "accumulate": contender.accumulate,
    }
