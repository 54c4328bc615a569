"""One training process, put together: model, objective, trainer, callbacks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peft import get_peft_model, set_peft_model_state_dict
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerBase, TrainerState, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback

from counsel.model import machine
from counsel.model.adapter import ALL_LINEAR, ATTENTION, lora_config, to_fp32
from counsel.model.bound import frozen_parameters, share_of_bound
from counsel.model.fast.supported import unsupported
from counsel.model.load import load_base
from counsel.model.machine import Precision
from counsel.records import Run
from counsel.train.mode import Mode, choose_mode
from counsel.train.objective import Task
from counsel.train.progress import Recorder
from counsel.train.rows import Rows
from counsel.train.schedule import Schedule
from counsel.train.settings import TrainSettings
from counsel.train.trainer import SafeTrainer

Say = Callable[[str], None]


@dataclass(frozen=True)
class Session:
    """One training process."""

    trainer: SafeTrainer
    schedule: Schedule
    recorder: Recorder
    rows: Rows
    valid: Rows
    precision: Precision
    mode: Mode
    preparing_seconds: float

    def was_over_at(self, checkpoint: Path) -> bool:
        """Whether training had ended when this checkpoint was written. If so, load the model and its state from it.

        Such a run was killed between its last checkpoint and its adapter. The trainer itself would take one
        more step.
        """
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if not self.schedule.is_over(state):
            return False
        self.trainer.state = state
        self._load(checkpoint)
        return True

    def load_best(self, run: Run) -> None:
        """Give the model the weights of the best checkpoint, by valid loss."""
        state = self.trainer.state
        place = run.checkpoints / f"checkpoint-{state.best_global_step}"
        if state.best_global_step and state.best_global_step != state.global_step and place.is_dir():
            self._load(place)

    def _load(self, checkpoint: Path) -> None:
        weights = load_file(str(checkpoint / "adapter_model.safetensors"))
        set_peft_model_state_dict(self.trainer.model, weights)

    def summary(self) -> dict[str, Any]:
        """What ``results/training.json`` records."""
        state, speed = self.trainer.state, self.recorder.speed
        losses = [e["loss"] for e in state.log_history if "loss" in e and e["epoch"] > state.epoch - 1]
        trained = sum(p.numel() for p in self.trainer.model.parameters() if p.requires_grad)
        share = self.recorder.share_of_bound
        return {
            "steps": state.global_step,
            "epochs": round(state.epoch, 4),
            "train_rows": len(self.rows),
            "dropped_rows": self.rows.dropped,
            "examples_cut_share": self.rows.cut / (len(self.rows) + self.rows.dropped),
            "ends_lost_share": self.rows.ends_lost / len(self.rows),
            "trained_tokens": self.rows.trained_tokens,
            "valid_rows": len(self.valid),
            "train_loss": sum(losses) / len(losses) if losses else None,
            "best_step": state.best_global_step,
            "best_valid_loss": state.best_metric,
            "seconds": round(self.recorder.seconds, 1),
            "steps_per_s": speed.steps_per_s,
            "tokens_per_s": speed.tokens_per_s,
            "peak_memory_gib": machine.peak_memory_gib(),
            "bound_share": share(speed.tokens_per_s) if share and speed.tokens_per_s else None,
            "parameters": frozen_parameters(self.trainer.model),
            "trainable_parameters": trained,
            "precision": self.precision,
            "memory": self.mode,
            "preparing_seconds": round(self.preparing_seconds, 1),
            "device": str(machine.device()),
            "stopped": "early" if self.schedule.stopped_early else "completed",
        }


def choose_precision(settings: TrainSettings, say: Say) -> Precision:
    """The number format to compute in. Tells the user when it cannot be the one that was asked for."""
    if settings.precision == "auto":
        return machine.best_precision()
    if settings.precision == "fp16" and not machine.on_gpu():
        say("fp16 needs a GPU, so this run computes in fp32 on the CPU instead")
        return "fp32"
    return settings.precision


def trainer_arguments(settings: TrainSettings, precision: Precision, output: Path, num_steps: int) -> TrainingArguments:
    """The Hugging Face trainer's settings for these settings."""
    on_gpu = machine.on_gpu()
    arguments = TrainingArguments(
        output_dir=str(output),
        per_device_train_batch_size=settings.rows,
        gradient_accumulation_steps=settings.accumulate,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type={"constant": "constant_with_warmup"}.get(settings.schedule, settings.schedule),
        warmup_steps=round(settings.warmup_share * num_steps),
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        # With fused AdamW a skipped fp16 step need not wait for the GPU. On a CPU, older torch has no fused AdamW.
        optim="adamw_torch_fused" if on_gpu else "adamw_torch",
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        gradient_checkpointing=settings.checkpointing,
        remove_unused_columns=False,
        seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        eval_strategy="no",
        report_to=[] if settings.log_to == "none" else [settings.log_to],
        disable_tqdm=True,
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
    )
    if (
        arguments.n_gpu > 1
    ):  # a process uses one GPU, but the trainer would spread every batch over all GPUs that it sees
        arguments._n_gpu = 1
    return arguments


def set_up(
    task: Task,
    settings: TrainSettings,
    rows: Rows,
    valid: Rows,
    tokenizer: PreTrainedTokenizerBase,
    run: Run,
    say: Say,
) -> Session:
    """Load the base, attach a fresh adapter, and make the objective and the trainer around it."""
    precision = choose_precision(settings, say)
    say(f"loading {settings.base}{' in 4-bit NF4' if settings.four_bit else ''}, computing in {precision}")
    base = load_base(settings.base, precision, settings.four_bit)
    set_seed(settings.seed)
    targets = ATTENTION if settings.targets == "attention" else ALL_LINEAR
    model = get_peft_model(base, lora_config(settings.rank, settings.alpha, settings.dropout, targets))
    to_fp32(model)
    mode = choose_mode(settings.memory, unsupported(model, settings.max_length), model.num_parameters(), say)
    per_epoch = -(-len(rows) // (settings.rows * settings.accumulate))
    num_steps = settings.max_steps or math.ceil(per_epoch * settings.epochs)
    schedule = Schedule(per_epoch, settings.valid_steps, settings.save_steps, settings.patience, bool(len(valid)))
    spent = max((m["seconds"] for m in run.metrics() if "seconds" in m), default=0.0)
    recorder = Recorder(run, say, spent, share_of_bound(model))
    arguments = trainer_arguments(settings, precision, run.checkpoints, num_steps)
    started = time.perf_counter()
    objective = task.objective(model, settings, mode, tokenizer.pad_token_id, rows, say)
    preparing = time.perf_counter() - started if mode != "plain" else 0.0
    trainer = SafeTrainer(model, tokenizer, arguments, objective, rows, valid, [schedule, recorder])
    trainer.remove_callback(PrinterCallback)
    return Session(trainer, schedule, recorder, rows, valid, precision, mode, preparing)
