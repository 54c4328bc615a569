"""Pre-trains counsel-tiny: the model, the loss, the schedule and the loop (used by pretrain.py)."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import torch
from corpus import ASSISTANT, USER, Rows
from torch.nn import functional
from transformers import GenerationConfig, MistralConfig, MistralForCausalLM
from vocabulary import BOS, CONTROL, EOS, PAD, VOCABULARY

WIDTH = 512
CONTEXT = 1024
WARM_UP, DECAY_FROM = 0.02, 0.5  # shares of the schedule
MAX_BYTES = 12_000_000
Loss = Callable[..., torch.Tensor]
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # ids, kinds, positions


@dataclass(frozen=True)
class Settings:
    """How to train: by the clock (`minutes`) unless `steps` is given."""

    device: str
    minutes: float
    steps: int | None
    batch_tokens: int
    learning_rate: float
    user_weight: float
    weight_decay: float
    noise: float
    compile: bool
    seed: int


def build_model() -> MistralForCausalLM:
    """The untrained model, about 5.5 million parameters, in float32."""
    config = MistralConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=CONTEXT,
        sliding_window=None,
        tie_word_embeddings=True,
        bos_token_id=BOS,
        eos_token_id=EOS,
        pad_token_id=PAD,
        attn_implementation="sdpa",
    )
    return MistralForCausalLM(config).float()


class Batches:
    """All rows on the device; batches are drawn there, each row once an epoch."""

    def __init__(self, rows: Rows, size: int, device: str, seed: int) -> None:
        self.tensors = [torch.from_numpy(part).to(device) for part in (rows.ids, rows.kinds, rows.positions)]
        self.count = len(rows.ids)
        self.size = min(size, self.count)
        self.device = device
        self.random = torch.Generator(device="cpu").manual_seed(seed)

    def __iter__(self) -> Iterator[Batch]:
        """Endless batches of (ids, kinds, positions), each of size x width, int64."""
        while True:
            order = torch.randperm(self.count, generator=self.random).to(self.device)
            for start in range(0, self.count - self.size + 1, self.size):
                yield self.take(order[start : start + self.size])

    def take(self, index: torch.Tensor) -> Batch:
        """The rows at `index`."""
        ids, kinds, positions = (tensor[index].long() for tensor in self.tensors)
        return ids, kinds, positions


def garble(ids: torch.Tensor, kinds: torch.Tensor, share: float) -> torch.Tensor:
    """The ids with some of the user's tokens replaced at random, in each row up to twice ``share`` of them.

    Replies then rest on the whole message rather than on a phrase that the grammar always uses, and a message in
    somebody's own words still finds its topic.
    """
    chance = torch.rand(len(ids), 1, device=ids.device) * 2 * share
    chosen = (kinds == USER) & (ids >= len(CONTROL)) & (torch.rand(ids.shape, device=ids.device) < chance)
    return torch.where(chosen, torch.randint_like(ids, len(CONTROL), VOCABULARY), ids)


def weighted_loss(
    model: MistralForCausalLM,
    ids: torch.Tensor,
    kinds: torch.Tensor,
    positions: torch.Tensor,
    weights: torch.Tensor,
    read: torch.Tensor,
) -> torch.Tensor:
    """Mean next-token loss, each token by its kind's weight; conversations of one row do not see each other.

    ``read`` is what the model sees, ``ids`` what it should say.
    """
    document = (positions == 0).cumsum(1)
    width = ids.shape[1]
    causal = torch.ones(width, width, dtype=torch.bool, device=ids.device).tril()
    mask = ((document[:, :, None] == document[:, None, :]) & causal)[:, None]
    hidden = model.model(input_ids=read, attention_mask=mask, position_ids=positions, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden).float()
    # Each row begins with <s>, whose weight is 0, so the target that rolls around to the last place counts nothing.
    targets, weight = ids.roll(-1, 1), weights[kinds].roll(-1, 1)
    losses = functional.cross_entropy(logits.view(-1, logits.shape[-1]), targets.view(-1), reduction="none")
    return (losses * weight.view(-1)).sum() / weight.sum()


def learning_rate(progress: float, peak: float) -> float:
    """Warm-up, constant, then a cosine down to exactly 0 at progress 1."""
    if progress < WARM_UP:
        return peak * progress / WARM_UP
    if progress < DECAY_FROM:
        return peak
    return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - DECAY_FROM) / (1 - DECAY_FROM))))


def make_optimizer(model: MistralForCausalLM, settings: Settings) -> torch.optim.AdamW:
    """AdamW with decay on the matrices only, the embedding left out."""
    named = list(model.named_parameters())
    matrices = [p for name, p in named if p.dim() > 1 and "embed" not in name]
    others = [p for name, p in named if p.dim() <= 1 or "embed" in name]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), eps=1e-8, fused=settings.device == "cuda")


class Trainer:
    """One training run; `train` returns what recipe.json says about it."""

    def __init__(self, settings: Settings, train: Rows, held_out: Rows) -> None:
        torch.manual_seed(settings.seed)
        torch.set_float32_matmul_precision("high")
        self.settings = settings
        self.model = build_model().to(settings.device)
        self.batches = Batches(train, max(1, settings.batch_tokens // WIDTH), settings.device, settings.seed)
        self.held_out = Batches(held_out, self.batches.size, settings.device, settings.seed)
        self.weights = self._kind_weights(settings.user_weight)
        self.optimizer = make_optimizer(self.model, settings)
        self.loss: Loss = weighted_loss

    def _kind_weights(self, user: float) -> torch.Tensor:
        weights = torch.zeros(3)
        weights[USER], weights[ASSISTANT] = user, 1.0
        return weights.to(self.settings.device)

    def _autocast(self) -> AbstractContextManager[Any]:
        if self.settings.device == "cuda":
            return torch.autocast("cuda", dtype=torch.bfloat16)
        return nullcontext()

    def _gradients(self, batch: Batch) -> torch.Tensor:
        read = garble(batch[0], batch[1], self.settings.noise)
        with self._autocast():
            loss = self.loss(self.model, *batch, self.weights, read)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def warm_up(self) -> str:
        """Run one batch before the clock starts; compile if asked and if that works here."""
        batch = next(iter(self.batches))
        how = "eager"
        if self.settings.compile:
            try:
                self.loss = torch.compile(weighted_loss, dynamic=False)
                self._gradients(batch).item()
                how = "compiled"
            except Exception as error:  # any failure of the compiler: the eager loss does the same, slower
                print(
                    f"torch.compile failed, going on without: {type(error).__name__}: {str(error)[:300]}",
                    flush=True,
                )
                self.loss = weighted_loss
                torch._dynamo.reset()
        self.optimizer.zero_grad(set_to_none=True)
        self._gradients(batch).item()
        self.optimizer.zero_grad(set_to_none=True)
        return how

    @torch.no_grad()
    def held_out_loss(self, batches: int = 4) -> float:
        """Mean loss of the assistant's tokens on openings that training never sees."""
        weights = self._kind_weights(0.0)
        size = self.held_out.size
        starts = range(0, min(self.held_out.count, batches * size), size)
        total = 0.0
        count = 0
        for start in starts:
            end = min(start + size, self.held_out.count)
            index = torch.arange(start, end, device=self.settings.device)
            with self._autocast():
                batch = self.held_out.take(index)
                loss = weighted_loss(self.model, *batch, weights, read=batch[0])
            total += loss.item() * (end - start)
            count += end - start
        return total / count

    def train(self, log: TextIO) -> dict[str, Any]:
        """Train until the steps or the minutes are used up; one line a record goes to `log`."""
        settings = self.settings
        how = self.warm_up()
        start = time.monotonic()
        tokens_a_step = self.batches.size * WIDTH
        every = 10 if settings.device == "cuda" else 5
        step = 0
        next_check = 0.1
        record: dict[str, Any] = {}
        self.model.train()
        for batch in self.batches:
            elapsed = time.monotonic() - start
            progress = step / settings.steps if settings.steps else elapsed / (60 * settings.minutes)
            if progress >= 1:
                break
            rate = learning_rate(progress + (1 / settings.steps / 2 if settings.steps else 0), settings.learning_rate)
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss = self._gradients(batch)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
            step += 1
            if step % every and progress < next_check:
                continue
            value = loss.item()  # waits for the device, so the clock stays true
            if not math.isfinite(value):
                raise FloatingPointError(f"the loss is {value} at step {step}; try a smaller --learning-rate")
            elapsed = time.monotonic() - start
            record = {"step": step, "seconds": round(elapsed, 2), "progress": round(progress, 4), "lr": rate}
            record |= {"loss": round(value, 4), "tokens_per_second": round(step * tokens_a_step / elapsed)}
            if progress >= next_check:
                record["held_out_loss"] = round(self.held_out_loss(), 4)
                next_check += 0.1
                print(record, flush=True)
            elif step % (20 * every) == 0 or step <= 2 * every:
                print(record, flush=True)
            log.write(json.dumps(record) + "\n")
            log.flush()
        return {
            "how": how,
            "steps": step,
            "tokens": step * tokens_a_step,
            "epochs": round(step * self.batches.size / self.batches.count, 2),
            "seconds": round(time.monotonic() - start, 1),
            "last_loss": record.get("loss"),
            "held_out_loss": round(self.held_out_loss(), 4),
        }

    def save(self, out: Path) -> int:
        """Write bfloat16 weights and configs to `out`; returns the bytes of the weights."""
        model = self.model.eval().to(torch.bfloat16)
        model.config.dtype = torch.bfloat16
        model.generation_config = GenerationConfig(bos_token_id=BOS, eos_token_id=EOS, pad_token_id=PAD)
        model.save_pretrained(out)
        size = (out / "model.safetensors").stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"{out / 'model.safetensors'} has {size} bytes, more than {MAX_BYTES}")
        return size
