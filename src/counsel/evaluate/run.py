"""``counsel evaluate``: a finished run, measured before and after tuning on conversations that it never saw."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from counsel.conversation import Conversation
from counsel.data.prepared import Prepared
from counsel.errors import CounselError
from counsel.evaluate import loss
from counsel.evaluate.settings import EvaluateSettings
from counsel.evaluate.suite import SCORERS, Respond, Suite
from counsel.files import read_json, sha256_of, write_json
from counsel.model.adapter import base_of
from counsel.model.engine import Request, Sampling, TransformersEngine
from counsel.model.load import Precision, be_quiet, load_tuned
from counsel.model.render import Rendered, Renderer, load_tokenizer
from counsel.records import Run
from counsel.report.page import write_report
from counsel.report.wording import change, percent

Say = Callable[[str], None]


@dataclass(frozen=True)
class EvalSet:
    """The held-out conversations that can be measured, with how many could not."""

    conversations: list[Conversation]
    examples: list[Rendered]
    dropped: int
    cut: int

    @property
    def groups(self) -> list[str]:
        """The group of each; a conversation without one is a group of its own."""
        return [c.group or f"alone {i}" for i, c in enumerate(self.conversations)]


def evaluate(settings: EvaluateSettings, say: Say) -> dict[str, Any]:
    """Measure the loss, have samples answered, and write the run's report.

    Returns:
        What ``results/loss.json`` holds.

    Raises:
        CounselError: when the run is not finished, its eval set is missing, empty or has changed.
        CheckFailed: when the model's loss is no finite number.
    """
    be_quiet()
    run = Run.open_finished(settings.run)
    with run.lock():
        directory = _unchanged(run, settings.data)
        tokenizer = load_tokenizer(str(run.adapter))
        held_out = _eval_set(Prepared.open(directory), Renderer(tokenizer), run.settings["max_length"], directory)
        say(_opening(held_out))
        four_bit = run.settings.get("four_bit", True)
        model = load_tuned(base_of(run.adapter), run.adapter, _precision(run), four_bit)
        result = _measured(settings, run, model, tokenizer, held_out, say)
        say(_closing(result))
        suite = Suite(
            _answerable(held_out, Renderer(tokenizer), run.settings["max_length"]),
            _respondents(model, tokenizer, settings),
            settings.samples,
            settings.seed,
        )
        for name, scorer in SCORERS.items():
            say(f"{name}: asking the model before and after tuning")
            write_json(run.results / f"{name}.json", scorer(suite) | _origin(settings, run))
        report = write_report(run)
    say(f"wrote {run.results / 'loss.json'} and {report}")
    return result


def _unchanged(run: Run, moved_to: Path | None) -> Path:
    """The directory of the prepared data, whose eval.jsonl is the one that the run was made beside."""
    recorded = read_json(run.path / "environment.json")["data"]
    directory = moved_to or Path(recorded["directory"])
    path = directory / "eval.jsonl"
    if not path.is_file():
        raise CounselError(
            "the run's eval set is not there", where=path, fix="say where its prepared data lie now with --data DIR"
        )
    if sha256_of(path) != recorded["sha256"].get("eval.jsonl"):
        raise CounselError(
            "the eval set is not the one that this run was made with, so some of it may have been trained on",
            where=path,
            fix="restore the file, or train a new run on the new data",
        )
    return directory


def _eval_set(data: Prepared, renderer: Renderer, max_length: int, directory: Path) -> EvalSet:
    conversations = data.eval()
    rendered = renderer.render_many(conversations)
    cut = [r.cut(max_length) for r in rendered]
    kept = [i for i, r in enumerate(cut) if sum(r.mask[1:])]
    if not kept:
        raise CounselError(
            f"none of the {len(conversations)} held-out conversations has a reply to measure on"
            if conversations
            else "no conversations were held out, so there is nothing to measure on",
            where=directory / "eval.jsonl",
            fix="prepare with a larger --eval-share or from more conversations, and train again",
        )
    return EvalSet(
        [conversations[i] for i in kept],
        [cut[i] for i in kept],
        len(conversations) - len(kept),
        sum(len(rendered[i].ids) > max_length for i in kept),
    )


def _precision(run: Run) -> Precision | None:
    """The number format of the run, where this machine is of the same kind; else this machine's best."""
    import torch

    trained = read_json(run.results / "training.json")
    same = str(trained.get("device", "")).startswith("cuda") == torch.cuda.is_available()
    precision: Precision | None = trained.get("precision") if same else None
    return precision


def _measured(
    settings: EvaluateSettings, run: Run, model: Any, tokenizer: Any, held_out: EvalSet, say: Say
) -> dict[str, Any]:
    told = _tenths(2 * len(held_out.examples), say)
    losses = loss.measure(model, held_out.examples, tokenizer.pad_token_id, settings.rows, told)
    leak = read_json(run.path / "data.json").get("leak", {}).get("this_split", {})
    result = (
        loss.summary(losses, held_out.groups, settings.seed, settings.resamples)
        | {
            "dropped": held_out.dropped,
            "cut": held_out.cut,
            "max_length": run.settings["max_length"],
            "leak": {"prompt": leak.get("prompt"), "pair": leak.get("pair")},
            "blind": math.log(model.config.get_text_config().vocab_size),
            "level": 0.95,
            "resamples": settings.resamples,
            "precision": str(model.dtype).removeprefix("torch."),
        }
        | _origin(settings, run)
    )
    write_json(run.results / "loss.json", result)
    write_json(
        run.results / "loss_by_conversation.json",
        [
            {"id": c.id, "group": c.group, "tokens": int(t), "base": float(b), "tuned": float(a)}
            for c, b, a, t in zip(held_out.conversations, losses.base, losses.tuned, losses.tokens, strict=True)
        ],
    )
    return result


def _answerable(held_out: EvalSet, renderer: Renderer, max_length: int) -> list[Conversation]:
    """Those whose questions the model can read whole."""
    return [c for c in held_out.conversations if c.is_answered and len(renderer.prompt_ids(c.question)) < max_length]


def _respondents(model: Any, tokenizer: Any, settings: EvaluateSettings) -> dict[str, Respond]:
    engine = TransformersEngine(model, tokenizer, settings.rows)
    greedy = Sampling(temperature=0, max_new_tokens=settings.max_new_tokens)

    def respondent(tuned: bool) -> Respond:
        return lambda conversations: [
            c.text for c in engine.complete([Request(x, greedy, tuned) for x in conversations])
        ]

    return {"base": respondent(False), "tuned": respondent(True)}


def _origin(settings: EvaluateSettings, run: Run) -> dict[str, Any]:
    """What made a result: command, settings, and the exact files that it is about."""
    recorded = read_json(run.path / "environment.json")["data"]["sha256"]
    return {
        "command": command_of(settings),
        "seed": settings.seed,
        "max_new_tokens": settings.max_new_tokens,
        "eval_sha256": recorded["eval.jsonl"],
        "adapter_sha256": sha256_of(run.adapter / "adapter_model.safetensors"),
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def command_of(settings: EvaluateSettings) -> str:
    """The command line that asks for these settings."""
    values, words = asdict(settings), ["counsel", "evaluate"]
    for field in fields(settings):
        if field.name == "run" or values[field.name] != field.default:
            words += [f"--{field.name.replace('_', '-')}", str(values[field.name])]
    return shlex.join(words)


def _tenths(total: int, say: Say) -> Callable[[int], None]:
    """Says every tenth of the way, and nothing in between."""
    said = 0

    def done(n: int) -> None:
        nonlocal said
        if 10 * n // total > said:
            said = 10 * n // total
            say(f"  {said}0 % measured")

    return done


def _opening(held_out: EvalSet) -> str:
    tokens = sum(r.trained for r in held_out.examples)
    line = (
        f"{len(held_out.examples):,} held-out conversations, {len(set(held_out.groups)):,} groups of prompts, "
        f"{tokens:,} tokens of replies"
    )
    return line + (f"; {held_out.dropped:,} without a reply after the cut are left out" if held_out.dropped else "")


def _closing(result: dict[str, Any]) -> str:
    base, tuned, share = result["base"], result["tuned"], result["relative"]
    told = (
        f"loss {base['loss']:.3f} before, {tuned['loss']:.3f} after (perplexity {base['perplexity']:.2f} and "
        f"{tuned['perplexity']:.2f}): {percent(abs(share['share']))} {'lower' if share['share'] >= 0 else 'higher'}"
    )
    if share["interval"] is None:
        return f"{told}; no interval, because all conversations share one prompt"
    return f"{told}, 95 % interval {change(share)}"
