"""The settings of ``counsel train``. Their help, flags, TOML keys and documentation all come from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

Recipe = Literal["card", "counsel", "tiny"]

PASS_TOKENS = 4096
"""A pass holds up to this many tokens of one optimizer step, enough to keep the matmuls of a large GPU busy."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that a training run depends on."""

    run: Path
    """The directory of the run: settings, metrics, checkpoints, adapter and results."""
    data: tuple[str, ...]
    """A directory made by `counsel prepare`, or files to prepare on the way."""
    base: str = "counsel-tiny"
    """The model to tune: counsel-tiny, a directory, or a hub id such as mistralai/Mistral-7B-Instruct-v0.3."""
    recipe: Recipe = "counsel"
    """A set of defaults: the model card's own (card), better ones (counsel), or quick ones for counsel-tiny (tiny)."""

    epochs: float = 3.0
    """How often the training conversations are seen."""
    max_steps: int | None = None
    """Stop after this many optimizer steps instead of whole epochs."""
    rows: int = 4
    """How many conversations pass through the model together."""
    accumulate: int = 1
    """How many passes are summed into one optimizer step; a step holds rows x accumulate conversations."""
    max_length: int = 1024
    """How many tokens of a conversation are read; the rest is cut off."""

    learning_rate: float = 2e-4
    """The highest learning rate."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls to zero."""
    warmup_share: float = 0.0
    """The share of the steps in which the learning rate rises from zero."""
    weight_decay: float = 0.0
    """AdamW's weight decay."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are shortened to it."""
    rank: int = 16
    """LoRA's rank r."""
    alpha: int = 32
    """LoRA's alpha; the adapter is scaled by alpha / rank."""
    dropout: float = 0.0
    """LoRA's dropout."""
    targets: Literal["attention", "all-linear"] = "all-linear"
    """The projections that get an adapter: q, k, v, o, or all seven."""
    four_bit: bool = True
    """Hold the base in 4-bit NF4 with double quantisation (QLoRA)."""
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    """The number format to compute in; auto takes the best that the machine has. Adapters are always fp32."""
    padding: Literal["longest", "max-length"] = "longest"
    """Pad each batch to its longest conversation, or every batch to max-length as the card did."""
    memory: Literal["auto", "fast", "balanced", "plain"] = "auto"
    """What GPU memory is spent on: fast keeps every weight dequantised, balanced dequantises and recomputes as it goes,
    plain runs every step through the model itself with TRL's loss; auto measures a step at the longest batch and takes
    the fastest that fits (on a CPU it goes by the model's size)."""
    checkpointing: bool = False
    """With --memory plain: recompute activations in the backward pass, which is slower and takes less memory."""

    seed: int = 0
    """Decides the adapter's start and the order of the conversations."""
    valid_steps: int | None = None
    """Measure the loss on valid.jsonl after every so many steps; by default at the end of each epoch."""
    save_steps: int | None = None
    """Keep a checkpoint after every so many steps; by default at the end of each epoch."""
    patience: int | None = None
    """Stop when the valid loss has not fallen for this many measurements; by default never."""
    resume: bool = False
    """Go on from the run's last checkpoint; starts an empty run, and leaves a finished one as it is."""
    dry_run: bool = False
    """Show the settings, the steps, and the time and memory of one measured step; train nothing."""
    log_to: Literal["none", "tensorboard", "trackio", "wandb", "mlflow"] = "none"
    """Also pass the metrics to this tracker, whose package must be installed."""

    def __post_init__(self) -> None:
        if not self.data:
            raise ValueError("--data must name a prepared directory or at least one file")
        above_zero = (
            "epochs", "max_steps", "rows", "accumulate", "max_length", "learning_rate", "max_grad_norm",
            "rank", "alpha", "valid_steps", "save_steps", "patience",
        )  # fmt: skip
        for name in above_zero:
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"--{name.replace('_', '-')} must be above 0, not {value}")
        for name in ("warmup_share", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"--{name.replace('_', '-')} must be at least 0 and below 1")

    def grouped(self) -> TrainSettings:
        """Put more conversations into a pass and as many into a step: the same gradient from larger matmuls."""
        if self.memory == "plain":
            return self
        whole, most = self.rows * self.accumulate, max(self.rows, PASS_TOKENS // self.max_length)
        rows = max(n for n in range(1, whole + 1) if whole % n == 0 and n <= most)
        return replace(self, rows=rows, accumulate=whole // rows)


@dataclass(frozen=True)
class Asked:
    """Settings, and for each whether it came from a flag, a file, the recipe or the default."""

    settings: TrainSettings
    origins: Mapping[str, str] = field(default_factory=dict)
