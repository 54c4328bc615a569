"""What a run's files say, read once. Report and model card share it.

Nothing is computed here, so a page can only repeat what some command has measured.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counsel.files import read_json
from counsel.model.render import TINY
from counsel.records import Run

KNOWN = ("training", "loss", "loss_by_conversation", "samples")
"""The results that have a place of their own on the pages."""

UNMEASURED = {
    "safety": "whether it answers a person in crisis safely, or can be led to harmful advice",
    "toxicity": "how often it says something hurtful",
    "empathy": "empathy and tone",
    "relevance": "whether its replies fit the question",
    "coherence": "whether it stays coherent over several turns",
    "human": "what counselors or the people they serve think of its replies",
    "bias": "whether it answers people differently because of who they are",
    "truthfulness": "whether what it states is true",
    "memorisation": "whether it gives away training text",
    "general": "what the base model could do before and cannot do now",
}
"""What a counseling model should give evidence of, by the name of the result that would hold it."""


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
        """The base's name: a hub id as it is; of a directory only the last part, because its path is private."""
        given = str(self.values["base"])
        return Path(self.base_home).name if self.base_is_local and given != TINY else given

    @property
    def base_is_local(self) -> bool:
        """Whether the adapter looks for its base in a directory on this machine, and not on a hub."""
        return Path(self.base_home).is_absolute()

    @property
    def unmeasured(self) -> list[str]:
        """What no result of this run gives evidence of."""
        return [text for name, text in UNMEASURED.items() if name not in self.results]

    @property
    def further(self) -> list[str]:
        """Names of results beyond those with a place of their own."""
        return [name for name in self.results if name not in KNOWN]

    @property
    def is_stale(self) -> bool:
        """Whether the loss was measured with a different adapter than the one that training left."""
        before = self.training.get("adapter_sha256")
        return bool(self.loss and before and self.loss["adapter_sha256"] != before)

    def command(self, private: bool) -> str:
        """The training command, from the recorded settings; whole paths only if ``private``, else their last parts."""
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
