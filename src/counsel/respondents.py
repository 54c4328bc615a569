"""Respondents: whom an evaluation can ask. Only here do a run's model, the guarded product and evaluation meet.

One copy of the weights answers for the base, for the tuned model and for the guarded counselor. It is loaded when it is
first asked something, so replies that are all stored already need no model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from counsel.chat.counselor import Counselor
from counsel.chat.settings import ChatSettings
from counsel.conversation import Conversation
from counsel.evaluate.settings import EvaluateSettings
from counsel.evaluate.systems import Answer, Done, Foreseen, System
from counsel.files import read_json, sha256_of
from counsel.model import machine
from counsel.model.adapter import base_of
from counsel.model.engine import Request, Sampling, TransformersEngine
from counsel.model.load import be_quiet, load_tuned
from counsel.model.loss import summed_losses
from counsel.model.machine import Precision
from counsel.model.render import Rendered, load_tokenizer
from counsel.records import Run
from counsel.version import __version__


def systems(settings: EvaluateSettings) -> list[System]:
    """A run's ``base`` and ``tuned``, which take the likeliest word each time; with ``--guarded`` also the product.

    Raises:
        CounselError: when the run is not finished.
    """
    be_quiet()
    model = _Model(Run.open_finished(settings.run), settings)
    made = [model.bare("base", tuned=False), model.bare("tuned", tuned=True)]
    return [*made, model.guarded()] if settings.guarded else made


@dataclass
class _Model:
    """The weights of a run, loaded once."""

    run: Run
    settings: EvaluateSettings

    @cached_property
    def engine(self) -> TransformersEngine:
        """The base with the adapter, which every request turns on or off."""
        model = load_tuned(base_of(self.run.adapter), self.run.adapter, self.precision, self.four_bit)
        return TransformersEngine(model, load_tokenizer(str(self.run.adapter)), self.settings.rows)

    @property
    def four_bit(self) -> bool:
        """Whether the base is held in 4 bit, as the run did."""
        return bool(self.run.settings.get("four_bit", True))

    @cached_property
    def precision(self) -> Precision | None:
        """The number format of the run, if this machine is of the same kind; otherwise this machine's best."""
        trained = read_json(self.run.results / "training.json")
        same = str(trained.get("device", "")).startswith("cuda") == machine.on_gpu()
        precision: Precision | None = trained.get("precision") if same else None
        return precision

    def made_of(self, sampling: Sampling, tuned: bool) -> dict[str, Any]:
        """What a model's replies depend on."""
        return {
            "counsel": __version__,
            "base": self.run.settings["base"],
            "adapter_sha256": sha256_of(self.run.adapter / "adapter_model.safetensors") if tuned else None,
            "four_bit": self.four_bit,
            "precision": self.precision,
            "sampling": asdict(sampling),
        }

    def bare(self, name: str, tuned: bool) -> System:
        """The model alone, before or after tuning."""
        greedy = Sampling(temperature=0, max_new_tokens=self.settings.max_new_tokens)

        def respond(conversations: Sequence[Conversation], done: Done) -> list[Answer]:
            drawn = self.engine.complete([Request(c, greedy, tuned) for c in conversations], done)
            return [Answer(c.text, c.tokens, c.finish) for c in drawn]

        def foresee(examples: Sequence[Rendered], done: Done) -> Foreseen:
            model: Any = self.engine.model
            adapter: AbstractContextManager[Any] = nullcontext() if tuned else model.disable_adapter()
            with adapter:
                pad: int = self.engine.tokenizer.pad_token_id
                losses = summed_losses(model, examples, pad, self.settings.rows, done)
            vocabulary: int = model.config.get_text_config().vocab_size
            return Foreseen(losses, vocabulary, str(model.dtype).removeprefix("torch."))

        return System(name, respond, self.settings.seed, self.made_of(greedy, tuned), foresee)

    def guarded(self) -> System:
        """The counselor as in ``counsel chat``: words drawn in the same way, screened, and behind the protocol."""
        chat = ChatSettings(run=self.run.path, max_new_tokens=self.settings.max_new_tokens, seed=self.settings.seed)

        @cache
        def counselor() -> Counselor:
            return Counselor.of(chat, self.engine)

        def respond(conversations: Sequence[Conversation], done: Done) -> list[Answer]:
            answers = []
            for conversation in conversations:
                end = counselor().reply(conversation)
                answers.append(Answer(end.text, end.usage.completion, end.ended))
                done(len(answers))
            return answers

        sampled = Sampling(
            temperature=chat.temperature, top_p=chat.top_p, max_new_tokens=chat.max_new_tokens, seed=chat.seed
        )
        of = self.made_of(sampled, tuned=True) | {"guard_sha256": _guard()}
        return System("guarded", respond, self.settings.seed, of)


def _guard() -> str:
    """One digest of all files that the guard is made from, because a changed rule makes another product."""
    here = Path(__file__).parent
    rooms = [p for room in ("chat", "safety") for p in (here / room).rglob("*") if "__pycache__" not in p.parts]
    files = sorted(p for p in (*rooms, *here.glob("helplines*")) if p.is_file())
    sums = "".join(f"{p.relative_to(here)} {sha256_of(p)}\n" for p in files)
    return hashlib.sha256(sums.encode()).hexdigest()
