"""Where a training step's time goes on a GPU: kernel time by kind, beside the bound.

    python benchmarks/training_kernels.py --base BASE --memory fast --tokens 896

Profiles one pass of 4 conversations (LoRA r16 on q, k, v, o) with the optimizer's step, and prints a Markdown table.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from typing import Any

KINDS = {
    "attention": ("flash", "fmha"),  # first: its kernels name cutlass too
    "matmul": ("gemm", "nvjet", "cutlass", "splitk", "sm90_xmma"),
    "dequantise": ("unpack", "dequantize"),
    "norms, rotation, SwiGLU, loss": ("triton_", "rotate", "swiglu"),
    "optimizer": ("multi_tensor", "lpnorm"),
}


def kind(kernel: str) -> str:
    """Which kind of work a kernel does, by its name."""
    low = kernel.lower()
    return next((k for k, marks in KINDS.items() if any(m in low for m in marks)), "copies and the rest")


def arguments() -> argparse.Namespace:
    """What was asked on the command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--base", required=True)
    p.add_argument("--memory", choices=["fast", "balanced"], default="fast")
    p.add_argument("--precision", choices=["bf16", "fp16"], default="bf16")
    p.add_argument("--tokens", type=int, default=896, help="in 4 conversations of at most 256")
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--names", action="store_true", help="also the kernels that take most")
    return p.parse_args()


def make_step(a: argparse.Namespace) -> tuple[Any, Any]:
    """A function that trains one step, and the model."""
    import os

    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    import torch
    from peft import get_peft_model

    from counsel.model.adapter import ATTENTION, lora_config
    from counsel.model.fast.loss import NextToken
    from counsel.model.fast.pack import Sizes, pack
    from counsel.model.fast.step import FastStep
    from counsel.model.load import load_base

    model = get_peft_model(load_base(a.base, a.precision), lora_config(16, 32, 0.0, ATTENTION))
    fast = FastStep(model, Sizes.of(4, 256), resident=a.memory == "fast", graphs=True, objective=NextToken)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-5, fused=True)
    row = torch.randint(5, 30000, (a.tokens // 4,)).tolist()
    mask = [i >= len(row) // 3 for i in range(len(row))]
    batch = pack([row] * 4, [mask] * 4, fast.sizes, 0)
    scale = torch.full((), 1 / len(batch.where), device="cuda")

    def step() -> None:
        fast(batch, scale)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step, model


def main() -> None:
    """Profile and print."""
    a = arguments()
    import os

    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    import torch
    from torch.profiler import ProfilerActivity, profile

    from counsel.model.bound import FLOP_PER_PARAMETER_AND_TOKEN, frozen_parameters, matmul_rate

    step, model = make_step(a)
    rate = matmul_rate()
    for _ in range(5):
        step()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(20):
        step()
    end.record()
    torch.cuda.synchronize()
    whole = start.elapsed_time(end) / 20
    with profile(activities=[ProfilerActivity.CUDA]) as trace:
        for _ in range(a.repeats):
            step()
        torch.cuda.synchronize()
    spent: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    names: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for event in trace.events():
        if event.device_type.name == "CUDA":
            for table, key in ((spent, kind(event.name)), (names, event.name)):
                table[key][0] += event.device_time / 1000 / a.repeats
                table[key][1] += 1 / a.repeats
    bound = 1000 * FLOP_PER_PARAMETER_AND_TOKEN * frozen_parameters(model) * a.tokens / rate
    print(f"{torch.cuda.get_device_name()}, --memory {a.memory}, {a.precision}, {a.tokens} tokens a step\n")
    print("| kind | ms | kernels |\n| --- | --- | --- |")
    for name, (ms, count) in sorted(spent.items(), key=lambda item: -item[1][0]):
        print(f"| {name} | {ms:.2f} | {count:.0f} |")
    print(f"| all kernels | {sum(ms for ms, _ in spent.values()):.2f} | {sum(n for _, n in spent.values()):.0f} |")
    print(f"| a step, by events around 20 | {whole:.2f} | |")
    print(f"| bound: 4 FLOP x parameters x tokens at {rate / 1e12:.0f} TFLOP/s | {bound:.2f} | |")
    print(json.dumps({"peak_reserved_gib": round(torch.cuda.max_memory_reserved() / 2**30, 2)}))
    if a.names:
        for name, (ms, count) in sorted(names.items(), key=lambda item: -item[1][0])[:40]:
            print(f"{ms:8.3f} ms {count:6.0f}  {name[:110]}")


if __name__ == "__main__":
    main()
