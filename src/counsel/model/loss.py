"""Summed cross-entropy of conversations' trained tokens, through the model itself, without a gradient.

A model's full output for one batch is rows x length x vocabulary, gigabytes at Mistral's size. So the last
hidden states are gathered at the positions that count, and only those go through the output layer, in pieces.
Evaluation and the valid loss of a run that trains through the model share it; ``fast.loss`` does the same for packs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from counsel.errors import CounselError
from counsel.model.render import Rendered
from counsel.statistics import Floats

if TYPE_CHECKING:
    import torch

LOGITS_AT_ONCE = 2**25
"""How many numbers of the output layer exist at a time: 128 MiB in fp32."""


def summed_losses(
    model: Any,
    examples: Sequence[Rendered],
    pad: int,
    rows: int,
    done: Callable[[int], None] = lambda n: None,
) -> Floats:
    """Each example's cross-entropy, summed over its trained tokens; shape (examples,).

    Batches hold examples of like length, padded on the right; the longest go first, so that a lack of memory
    shows at once.

    Raises:
        CounselError: when not even one conversation fits into the GPU's memory.
    """
    order = sorted(range(len(examples)), key=lambda i: -len(examples[i].ids))
    losses = np.zeros(len(examples))
    if not order:
        return losses
    through_head = _head_is_all(model, examples[order[-1]])
    at = 0
    while at < len(order):
        chosen = order[at : at + rows]
        try:
            losses[chosen] = _batch([examples[i] for i in chosen], model, pad, through_head)
        except _out_of_memory() as e:
            if rows == 1:
                raise CounselError(
                    "one conversation does not fit into the GPU's memory",
                    fix="use a GPU with more memory, or free this one",
                ) from e
            rows //= 2
            continue
        at += len(chosen)
        done(at)
    return losses


def _out_of_memory() -> type[Exception]:
    import torch

    return torch.cuda.OutOfMemoryError


def _batch(examples: Sequence[Rendered], model: Any, pad: int, through_head: bool) -> Floats:
    """Summed losses of one batch, shape (examples,)."""
    import torch

    width = max(len(e.ids) for e in examples)
    ids = torch.full((len(examples), width), pad, device=model.device)
    attention = torch.zeros_like(ids)
    wanted = torch.zeros_like(ids, dtype=torch.bool)
    for row, e in enumerate(examples):
        ids[row, : len(e.ids)] = torch.tensor(e.ids)
        attention[row, : len(e.ids)] = 1
        wanted[row, : len(e.ids)] = torch.tensor(e.mask)
    targets, asked = ids[:, 1:], wanted[:, 1:]
    with torch.no_grad():
        if through_head:
            states = _backbone(model)(input_ids=ids, attention_mask=attention, use_cache=False)[0]
            each = _cross_entropy(_head(model), states[:, :-1][asked], targets[asked])
        else:
            logits = model(input_ids=ids, attention_mask=attention, use_cache=False).logits
            each = _cross_entropy(lambda x: x, logits[:, :-1][asked], targets[asked])
        sums = torch.zeros(len(examples), dtype=torch.float64, device=ids.device)
        sums.index_add_(0, asked.nonzero()[:, 0], each.double())
    return sums.cpu().numpy()


def _cross_entropy(
    head: Callable[[torch.Tensor], torch.Tensor], states: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    """The loss at each position, shape (positions,), through ``head`` in pieces of bounded size."""
    import torch

    width = int(head(states[:1]).shape[-1])
    step = max(1, LOGITS_AT_ONCE // width)
    losses = [
        torch.nn.functional.cross_entropy(
            head(states[at : at + step]).float(), targets[at : at + step], reduction="none"
        )
        for at in range(0, len(states), step)
    ]
    return torch.cat(losses)


def _backbone(model: Any) -> Any:
    causal = model.get_base_model() if hasattr(model, "get_base_model") else model
    return causal.base_model  # the transformer below the output layer, by the library's own naming


def _head(model: Any) -> Any:
    return model.get_output_embeddings()


def _head_is_all(model: Any, example: Rendered) -> bool:
    """Whether the model is its backbone and output layer and nothing more; some families scale or cap the output."""
    import torch

    ids = torch.tensor([example.ids[:64]], device=model.device)
    with torch.no_grad():
        direct = _head(model)(_backbone(model)(input_ids=ids, use_cache=False)[0]).float()
        whole = model(input_ids=ids, use_cache=False).logits.float()
    return bool((direct - whole).abs().max() <= 1e-3 * whole.abs().max())
