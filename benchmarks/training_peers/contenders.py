"""Who is timed on which workload, and how each is set up. Nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Workload = Literal["card", "counsel", "whole-run"]

WARM_UP = 5
"""Optimizer steps that are not measured: they pay for compiling, autotuning and the first allocations."""

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
ALL_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One way of training the same model on the same rows.

    Attributes:
        name: as the table shows it.
        who: whose code trains.
        rows: conversations of one pass.
        accumulate: passes of one optimizer step.
        checkpointing: whether activations are computed again in the backward pass.
        pad_to: the width of every batch; None pads each to its longest row.
        steps: optimizer steps that are measured; None for all that the recipe has.
        once: never repeated, being slow and not in question.
        max_length: tokens at which a conversation is cut.
        targets: the layers that get an adapter.
        recipe: of ours, which one is asked for.
        memory: of ours, the mode that is asked for.
        precision: of ours, where it is not the recipe's own.
    """

    name: str
    who: Literal["trl", "unsloth", "counsel"]
    rows: int = 4
    accumulate: int = 1
    checkpointing: bool = False
    pad_to: int | None = None
    steps: int | None
    once: bool = False
    max_length: int = 256
    targets: tuple[str, ...] = ATTENTION
    recipe: str = ""
    memory: str = ""
    precision: str = ""

    @property
    def conversations(self) -> int:
        """Conversations of one optimizer step."""
        return self.rows * self.accumulate

    @property
    def arguments(self) -> list[str]:
        """What the product's command line is given; the last half of its steps is measured."""
        asked = ["--recipe", self.recipe, "--memory", self.memory]
        asked += ["--precision", self.precision] if self.precision else []
        return asked + (["--max-steps", str(2 * self.steps)] if self.steps else [])


def contenders(workload: Workload, steps: int | None = None) -> list[Contender]:
    """Everyone who is timed on a workload, in the order of running.

    Args:
        workload: what is trained.
        steps: measured steps of each; None for numbers that are enough and fit into the time.
    """
    found = {"card": _card, "counsel": _counsel, "whole-run": _whole_run}[workload]()
    return [replace(c, steps=steps) if steps and c.steps else c for c in found]


def _ours(recipe: str, memory: str, steps: int | None, **settings: object) -> Contender:
    made = {"name": f"counsel-{memory}", "who": "counsel", "steps": steps, "recipe": recipe, "memory": memory}
    return Contender(**(made | settings))  # type: ignore[arg-type]


def _card() -> Iterator[Contender]:
    """4 conversations of at most 256 tokens a step; the fastest first, so that a killed run has them."""
    yield _ours("card", "fast", 100)
    yield Contender(name="unsloth-best", who="unsloth", pad_to=256, steps=40)
    yield Contender(name="trl-best", who="trl", pad_to=256, steps=25)
    yield _ours("card", "balanced", 60, checkpointing=True)
    yield Contender(name="unsloth-longest", who="unsloth", steps=40)
    yield Contender(name="unsloth-checkpointing", who="unsloth", checkpointing=True, pad_to=256, steps=40)
    yield _ours("card", "fast", 100, precision="bf16", name="counsel-fast-bf16")
    yield Contender(
        name="trl-card", who="trl", rows=1, accumulate=4, checkpointing=True, pad_to=256, steps=10, once=True
    )
    yield _ours("card", "plain", 6, rows=1, accumulate=4, checkpointing=True, pad_to=256, once=True)


def _counsel() -> Iterator[Contender]:
    """16 conversations of at most 1,024 tokens a step, an adapter on every linear layer."""
    shared = {"rows": 4, "accumulate": 4, "max_length": 1024, "targets": ALL_LINEAR, "once": True}
    yield _ours("counsel", "fast", 12, **shared)
    yield Contender(name="unsloth-best", who="unsloth", steps=6, **shared)  # type: ignore[arg-type]
    yield Contender(name="trl-best", who="trl", steps=6, **shared)  # type: ignore[arg-type]
    yield _ours("counsel", "balanced", 12, checkpointing=True, **shared)
    yield Contender(name="unsloth-checkpointing", who="unsloth", checkpointing=True, steps=6, **shared)  # type: ignore[arg-type]


def _whole_run() -> Iterator[Contender]:
    """The card's three epochs as its user would run them."""
    yield _ours("card", "fast", None, name="counsel-whole-run", once=True)
