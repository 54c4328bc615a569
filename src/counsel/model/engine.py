"""The engine turns requests into replies, in pieces or whole: one interface to a model, and a scripted double.

One engine answers with and without its adapter, so base and tuned are asked side by side from one copy of the weights.
A batched engine and upstreams are further classes with the same four methods.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Literal, Protocol

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.render import Renderer

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Finish = Literal["stop", "length"]
"""Why a reply ended: the model ended its turn, or it ran out of room."""


class TooLong(CounselError):
    """The conversation fills the model's context, so there is no room for a reply."""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How a token is drawn. Temperature 0 takes the likeliest. A seed fixes one reply, whatever its batch holds."""

    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.0
    max_new_tokens: int = 256
    seed: int | None = None


@dataclass(frozen=True)
class Request:
    """One reply that is wanted.

    Attributes:
        conversation: ends with a user message.
        sampling: how it is drawn.
        tuned: with the adapter, where the engine has one; without it, the base answers.
        begun: how the reply begins; the engine gives only the rest.
    """

    conversation: Conversation
    sampling: Sampling = field(default_factory=Sampling)
    tuned: bool = True
    begun: str = ""


@dataclass(frozen=True)
class Delta:
    """A piece of a reply.

    Attributes:
        text: what is new; it may be empty.
        tokens: how many tokens the model drew since the last piece.
        finish: set on the last piece, which always comes.
    """

    text: str = ""
    tokens: int = 0
    finish: Finish | None = None


@dataclass(frozen=True)
class Completion:
    """A whole reply: its text without white space around it, the tokens that the model drew, and why it ended."""

    text: str
    tokens: int
    finish: Finish


def joined(deltas: Iterable[Delta]) -> Completion:
    """A stream's pieces as one reply."""
    pieces = list(deltas)
    finish: Finish = next((d.finish for d in reversed(pieces) if d.finish), "stop")
    return Completion("".join(d.text for d in pieces).strip(), sum(d.tokens for d in pieces), finish)


class Engine(Protocol):
    """What chat, evaluation and serving need of a model. One may serve many threads."""

    @property
    def limit(self) -> int:
        """How many tokens a conversation and its reply may have together."""

    def count(self, conversation: Conversation) -> int:
        """How many tokens a conversation takes as a prompt."""

    def complete(self, requests: Sequence[Request], said: Callable[[int], None] = ...) -> list[Completion]:
        """One reply for each request; ``said`` is called with the number that are done."""

    def stream(self, request: Request) -> Generator[Delta, None, None]:
        """One reply as it comes. Leaving early stops the model at its next token."""


@dataclass
class ScriptedEngine:
    """A fake engine: gives the replies it was made with, in turn, and records what it was asked. A word is a token."""

    replies: Sequence[str]
    limit: int = 10_000
    asked: list[Request] = field(default_factory=list)

    def count(self, conversation: Conversation) -> int:
        """The words of all messages."""
        return sum(len(m.content.split()) for m in conversation.messages)

    def complete(self, requests: Sequence[Request], said: Callable[[int], None] = lambda n: None) -> list[Completion]:
        """The next replies of the script."""
        return [joined(self.stream(r)) for r in requests]

    def stream(self, request: Request) -> Generator[Delta, None, None]:
        """The next reply of the script, word by word."""
        self.asked.append(request)
        reply = self.replies[(len(self.asked) - 1) % len(self.replies)]
        for i, word in enumerate(reply.split(" ")):
            yield Delta(f" {word}" if i else word, 1)
        yield Delta(finish="stop")


class TransformersEngine:
    """Generates with a ``transformers`` model, one batch at a time: left padding, stopping at the end token.

    Args:
        model: the base, or a PEFT model whose adapter each request turns on or off.
        tokenizer: its tokenizer.
        rows: how many conversations are generated at once.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: int = 16) -> None:
        self.model, self.tokenizer, self.rows = model, tokenizer, rows
        self.renderer = Renderer(tokenizer)
        self.limit: int = model.config.get_text_config().max_position_embeddings
        # The adapter is switched on the model itself, so nobody else may generate at the same time.
        self._turn = Lock()

    def count(self, conversation: Conversation) -> int:
        """How many tokens a conversation takes as a prompt."""
        return len(self.renderer.prompt_ids(conversation))

    def complete(self, requests: Sequence[Request], said: Callable[[int], None] = lambda n: None) -> list[Completion]:
        """One reply for each request; requests that differ only in conversation and seed share a batch.

        Raises:
            TooLong: when a conversation fills the model's context.
        """
        prompts = [self.renderer.prompt_ids(r.conversation, r.begun) for r in requests]
        alike: dict[tuple[Any, ...], list[int]] = {}
        for i in sorted(range(len(prompts)), key=lambda i: len(prompts[i])):
            alike.setdefault(_kind(requests[i]), []).append(i)
        replies: dict[int, Completion] = {}
        for group in alike.values():
            for at in range(0, len(group), self.rows):
                chosen = group[at : at + self.rows]
                drawn = self._run([prompts[i] for i in chosen], [requests[i] for i in chosen])
                replies |= {i: self._completion(ids) for i, ids in zip(chosen, drawn, strict=True)}
                said(len(replies))
        return [replies[i] for i in range(len(requests))]

    def stream(self, request: Request) -> Generator[Delta, None, None]:
        """The reply in pieces. Leaving early stops the generation at its next token.

        Raises:
            TooLong: when the conversation fills the model's context.
        """
        pieces: SimpleQueue[Delta | BaseException] = SimpleQueue()
        stop = _Stop()

        def work() -> None:
            try:
                prompt = self.renderer.prompt_ids(request.conversation, request.begun)
                (ids,) = self._run([prompt], [request], _pieces(self.tokenizer, pieces.put), stop)
                pieces.put(Delta(finish=self._finish(ids)))
            except BaseException as e:  # carried to the reader's thread
                pieces.put(e)

        thread = Thread(target=work, daemon=True)
        thread.start()
        started = bool(request.begun)
        try:
            while True:
                piece = pieces.get()
                if isinstance(piece, BaseException):
                    raise piece
                if not started:
                    piece = Delta(piece.text.lstrip(), piece.tokens, piece.finish)
                    started = bool(piece.text)
                yield piece
                if piece.finish:
                    return
        finally:
            stop.now = True
            thread.join()

    def _finish(self, ids: list[int]) -> Finish:
        return "stop" if ids and ids[-1] == self.tokenizer.eos_token_id else "length"

    def _completion(self, ids: list[int]) -> Completion:
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return Completion(str(text).strip(), len(ids), self._finish(ids))

    def _run(
        self, prompts: list[list[int]], requests: Sequence[Request], streamer: Any = None, stopping: Any = None
    ) -> list[list[int]]:
        """The ids drawn for each prompt, the end token included. All requests are of one kind."""
        import torch
        from transformers import LogitsProcessorList

        width = max(map(len, prompts))
        sampling = requests[0].sampling
        room = self._room(width, sampling.max_new_tokens)
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (width - len(p)) + p for p in prompts], device=self.model.device)
        attention = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts], device=self.model.device)
        draw = [] if sampling.temperature == 0 else [_Draw(sampling, [r.sampling.seed for r in requests], ids.device)]
        with self._turn, self._adapter(requests[0].tuned), torch.inference_mode():
            output = self.model.generate(
                input_ids=ids,
                attention_mask=attention,
                max_new_tokens=room,
                do_sample=False,
                repetition_penalty=sampling.repetition_penalty,
                logits_processor=LogitsProcessorList(draw),
                pad_token_id=pad,
                eos_token_id=self.tokenizer.eos_token_id,
                streamer=streamer,
                stopping_criteria=[stopping] if stopping else None,
            )
        return [_until(row, self.tokenizer.eos_token_id) for row in output[:, width:].tolist()]

    def _adapter(self, on: bool) -> AbstractContextManager[Any]:
        has_one = hasattr(self.model, "disable_adapter")
        return nullcontext() if on or not has_one else self.model.disable_adapter()

    def _room(self, width: int, wanted: int) -> int:
        if width >= self.limit:
            raise too_long(width, self.limit)
        return min(wanted, self.limit - width)


def too_long(tokens: int, limit: int) -> TooLong:
    """The error for a conversation of this many tokens."""
    return TooLong(
        f"the conversation has {tokens} tokens, but the model reads at most {limit - 1}",
        fix="shorten it, or start a new conversation",
    )


def _kind(request: Request) -> tuple[Any, ...]:
    """What requests of one batch have in common."""
    s = request.sampling
    return request.tuned, s.temperature, s.top_p, s.repetition_penalty, s.max_new_tokens


def _until(ids: list[int], end: int) -> list[int]:
    """The ids up to the first end token, without the padding behind it."""
    return ids[: ids.index(end) + 1] if end in ids else ids


class _Draw:
    """Draws each row with a generator of its own, so that a reply depends on its seed and not on the rest of its batch.

    Adding Gumbel noise to log-probabilities and taking the highest is drawing from them (Gumbel 1954; Maddison et al.
    2014), so ``generate`` may stay greedy.
    """

    def __init__(self, sampling: Sampling, seeds: Sequence[int | None], device: torch.device) -> None:
        import torch
        from transformers import TemperatureLogitsWarper, TopPLogitsWarper

        self._warpers = [TemperatureLogitsWarper(sampling.temperature)]
        if sampling.top_p < 1:
            self._warpers.append(TopPLogitsWarper(sampling.top_p))
        self._generators = [torch.Generator(device) for _ in seeds]
        for generator, seed in zip(self._generators, seeds, strict=True):
            if seed is None:
                generator.seed()
            else:
                generator.manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores with noise; the highest of a row is its draw."""
        import torch

        scores = scores.float()
        for warper in self._warpers:
            scores = warper(input_ids, scores)
        noise = torch.empty_like(scores)
        for row, generator in zip(noise, self._generators, strict=True):
            row.exponential_(generator=generator)
        return scores - noise.clamp_(min=torch.finfo(noise.dtype).tiny).log()


def _pieces(tokenizer: PreTrainedTokenizerBase, put: Callable[[Delta], None]) -> Any:
    """A streamer that passes on whole words, each with the number of tokens that it took."""
    from transformers import TextStreamer

    class Pieces(TextStreamer):  # type: ignore[misc]
        count = 0

        def put(self, value: torch.Tensor) -> None:
            self.count += 0 if self.next_tokens_are_prompt else value.numel()
            super().put(value)

        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text or stream_end:
                put(Delta(text, self.count))
                self.count = 0

    return Pieces(tokenizer, skip_prompt=True, skip_special_tokens=True)


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
