"""The LoRA adapter: fp32 masters on a frozen base, saved as PEFT and ``transformers`` load it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from counsel.files import read_json, write_json
from counsel.model.render import TINY, TINY_PATH

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedTokenizerBase

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


def lora_config(rank: int, alpha: int, dropout: float, targets: Sequence[str]) -> LoraConfig:
    """The PEFT settings of an adapter on the projections named ``targets``."""
    from peft import LoraConfig

    return LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=list(targets),
        task_type="CAUSAL_LM",
        bias="none",
    )


def to_fp32(model: PeftModel) -> None:
    """Make every trained parameter fp32: fp16 training needs it, and small updates vanish in bf16."""
    import torch

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32)


def save(model: PeftModel, tokenizer: PreTrainedTokenizerBase, base: str, directory: Path) -> None:
    """Write adapter, tokenizer and chat template to ``directory``.

    Args:
        model: the PEFT model.
        tokenizer: of the base.
        base: what ``adapter_config.json`` names as the base: an absolute path or a hub id, so that
            ``AutoModelForCausalLM.from_pretrained(directory)`` finds it.
        directory: made when it is missing.
    """
    directory.mkdir(parents=True, exist_ok=True)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(str(directory))
    tokenizer.save_pretrained(str(directory))
    config = directory / "tokenizer_config.json"
    write_json(config, read_json(config) | {"padding_side": "left"})  # what generation needs
    (directory / "README.md").unlink(missing_ok=True)


def home_of(base: str, run: Path) -> str:
    """Where an adapter's base lies: in the run for the tiny base, else its absolute path or hub id."""
    if base == TINY:
        return str((run / "base").resolve())
    return str(Path(base).resolve()) if Path(base).is_dir() else base


def base_of(directory: Path) -> str:
    """The base of a saved adapter: the copy beside it, so that a run can be moved, or what its config names.

    Raises:
        CounselError: when the adapter has no config.
    """
    beside = directory.parent / "base"
    if beside.is_dir():
        return str(beside)
    return str(read_json(directory / "adapter_config.json")["base_model_name_or_path"])


def copy_tiny(base: str, run: Path) -> None:
    """Copy the tiny base into the run when it is the base, so that the run stands on its own."""
    if base == TINY:
        shutil.copytree(TINY_PATH, run / "base", dirs_exist_ok=True)
