"""``counsel card``: the run's README.md, a model card in which every number comes from a record of the run.

No model is loaded and nothing is computed, so the card cannot say what no command of this run has measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from counsel.files import write_atomically
from counsel.publish.settings import CardSettings
from counsel.records import Run
from counsel.report.facts import Facts
from counsel.report.page import render
from counsel.report.wording import cautions, change, verdict

Say = Callable[[str], None]


def write_card(settings: CardSettings, say: Say) -> Path:
    """Write the card of a finished run.

    Returns:
        The card: README.md in the run.

    Raises:
        CounselError: when the run is not finished, or a record is missing or damaged.
    """
    run = Run.open_finished(settings.run)
    facts = Facts.read(run)
    title = settings.title or facts.name
    page = render(
        "counsel.publish",
        "card.md.jinja",
        run.path,
        facts=facts,
        loss=facts.loss,
        verdict=verdict(facts.loss) if facts.loss else "",
        cautions=cautions(facts),
        change=change,
        settings=settings,
        title=title,
        metadata=metadata(facts, settings, title),
        base=base_place(run, facts),
        md=markdown,
    )
    path = run.path / "README.md"
    with run.lock():
        write_atomically(path, re.sub(r"\n{3,}", "\n\n", page))
    for missing in _unsaid(settings, facts):
        say(missing)
    say(f"wrote {path}")
    return path


def metadata(facts: Facts, settings: CardSettings, title: str) -> str:
    """The card's YAML: what the hub's search and leaderboards read."""
    from huggingface_hub import ModelCardData

    kind = "4-bit" if facts.values["four_bit"] else "unquantised"
    known: dict[str, Any] = {
        "language": settings.language,
        "license": settings.license or "other",
        "license_name": None if settings.license else "not-stated",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "base_model": re.sub(r"[^A-Za-z0-9._/-]+", "-", facts.base),
        "datasets": [i["hub"] for i in facts.audit["inputs"] if "hub" in i] or None,
        "tags": ["counsel", "lora", "conversational", kind],
        "model_name": title,
        "eval_results": eval_results(facts),
    }
    data = ModelCardData(**{key: value for key, value in known.items() if value is not None})
    return str(data.to_yaml()).strip()


def eval_results(facts: Facts) -> list[Any] | None:
    """The entries of ``model-index``: loss and perplexity of the tuned model; none before an evaluation."""
    from huggingface_hub import EvalResult

    if facts.loss is None:
        return None
    names = {"loss": "Cross-entropy on replies, nats a token", "perplexity": "Perplexity on replies"}
    return [
        EvalResult(
            task_type="text-generation",
            task_name="Replies in held-out counseling conversations",
            dataset_type="private",
            dataset_name=f"eval.jsonl, {facts.loss['conversations']} conversations",
            dataset_split="eval",
            dataset_revision=facts.loss["eval_sha256"],
            metric_type=kind,
            metric_name=name,
            metric_value=round(facts.loss["tuned"][kind], 4),
        )
        for kind, name in names.items()
    ]


def base_place(run: Run, facts: Facts) -> str | None:
    """Where the snippet finds the base: the copy in the run, a hub id, or None for a directory on this machine."""
    if (run.path / "base").is_dir():
        return "base"
    return None if facts.base_is_local else facts.base_home


def markdown(text: object) -> str:
    """Text that reads as itself in Markdown and in a table: on one line, its marks escaped."""
    return re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", " ".join(str(text).split()))


def _unsaid(settings: CardSettings, facts: Facts) -> list[str]:
    asked = {
        "--license": (settings.license, "under which licence others may use the adapter"),
        "--author": (settings.author, "who made it"),
        "--contact": (settings.contact, "where to write about it"),
    }
    said = [f"the card does not say {what}; add {flag}" for flag, (given, what) in asked.items() if not given]
    if facts.loss is None:
        said.insert(
            0, f"the card has no result yet; run `counsel evaluate --run {facts.name}` and then `counsel card` again"
        )
    return said
