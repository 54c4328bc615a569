"""TRL's SFT trainer, made safe: fp32 adapters, whole checkpoints, a token-weighted valid loss, named rows.

What it changes, in one place each:
- the adapter's masters stay fp32 (TRL makes them bf16, on which fp16's gradient scaler crashes);
- a checkpoint is written beside its place and renamed into it, so a killed run leaves none half-written;
- the valid loss is the mean over trained tokens, not the mean of batch means;
- a batch knows its rows, so that an error can name them;
- with a ``FastStep``, that computes loss and gradients of packed conversations, and the GPU never waits for a loss to
  be read; all else stays the trainer's.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from trl import SFTConfig, SFTTrainer

from counsel.errors import CheckFailed
from counsel.files import sync, unwritable
from counsel.model.fast.pack import Packed
from counsel.model.fast.step import FastStep
from counsel.train.batches import Collator, PackCollator
from counsel.train.checkpoints import prune
from counsel.train.rows import Rows
from counsel.train.unread import Unread


class CounselTrainer(SFTTrainer):  # type: ignore[misc]
    """The trainer of ``counsel train``.

    Args:
        model: a PEFT model.
        tokenizer: of its base.
        config: TRL's settings; ``output_dir`` is where checkpoints go.
        rows: to train on.
        valid: rows of the valid loss; may be empty.
        padding: the width every batch is padded to, or None.
        callbacks: of the Hugging Face trainer.
    """

    def __init__(
        self,
        model: PeftModel,
        tokenizer: Any,
        config: SFTConfig,
        rows: Rows,
        valid: Rows,
        padding: int | None,
        callbacks: list[Any],
    ) -> None:
        masters = {n: p.detach().to(torch.float32).clone() for n, p in model.named_parameters() if p.requires_grad}
        self.rows, self.valid = rows, valid
        super().__init__(
            model=model,
            args=config,
            train_dataset=Dataset.from_dict(rows.columns()),
            processing_class=tokenizer,
            data_collator=Collator(tokenizer.pad_token_id, padding),
            callbacks=callbacks,
        )
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.data = masters[name]
        vocabulary = model.config.get_text_config().vocab_size
        self.exploded = 3 * math.log(vocabulary)  # three times worse than guessing evenly
        self.batch_rows: list[int] = []
        self.fast: FastStep | None = None
        self.reads_late = False
        self.unread: Unread | None = None
        self.control: Any

    def go_fast(self, fast: FastStep) -> None:
        """Compute every step and every valid loss with this from now on."""
        self.fast, self.reads_late = fast, fast.graphs  # a CPU waits for nobody
        self.data_collator = PackCollator(self.processing_class.pad_token_id, fast.sizes)

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The micro-batches of one optimizer step; remembers which rows they hold."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.batch_rows = [row for batch in batches for row in batch.pop("row")]
        if self.fast:
            items = sum(len(batch["pack"].where) for batch in batches)
        return batches, items

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Loss and gradients of one pass; on the fast path without leaving the GPU's queue."""
        if not self.fast:
            return super().training_step(model, inputs, num_items_in_batch)  # type: ignore[no-any-return]
        if not model.training:
            model.train()
        pack: Packed = inputs["pack"]
        self._total_train_tokens += pack.tokens
        scale = torch.full((), 1 / max(1, num_items_in_batch), device=self.args.device)
        scaler = self.accelerator.scaler
        return self.fast(pack, scaler.scale(scale) if scaler else scale) * scale

    def floating_point_ops(self, inputs: Any) -> int:
        """Nothing: nobody reads it, and counting the parameters at every step takes milliseconds."""
        return 0

    def _maybe_log_save_evaluate(
        self, tr_loss: torch.Tensor, grad_norm: Any, *rest: Any, learning_rate: float | None = None
    ) -> None:
        """On a GPU a fast step is logged while the next is computed, but before anything that rests on it."""
        if self.fast and self.control.should_log:
            self.control.should_log = False
            self._log_unread()
            rate = self._get_learning_rate() if learning_rate is None else learning_rate
            tokens, rows = self._total_train_tokens, self.batch_rows
            self.unread = Unread.of(tr_loss, grad_norm, self.state, rate, tokens, rows)
            tr_loss.zero_()
            rests = self.control.should_evaluate or self.control.should_save or self.control.should_training_stop
            if rests or not self.reads_late:
                self._log_unread()
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *rest, learning_rate=learning_rate)

    def _log_unread(self) -> None:
        """Log the step that is still unread, as of then."""
        step, self.unread = self.unread, None
        if not step:
            return
        loss, norm = step.read()
        now = self.state.global_step, self.state.epoch, self.batch_rows
        self.state.global_step, self.state.epoch, self.batch_rows = step.number, step.epoch, step.rows
        self._total_loss_scalar += loss
        self._globalstep_last_logged = step.number
        self._metrics["train"]["num_tokens"] = [step.tokens]
        try:
            self.log({"loss": loss, "grad_norm": norm, "learning_rate": step.learning_rate})
        finally:
            self.state.global_step, self.state.epoch, self.batch_rows = now

    def batch_names(self) -> list[str]:
        """The conversations of the optimizer step under way."""
        return [self.rows.names[row] for row in self.batch_rows]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Stop a run that has gone wrong before its next checkpoint, then log."""
        loss, norm = logs.get("loss", 0.0), logs.get("grad_norm", 0.0)
        lost = not math.isfinite(loss) or loss > self.exploded
        # With fp16 a step of infinite gradients is normal: the scaler leaves it out and tries a smaller scale.
        lost = lost or (not math.isfinite(norm) and not self.args.fp16)
        if lost:
            raise CheckFailed(
                f"training went wrong at step {self.state.global_step}: loss {loss:.3g}, gradient norm {norm:.3g}, "
                f"on the conversations {', '.join(self.batch_names())}",
                where=self.args.output_dir,
                fix="look at these conversations, or lower --learning-rate; the last good checkpoint is kept",
            )
        super().log(logs, start_time)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """The valid loss: mean cross-entropy over the trained tokens of every valid row."""
        model, was_training = self.model, self.model.training
        model.eval()
        total, tokens = self._fast_loss() if self.fast else self._plain_loss()
        metrics = {"eval_loss": total / tokens, "eval_tokens": float(tokens)}
        self._metrics["eval"].clear()
        if self.state.best_metric is None or metrics["eval_loss"] < self.state.best_metric:
            self.state.best_metric, self.state.best_global_step = metrics["eval_loss"], self.state.global_step
        self.log(dict(metrics))
        model.train(was_training)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _plain_loss(self) -> tuple[float, int]:
        """Summed loss and number of the valid rows' trained tokens, through the model itself."""
        total, tokens = 0.0, 0
        with torch.no_grad(), self.compute_loss_context_manager():
            for batch in self._valid_batches(self.args.per_device_eval_batch_size):
                outputs = self.model(**self._prepare_inputs(batch), use_cache=False, fused_lm_head=True)
                total -= float(outputs.log_probs.double().sum())
                tokens += int(outputs.label_mask.sum())
        return total, tokens

    def _fast_loss(self) -> tuple[float, int]:
        """The same, packed."""
        assert self.fast
        losses, tokens = [], 0
        for batch in self._valid_batches(self.fast.sizes.rows):
            losses.append(self.fast.loss(batch["pack"]))
            tokens += len(batch["pack"].where)
        return float(torch.stack(losses).double().sum()), tokens

    def _valid_batches(self, rows: int) -> Iterator[dict[str, Any]]:
        order = sorted(range(len(self.valid)), key=lambda i: len(self.valid.ids[i]))
        columns = self.valid.columns()
        for at in range(0, len(order), rows):
            batch = self.data_collator([{k: v[i] for k, v in columns.items()} for i in order[at : at + rows]])
            batch.pop("row")
            yield batch

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write ``checkpoint-N`` whole: adapter, optimizer, scheduler, scaler, RNG and data position."""
        home = Path(self.args.output_dir)
        place, part = home / f"checkpoint-{self.state.global_step}", home / f".part-{self.state.global_step}"
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            self.save_model(str(part), _internal_call=True)
            self._save_optimizer_and_scheduler(str(part))
            self._save_scaler(str(part))
            self._save_rng_state(str(part))
            self.state.save_to_json(str(part / "trainer_state.json"))
            sync(part)
            shutil.rmtree(place, ignore_errors=True)
            os.replace(part, place)
        except Exception as e:  # safetensors and torch have their own errors for a full disk
            shutil.rmtree(part, ignore_errors=True)
            raise unwritable(place, e if isinstance(e, OSError) else OSError(str(e).splitlines()[0])) from e
        prune(home, self.state.best_global_step)
