"""The base with random weights, the GPU's ceilings, and what the figures were measured on."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "transformers", "peft", "trl", "bitsandbytes", "unsloth", "unsloth_zoo", "triton")

SHAPE = {
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 32768,
    "max_position_embeddings": 32768,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "initializer_range": 0.02,
}
"""Mistral-7B-v0.3's."""
SEED = 0
TOKENIZER_FILES = (
    "tokenizer*",
    "chat_template*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
)


def make_base(base: Path, tokenizer: Path) -> dict[str, Any]:
    """Write a model of Mistral-7B's size with random weights, and the tokenizer beside it.

    Speed does not depend on what the weights are, so nothing needs to be downloaded. The folder gets its name last:
    a killed run leaves no half of a base.
    """
    import torch
    from transformers import AutoModelForCausalLM, MistralConfig

    from counsel.model.render import load_tokenizer

    if not torch.cuda.is_available():
        raise RuntimeError("making a base of 7 billion weights needs a CUDA GPU; name an existing one with --base")
    load_tokenizer(str(tokenizer))  # says so now when it has no chat template
    config = MistralConfig(**SHAPE, rope_parameters={"rope_type": "default", "rope_theta": 1e6}, dtype="bfloat16")
    torch.cuda.manual_seed(SEED)
    with torch.device("cuda"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    part = base.with_name(f".{base.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model.save_pretrained(part)
    for pattern in TOKENIZER_FILES:  # never all: the folder may hold another model's weights
        for file in tokenizer.glob(pattern):
            shutil.copy(file, part)
    os.replace(part, base)
    return {"parameters": model.num_parameters()}


def measure_ceilings() -> dict[str, Any]:
    """What this GPU can do at most in the operations that training is made of."""
    import torch
    from bitsandbytes import functional

    if not torch.cuda.is_available():
        raise RuntimeError("no CUDA GPU")

    def random(*size: int) -> torch.Tensor:
        return torch.randn(*size, device="cuda", dtype=torch.bfloat16)

    found = {"gpu": torch.cuda.get_device_name()}
    for name, (m, k, n) in {"8192": (8192, 8192, 8192), "1024_rows": (1024, 4096, 28672)}.items():
        left, right, out = random(m, k), random(k, n), random(m, n)
        seconds = seconds_of(lambda x=left, y=right, z=out: torch.mm(x, y, out=z))  # type: ignore[misc]
        found[f"matmul_{name}_tflops"] = 2 * m * k * n / seconds / 1e12
    found["copy_tb_s"] = copied_per_s(random(2**30)) / 1e12
    weight = random(14336, 4096)
    packed, state = functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
    moved = packed.nbytes + weight.nbytes  # read in 4 bits, written in 16
    found["nf4_dequantise_gb_s"] = moved / seconds_of(lambda: functional.dequantize_4bit(packed, state)) / 1e9
    return found


def copied_per_s(source: torch.Tensor) -> float:
    """Bytes read and written a second by a copy within the GPU's memory."""
    target = source.clone()
    return 2 * source.nbytes / seconds_of(lambda: target.copy_(source))


def seconds_of(work: Callable[[], object], times: int = 30) -> float:
    """Mean seconds on the GPU, by its own clock."""
    import torch

    for _ in range(5):
        work()
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(times):
        work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1000 / times


def describe() -> dict[str, Any]:
    """Versions, GPU, driver and date, without importing torch here."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    gpu, driver = _smi("name"), _smi("driver_version")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "gpu": gpu,
        "driver": driver,
        "cpu_cores": len(os.sched_getaffinity(0)),
        "packages": packages,
    }


def _smi(what: str) -> str | None:
    """One fact about the first GPU from nvidia-smi, or None without it."""
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader"]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return lines[0].strip() if lines else None
