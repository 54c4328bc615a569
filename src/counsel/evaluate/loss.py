"""Cross-entropy on the trained tokens of held-out conversations: how well a model foresees a counselor's reply.

A model's full output for one batch is rows x length x vocabulary, gigabytes at Mistral's size. So the last
hidden states are gathered at the positions that count, and only those go through the output layer, in pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from counsel.errors import CheckFailed, CounselError
from counsel.model.render import Rendered
from counsel.statistics import (
    Bootstrap,
    Floats,
    Statistic,
    ratio,
    ratio_difference,
    relative_fall,
    wilson,
)

if TYPE_CHECKING:
    import torch

LOGITS_AT_ONCE = 2**25
"""Numbers of the output layer that exist at a time: 128 MiB in fp32."""


@dataclass(frozen=True)
class Losses:
    """What was measured on each conversation, in the order given."""

    base: Floats
    """Shape (conversations,): the summed cross-entropy, in nats, of each one's trained tokens before tuning."""
    tuned: Floats
    """The same after tuning."""
    tokens: Floats
    """Shape (conversations,): how many tokens that were."""


def measure(
    model: Any,
    examples: Sequence[Rendered],
    pad: int,
    rows: int,
    done: Callable[[int], None] = lambda n: None,
) -> Losses:
    """Losses of a tuned model with its adapter off and on, over the same batches.

    Args:
        model: a PEFT model in evaluation mode.
        examples: each with at least one trained token.
        pad: the padding token's id.
        rows: how many pass through together.
        done: hears how many of the two passes' conversations are done.
    """
    parts: list[Floats] = []
    for adapter_off in (True, False):
        off: AbstractContextManager[Any] = model.disable_adapter() if adapter_off else nullcontext()
        before = len(parts) * len(examples)
        with off:
            parts.append(summed_losses(model, examples, pad, rows, lambda n, b=before: done(b + n)))  # type: ignore[misc]
    tokens = np.array([_counted(e) for e in examples], dtype=np.float64)
    if not all(np.isfinite(p).all() for p in parts):
        raise CheckFailed(
            "the loss is not finite, so the model's numbers overflow",
            fix="train again with --precision bf16 or fp32",
        )
    return Losses(parts[0], parts[1], tokens)


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


def _counted(example: Rendered) -> int:
    return sum(example.mask[1:])  # the first token has nothing before it to be foreseen from


def _out_of_memory() -> type[Exception]:
    import torch

    return torch.cuda.OutOfMemoryError


def _batch(examples: Sequence[Rendered], model: Any, pad: int, through_head: bool) -> Floats:
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
    with torch.inference_mode():
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
    """Whether output layer after backbone is the whole model: some families scale or cap what comes out."""
    import torch

    ids = torch.tensor([example.ids[:64]], device=model.device)
    with torch.inference_mode():
        direct = _head(model)(_backbone(model)(input_ids=ids, use_cache=False)[0]).float()
        whole = model(input_ids=ids, use_cache=False).logits.float()
    return bool((direct - whole).abs().max() <= 1e-3 * whole.abs().max())


def summary(losses: Losses, groups: Sequence[str], seed: int, resamples: int) -> dict[str, Any]:
    """The table of ``results/loss.json``: before, after and their difference, with 95 % intervals by group.

    The means are over tokens. Intervals come from drawing groups of prompts with replacement, the same groups
    for both models; with one group there is nothing to draw, and they are null.
    """
    columns = np.stack([losses.base, losses.tuned, losses.tokens], axis=1)
    draws = Bootstrap.of(groups, columns, seed=seed, resamples=resamples)
    better = int((draws.sums[:, 1] < draws.sums[:, 0]).sum())
    result: dict[str, Any] = {
        "base": _with_perplexity(draws, ratio(0, 2)),
        "tuned": _with_perplexity(draws, ratio(1, 2)),
        "difference": _value(draws, ratio_difference(0, 1, 2), "loss"),
        "relative": _value(draws, relative_fall(0, 1), "share"),
        "groups_better": {
            "count": better,
            "share": better / len(draws.sums),
            "interval": wilson(better, len(draws.sums)),
        },
        "conversations": len(losses.tokens),
        "groups": len(draws.sums),
        "trained_tokens": int(losses.tokens.sum()),
    }
    return result


def _value(draws: Bootstrap, statistic: Statistic, name: str) -> dict[str, Any]:
    return {name: draws.estimate(statistic), "interval": draws.interval(statistic)}


def _with_perplexity(draws: Bootstrap, loss: Statistic) -> dict[str, Any]:
    measured = _value(draws, loss, "loss")
    interval = measured["interval"]
    return measured | {
        "perplexity": float(np.exp(measured["loss"])),
        "perplexity_interval": interval and tuple(float(np.exp(x)) for x in interval),
    }
