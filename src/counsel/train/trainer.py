"""The safe run: the Hugging Face trainer around an objective, with whole checkpoints, named rows and a true valid loss.

What is learned comes from an ``Objective``. The trainer is changed in four ways, each in one place:
- a checkpoint is written beside its place and renamed into it, so a killed run leaves none half-written;
- the valid loss is the mean over all terms of the objective, not the mean of batch means;
- a batch knows its rows, so that an error can name their conversations;
- where a GPU may still be computing a step, its loss is read while the next one is computed.
"""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedTokenizerBase, Trainer, TrainingArguments

from counsel.errors import CheckFailed
from counsel.files import sync, unwritable
from counsel.train.checkpoints import prune
from counsel.train.objective import Objective
from counsel.train.rows import Rows
from counsel.train.unread import Unread


class SafeTrainer(Trainer):  # type: ignore[misc]
    """The trainer of ``counsel train``.

    It overrides three public methods and one private method of the library, and calls one more private method.
    ``tests/train/test_library.py`` checks that all of them are still what this class expects.

    Args:
        model: a PEFT model, its adapter in fp32.
        tokenizer: of its base.
        arguments: the trainer's settings; ``output_dir`` is where checkpoints go.
        objective: says what is learned.
        rows: the rows to train on.
        valid: rows of the valid loss; may be empty.
        callbacks: callbacks of the Hugging Face trainer.
    """

    def __init__(
        self,
        model: PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        arguments: TrainingArguments,
        objective: Objective,
        rows: Rows,
        valid: Rows,
        callbacks: list[Any],
    ) -> None:
        self.objective, self.rows, self.valid = objective, rows, valid
        super().__init__(
            model=model,
            args=arguments,
            train_dataset=rows.examples(),
            processing_class=tokenizer,
            data_collator=objective.collate,
            callbacks=callbacks,
        )
        self.batch_rows: list[int] = []
        self.tokens = 0  # read by this process
        self.step_loss: torch.Tensor | None = None  # of the optimizer step under way
        self.unread: Unread | None = None
        self.control: Any

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The batches of one optimizer step and the terms in them; remembers which rows they hold.

        Overridden because the trainer counts terms in ``labels``, which a pack does not have.
        """
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        self.batch_rows = [row for batch in batches for row in batch.pop("row")]
        self.tokens += sum(self.rows.lengths[row] for row in self.batch_rows)
        return batches, sum(self.objective.count(batch) for batch in batches)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Loss and gradients of one batch; overridden because the objective knows how."""
        loss = self.objective.learn(inputs, num_items_in_batch, self.accelerator)
        self.step_loss = loss if self.step_loss is None else self.step_loss + loss
        return loss

    def floating_point_ops(self, inputs: Any) -> int:
        """Zero; overridden because nobody reads it, and counting the parameters at every batch takes milliseconds."""
        return 0

    def _maybe_log_save_evaluate(
        self, tr_loss: torch.Tensor, grad_norm: Any, *rest: Any, learning_rate: float | None = None
    ) -> None:
        """What follows a step: its line in the log, a valid loss, a checkpoint. Also called at the end of an epoch.

        Overridden because the trainer waits for the loss here, and because no callback is told the gradient's norm.
        """
        if self.step_loss is not None:
            self._log_unread()
            rate = self.lr_scheduler.get_last_lr()[0] if learning_rate is None else learning_rate
            self.unread = Unread.of(self.step_loss, grad_norm, self.state, rate, self.tokens, self.batch_rows)
            self.step_loss = None
            rests = self.control.should_evaluate or self.control.should_save or self.control.should_training_stop
            if rests or not self.objective.reads_late:
                self._log_unread()
        if self.control.should_evaluate:
            self.measure()
        if self.control.should_save:
            self.save_checkpoint()

    def _log_unread(self) -> None:
        """Log the step that is still unread, with the state of that time.

        Raises:
            CheckFailed: when the run has gone wrong; no checkpoint has been written since.
        """
        step, self.unread = self.unread, None
        if not step:
            return
        loss, norm = step.read()
        now = self.state.global_step, self.state.epoch
        self.state.global_step, self.state.epoch = step.number, step.epoch
        try:
            self._check(loss, norm, step.rows)
            self.log({"loss": loss, "grad_norm": norm, "learning_rate": step.learning_rate, "num_tokens": step.tokens})
        finally:
            self.state.global_step, self.state.epoch = now

    def _check(self, loss: float, norm: float, rows: list[int]) -> None:
        """Stop a run that has gone wrong."""
        lost = not math.isfinite(loss) or loss > self.objective.ruinous
        # With fp16 a step of infinite gradients is normal: the scaler leaves it out and tries a smaller scale.
        if lost or (not math.isfinite(norm) and not self.args.fp16):
            raise CheckFailed(
                f"training went wrong at step {self.state.global_step}: the loss was {loss:.3g} and the gradient's "
                f"norm {norm:.3g}, on the conversations {', '.join(self.names(rows))}",
                where=self.args.output_dir,
                fix="look at these conversations, or lower --learning-rate; the last good checkpoint is kept",
            )

    def names(self, rows: list[int]) -> list[str]:
        """The conversations that rows were made of."""
        return [self.rows.names[row] for row in rows]

    def measure(self) -> None:
        """The valid loss: the objective's mean over the terms of every valid row. Keeps the best in the state."""
        was_training = self.model.training
        self.model.eval()
        total, terms = self.objective.measure(self.valid, self.accelerator)
        self.model.train(was_training)
        metrics = {"eval_loss": total / terms, "eval_tokens": float(terms)}
        if self.state.best_metric is None or metrics["eval_loss"] < self.state.best_metric:
            self.state.best_metric, self.state.best_global_step = metrics["eval_loss"], self.state.global_step
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)

    def save_checkpoint(self) -> None:
        """Write ``checkpoint-N`` whole: adapter, optimizer, scheduler, scaler, random numbers and place in the data.

        The trainer writes it in its own format into a directory beside its place, which is then renamed.

        Raises:
            CounselError: when it cannot be written; earlier checkpoints stay whole.
        """
        home, name = Path(self.args.output_dir), f"checkpoint-{self.state.global_step}"
        part = home / f".part-{self.state.global_step}"
        shutil.rmtree(part, ignore_errors=True)
        self.args.output_dir = str(part)
        try:
            self._save_checkpoint(self.model, None)
            sync(part)
            shutil.rmtree(home / name, ignore_errors=True)
            os.replace(part / name, home / name)
        except Exception as e:  # safetensors and torch have their own errors for a full disk
            what = e if isinstance(e, OSError) else OSError((str(e).splitlines() or [type(e).__name__])[0])
            raise unwritable(home / name, what) from e
        finally:
            self.args.output_dir = str(home)
            shutil.rmtree(part, ignore_errors=True)
        prune(home, self.state.best_global_step)
        self.control = self.callback_handler.on_save(self.args, self.state, self.control)
