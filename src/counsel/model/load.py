"""Loading a base: 4-bit NF4 with double quantisation, on a GPU or on the CPU, and its adapter."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from counsel.errors import CounselError
from counsel.model.machine import Precision, best_precision, dtype_of, settle_threads, take_device
from counsel.model.render import resolve

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


def be_quiet() -> None:
    """Keep the libraries underneath from calling home and from chattering. Call this before they are imported.

    TRL sends a ping when a trainer is made, and bitsandbytes asks the hub for a CPU kernel when the package
    ``kernels`` is installed: without that package it uses its own.
    """
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    for chatty in ("bitsandbytes", "transformers", "trl"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    for library in ("transformers", "trl", "peft", "accelerate"):
        warnings.filterwarnings("ignore", category=FutureWarning, module=library)


def reason(error: Exception) -> str:
    """The first line of what a library says went wrong."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def load_base(base: str, precision: Precision | None = None, four_bit: bool = True) -> PreTrainedModel:
    """A base model on this machine's device, frozen.

    Args:
        base: ``counsel-tiny``, a directory, or a hub id.
        precision: the number format to compute in, and of all weights that are not 4-bit; None for the device's best.
        four_bit: NF4 with double quantisation (QLoRA); otherwise the weights keep ``precision``.

    Raises:
        CounselError: when there is no such base, or the machine's memory is too small.
    """
    be_quiet()
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    from transformers.utils import logging as transformers_logging

    if not sys.stderr.isatty():
        transformers_logging.disable_progress_bar()
    dtype = dtype_of(precision or best_precision())
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    try:
        model = AutoModelForCausalLM.from_pretrained(
            resolve(base),
            dtype=dtype,
            device_map={"": take_device()},
            quantization_config=nf4 if four_bit else None,
        )
    except torch.cuda.OutOfMemoryError as e:
        raise CounselError(
            "the base does not fit into the GPU's memory", where=base, fix="use a smaller base or another GPU"
        ) from e
    except Exception as e:  # a broken file raises any of a dozen kinds, safetensors' own among them
        raise CounselError(
            f"the base could not be loaded: {reason(e)}",
            where=base,
            fix="give a directory with a causal language model, a hub id that this machine can reach, or counsel-tiny",
        ) from e
    _keep_weights_as_they_are(model)
    settle_threads(model.num_parameters())
    model.requires_grad_(False)
    model.eval()
    return model


def _keep_weights_as_they_are(model: PreTrainedModel) -> None:
    """Stop bitsandbytes from repacking a 4-bit layer at its first evaluation on a CPU with AVX512-BF16.

    Repacking rounds the block scales to bf16 for good, so a valid loss in mid-run would change the base
    that training goes on with, and results would depend on the processor.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def load_tuned(base: str, adapter: Path, precision: Precision | None = None, four_bit: bool = True) -> PeftModel:
    """The base with a trained adapter on it.

    Raises:
        CounselError: when the adapter cannot be read.
    """
    model = load_base(base, precision, four_bit)
    from peft import PeftModel

    try:
        tuned = PeftModel.from_pretrained(model, str(adapter))
    except Exception as e:  # a broken file raises any of a dozen kinds, safetensors' own among them
        raise CounselError(
            f"the adapter could not be loaded: {reason(e)}", where=adapter, fix="train the adapter again"
        ) from e
    tuned.eval()
    return tuned
