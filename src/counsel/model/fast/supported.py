"""Which models the fast path can take, and why not where it cannot."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from counsel.model import machine

ARCHITECTURES = ("LlamaForCausalLM", "MistralForCausalLM")


def unsupported(model: Any, max_length: int) -> str | None:
    """Why this PEFT model cannot take the fast path on this machine; None when it can."""
    base, peft = model.get_base_model(), model.peft_config["default"]
    config = base.config
    window = getattr(config, "sliding_window", None)
    reasons = {
        f"{type(base).__name__} is not one of {', '.join(ARCHITECTURES)}": type(base).__name__ not in ARCHITECTURES,
        f"its activation is {config.hidden_act}, not silu": config.hidden_act != "silu",
        "its projections have biases": any(m.bias is not None for m in base.model.layers[0].modules() if _linear(m)),
        f"its attention looks back only {window} tokens": bool(window and window < max_length),
        "LoRA dropout is on": peft.lora_dropout > 0,
    }
    if machine.on_gpu():
        size = base.model.layers[0].self_attn.head_dim
        reasons[f"its heads are {size} wide, which is not a power of two"] = bool(size & (size - 1))
        reasons["the GPU is older than Ampere"] = machine.capability() < (8, 0)
        reasons["Triton is not installed"] = not find_spec("triton")
    return next((reason for reason, holds in reasons.items() if holds), None)


def _linear(module: Any) -> bool:
    import torch

    return isinstance(module, torch.nn.Linear)
