"""The engine: conversations in, replies out. One model behind one small interface, and its scripted double."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.render import Renderer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TooLong(CounselError):
    """A conversation fills the model's context, so that there is no room for a reply."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the next token is drawn. Temperature 0 is greedy."""

    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.0
    max_new_tokens: int = 256
    seed: int | None = None


class Engine(Protocol):
    """What chat, evaluation and serving need of a model."""

    def complete(self, conversations: Sequence[Conversation], sampling: Sampling) -> list[str]:
        """One reply for each conversation, which ends with a user message."""

    def stream(self, conversation: Conversation, sampling: Sampling, begun: str = "") -> Iterator[str]:
        """The reply in pieces as they come, going on behind ``begun``; joined, they are the rest of the reply."""


@dataclass
class ScriptedEngine:
    """A fake engine: gives the replies it was made with, in turn, and records what it was asked."""

    replies: Sequence[str]
    asked: list[Conversation] = field(default_factory=list)

    def complete(self, conversations: Sequence[Conversation], sampling: Sampling) -> list[str]:
        """The next replies of the script."""
        return ["".join(self.stream(c, sampling)) for c in conversations]

    def stream(self, conversation: Conversation, sampling: Sampling, begun: str = "") -> Iterator[str]:
        """The next reply of the script, word by word."""
        self.asked.append(conversation)
        reply = self.replies[(len(self.asked) - 1) % len(self.replies)]
        for i, word in enumerate(reply.split(" ")):
            yield f" {word}" if i else word


class TransformersEngine:
    """Generates with a ``transformers`` model: left padding, stopping at the end token.

    Args:
        model: the base or the tuned model.
        tokenizer: its tokenizer.
        rows: how many conversations are generated at once.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: int = 16) -> None:
        self.model, self.tokenizer, self.rows = model, tokenizer, rows
        self.renderer = Renderer(tokenizer)

    def complete(
        self,
        conversations: Sequence[Conversation],
        sampling: Sampling,
        said: Callable[[int], None] = lambda n: None,
    ) -> list[str]:
        """One reply for each conversation; ``said`` hears how many are done.

        Raises:
            TooLong: when a conversation fills the model's context.
        """
        prompts = [self.renderer.prompt_ids(c) for c in conversations]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        replies = [""] * len(prompts)
        for at in range(0, len(order), self.rows):
            chosen = order[at : at + self.rows]
            for i, reply in zip(chosen, self._generate([prompts[i] for i in chosen], sampling), strict=True):
                replies[i] = reply
            said(min(at + self.rows, len(order)))
        return replies

    def stream(self, conversation: Conversation, sampling: Sampling, begun: str = "") -> Iterator[str]:
        """The reply in pieces, going on behind ``begun``. Leaving early stops the generation at its next token."""
        from transformers import TextIteratorStreamer

        streamer = TextIteratorStreamer(self.tokenizer, skip_prompt=True, skip_special_tokens=True)
        stop = _Stop()
        failure: list[BaseException] = []

        def work() -> None:
            try:
                prompt = self.renderer.prompt_ids(conversation, begun)
                self._run([prompt], sampling, streamer=streamer, stopping=stop)
            except BaseException as e:  # carried to the reader's thread
                failure.append(e)
            finally:
                streamer.end()

        thread = Thread(target=work, daemon=True)
        thread.start()
        started = bool(begun)
        try:
            for piece in streamer:
                piece = piece if started else piece.lstrip()
                started = started or bool(piece)
                if piece:
                    yield piece
        finally:
            stop.now = True
            thread.join()
        if failure:
            raise failure[0]

    def _generate(self, prompts: list[list[int]], sampling: Sampling) -> list[str]:
        output = self._run(prompts, sampling)
        width = max(map(len, prompts))
        return [t.strip() for t in self.tokenizer.batch_decode(output[:, width:], skip_special_tokens=True)]

    def _run(
        self, prompts: list[list[int]], sampling: Sampling, streamer: Any = None, stopping: Any = None
    ) -> torch.Tensor:
        import torch

        width = max(map(len, prompts))
        room = self._room(width, sampling.max_new_tokens)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=self.model.device)
        attention = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.model.device)
        greedy = sampling.temperature == 0
        how: dict[str, Any] = (
            {} if greedy else {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
        )
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        with torch.inference_mode():
            return self.model.generate(  # type: ignore[no-any-return]
                input_ids=ids,
                attention_mask=attention,
                max_new_tokens=room,
                do_sample=not greedy,
                repetition_penalty=sampling.repetition_penalty,
                pad_token_id=pad,
                eos_token_id=self.tokenizer.eos_token_id,
                streamer=streamer,
                stopping_criteria=[stopping] if stopping else None,
                **how,
            )

    def _room(self, width: int, wanted: int) -> int:
        limit: int = self.model.config.get_text_config().max_position_embeddings
        if width >= limit:
            raise TooLong(
                f"the conversation has {width} tokens and the model reads at most {limit - 1}",
                fix="shorten it, or start a new conversation",
            )
        return min(wanted, limit - width)


class _Stop:
    """Stops a generation from another thread."""

    def __init__(self) -> None:
        self.now = False

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        import torch

        return torch.full((len(input_ids),), self.now, device=input_ids.device)


def load_engine(base: str, adapter: Path | None = None, rows: int = 16, four_bit: bool = True) -> TransformersEngine:
    """An engine over a base, with the adapter when one is given."""
    from counsel.model.load import load_base, load_tuned
    from counsel.model.render import load_tokenizer

    model = load_tuned(base, adapter, None, four_bit) if adapter else load_base(base, None, four_bit)
    return TransformersEngine(model, load_tokenizer(base), rows)
