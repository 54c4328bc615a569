"""The definition of the loss: one conversation at a time, every logit, no padding; and conversations to try it on."""

from __future__ import annotations

import random
from typing import Any

import torch

from counsel.model.render import Rendered


def slow_loss(model: Any, example: Rendered) -> float:
    """One conversation at a time, every logit, no padding: the definition."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([example.ids])).logits[0].double()
    chances = torch.log_softmax(logits, dim=-1)
    return -sum(float(chances[at - 1, example.ids[at]]) for at in range(1, len(example.ids)) if example.mask[at])


def examples(count: int = 11) -> list[Rendered]:
    draw = random.Random(0)
    made = []
    for _ in range(count):
        length = draw.randint(3, 40)
        mask = [draw.random() < 0.5 for _ in range(length - 1)] + [True]
        made.append(Rendered([draw.randrange(5, 90) for _ in range(length)], mask))
    return made


SIZE = {"vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
