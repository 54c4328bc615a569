"""The sentences that follow from a run's facts, and how numbers are written. Report, card and commands share them."""

from __future__ import annotations

from typing import Any

from counsel.report.facts import Facts

FEW_GROUPS = 30
"""With fewer groups of prompts than this, an interval is itself uncertain."""


def verdict(loss: dict[str, Any]) -> str:
    """One plain sentence: did tuning help, by this measure, as far as the numbers can tell?"""
    share, interval = loss["relative"]["share"], loss["relative"]["interval"]
    if interval is None:
        return "All held-out conversations share one prompt, so nothing can be said about how sure this number is."
    if interval[0] > 0:
        return "The tuned model foresees the held-out replies better than the base does, by more than chance explains."
    if interval[1] < 0:
        return "The tuned model foresees the held-out replies worse than the base does, by more than chance explains."
    direction = "lower" if share > 0 else "higher"
    return f"The loss is {direction} after tuning, but by no more than chance explains: take the two as equal."


def change(relative: dict[str, Any]) -> str:
    """The interval of a change in words, whichever way it went."""
    low, high = relative["interval"]
    if low >= 0:
        return f"{percent(low)} to {percent(high)} lower"
    if high <= 0:
        return f"{percent(-high)} to {percent(-low)} higher"
    return f"from {percent(-low)} higher to {percent(high)} lower"


def cautions(facts: Facts) -> list[str]:
    """What a reader of the numbers must know before relying on them."""
    said, loss = [], facts.loss
    if loss is None:
        return ["This run has not been evaluated: there is no number for how well it does on unseen conversations."]
    leak = loss["leak"]
    if leak.get("prompt"):
        said.append(
            f"The data were split by row: {leak['prompt']:.0%} of the held-out conversations have a prompt that was "
            "also trained on. The numbers below measure memory as much as learning."
        )
    if loss["base"]["loss"] > loss["blind"]:
        said.append(
            f"On these replies the base does worse ({loss['base']['loss']:.2f}) than guessing blindly would "
            f"({loss['blind']:.2f}): it is sure of itself and wrong. Much of the fall only mends that."
        )
    if loss["groups"] < FEW_GROUPS:
        prompts = "one group" if loss["groups"] == 1 else f"only {loss['groups']} groups"
        said.append(f"The held-out conversations come from {prompts} of prompts, and so few say little.")
    if facts.is_stale:
        said.append("The adapter has changed since it was evaluated; evaluate it again.")
    if loss["dropped"]:
        said.append(
            f"{loss['dropped']:,} held-out conversations lost their whole reply to the cut at {loss['max_length']:,} "
            "tokens and are left out."
        )
    return said


def number(value: float | None, digits: int = 3) -> str:
    """A number as a reader writes it; a dash where none was measured."""
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}"
    if value and abs(value) < 10**-digits:
        return f"{value:.1e}"
    return f"{value:,.{digits}f}"


def signed(value: float) -> str:
    """A change; its sign is always shown."""
    return f"{value:+.3f}".replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in per cent."""
    return "–" if value is None else f"{100 * value:.{digits}f} %".replace("-", "−")


def interval(pair: list[float] | None, as_percent: bool = False, digits: int = 3) -> str:
    """An interval in words."""
    if pair is None:
        return "no interval"
    if as_percent:
        return f"{percent(pair[0])} to {percent(pair[1])}"
    return f"{number(pair[0], digits)} to {number(pair[1], digits)}".replace("-", "−")


def visible(text: str) -> str:
    """Text in which control characters, which a page may not hold, show as replacement marks."""
    return "".join(c if c >= " " or c in "\n\t" else "\ufffd" for c in text)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    for size, name in ((3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds:.0f} s"
