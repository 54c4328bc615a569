"""What a run's files say, and the sentences that follow from it. The report and the model card share them.

Nothing is computed here that a record does not hold: a page can only repeat what some command measured.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, TemplateError

from counsel.errors import CounselError
from counsel.files import read_json
from counsel.model.render import TINY
from counsel.records import Run

FEW_GROUPS = 30
"""Below so many groups of prompts an interval is itself uncertain."""

KNOWN = ("training", "loss", "loss_by_conversation", "samples")
"""Results with a place of their own on the pages."""

UNMEASURED = {
    "safety": "whether it answers a person in crisis safely, or can be led to harmful advice",
    "toxicity": "how often it says something hurtful",
    "empathy": "empathy and tone",
    "relevance": "whether its replies fit the question",
    "coherence": "whether it stays coherent over several turns",
    "human": "what counselors or the people they serve think of its replies",
    "bias": "whether it answers people differently for who they are",
    "truthfulness": "whether what it states is true",
    "memorisation": "whether it gives away training text",
    "general": "what the base model could do before and cannot do now",
}
"""What a counseling model owes evidence of, by the name of the result that would give it."""


@dataclass(frozen=True)
class Facts:
    """A run's records, read once."""

    name: str
    values: dict[str, Any]
    origins: dict[str, str]
    environment: dict[str, Any]
    audit: dict[str, Any]
    metrics: list[dict[str, Any]]
    training: dict[str, Any]
    results: dict[str, Any]
    base_home: str

    @classmethod
    def read(cls, run: Run) -> Facts:
        """Everything that the pages need from a finished run.

        Raises:
            CounselError: when a record is missing or unreadable.
        """
        asked = read_json(run.path / "settings.json")
        return cls(
            name=run.path.resolve().name,
            values=asked["values"],
            origins=asked["origins"],
            environment=read_json(run.path / "environment.json"),
            audit=read_json(run.path / "data.json"),
            metrics=run.metrics(),
            training=read_json(run.results / "training.json"),
            results={p.stem: read_json(p) for p in sorted(run.results.glob("*.json"))},
            base_home=str(read_json(run.adapter / "adapter_config.json")["base_model_name_or_path"]),
        )

    @property
    def loss(self) -> dict[str, Any] | None:
        """``results/loss.json``, once the run has been evaluated."""
        return self.results.get("loss")

    @property
    def samples(self) -> list[dict[str, Any]]:
        """The sample replies, if any were asked for."""
        replies: list[dict[str, Any]] = self.results.get("samples", {}).get("replies", [])
        return replies

    @property
    def base(self) -> str:
        """The base's name: a hub id as it is, a directory by its last part, since its path is nobody's business."""
        given = str(self.values["base"])
        return Path(self.base_home).name if self.base_is_local and given != TINY else given

    @property
    def base_is_local(self) -> bool:
        """Whether the adapter looks for its base in a directory of this machine, rather than on a hub."""
        return Path(self.base_home).is_absolute()

    @property
    def unmeasured(self) -> list[str]:
        """What no result of this run speaks of."""
        return [text for name, text in UNMEASURED.items() if name not in self.results]

    @property
    def further(self) -> list[str]:
        """Names of results beyond those with a place of their own."""
        return [name for name in self.results if name not in KNOWN]

    @property
    def is_stale(self) -> bool:
        """Whether the loss was measured on another adapter than the one that training left."""
        before = self.training.get("adapter_sha256")
        return bool(self.loss and before and self.loss["adapter_sha256"] != before)

    def command(self, private: bool) -> str:
        """The training command, from the recorded settings; ``private`` keeps paths, else only last parts show."""
        words = ["counsel", "train"]
        files = {o for o in self.origins.values() if o.endswith(".toml")}
        for file in sorted(files):
            words += ["--config", file if private else Path(file).name]
        for name, value in self.values.items():
            chosen = self.origins.get(name, "default") == "flag"
            if value is None or not (chosen or name in ("run", "data", "base", "recipe")):
                continue
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words.append(flag if value else f"--no-{flag[2:]}")
                continue
            given = [str(v) for v in (value if isinstance(value, list) else [value])]
            if not private:
                given = self._without_paths(name, given)
            words += [flag, *given]
        return shlex.join(words)

    def _without_paths(self, name: str, given: list[str]) -> list[str]:
        if name == "base":
            return [self.base]
        on_hub = {i.get("hub") for i in self.audit["inputs"]}
        return [v if v in on_hub else Path(v).name for v in given] if name in ("run", "data") else given


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
            f"({loss['blind']:.2f}): it is sure, and wrong. Much of the fall mends only that."
        )
    if loss["groups"] < FEW_GROUPS:
        prompts = "one group" if loss["groups"] == 1 else f"only {loss['groups']} groups"
        said.append(f"The held-out conversations come from {prompts} of prompts; so few say little.")
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
    """A change, its sign always shown."""
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


def render(package: str, template: str, where: Path, **context: Any) -> str:
    """Fill a page's template; a value that a record lacks is an error, never a blank.

    Raises:
        CounselError: when a record lacks what the page says.
    """
    loader = Environment(
        loader=PackageLoader(package, "."),
        autoescape=template.endswith(".html.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = (number, signed, percent, interval, duration, visible)
    loader.filters.update({f.__name__: f for f in filters})
    try:
        return loader.get_template(template).render(**context)
    except (TemplateError, TypeError, KeyError) as e:
        raise CounselError(
            f"a record of the run lacks what the page needs: {e}",
            where=where,
            fix="make the run again with this version of Counsel",
        ) from e
