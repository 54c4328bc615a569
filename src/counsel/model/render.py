"""One rendering for training, evaluation, chat and serving: from a conversation to ids and a mask.

The mask marks every assistant turn with its end-of-sequence token and nothing else. The base's own chat
template is used as it is. Where it marks generation (``{% generation %}``), those marks are taken; where it
does not (Mistral's), what is marked is the text that each assistant turn adds to the rendered conversation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counsel.conversation import Conversation
from counsel.errors import CounselError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TINY = "counsel-tiny"
TINY_PATH = Path(__file__).parent / "counsel-tiny"


def resolve(base: str) -> str:
    """The path or hub id behind a base's name; ``counsel-tiny`` is the model that the package carries."""
    return str(TINY_PATH) if base == TINY else base


def load_tokenizer(base: str) -> PreTrainedTokenizerBase:
    """The tokenizer of a base, with a padding token.

    Args:
        base: ``counsel-tiny``, a directory, or a hub id.

    Raises:
        CounselError: when it cannot be found, or has no chat template or end token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(resolve(base))
    except (OSError, ValueError, KeyError) as e:
        raise CounselError(
            f"no tokenizer could be loaded: {str(e).splitlines()[0]}",
            where=base,
            fix="give a directory with a tokenizer, a hub id that this machine can reach, or counsel-tiny",
        ) from e
    if not tokenizer.chat_template:
        raise CounselError(
            "this base has no chat template, so it is not known how it writes conversations",
            where=base,
            fix="use an instruct model, or put its chat_template.jinja beside the tokenizer",
        )
    if tokenizer.eos_token_id is None:
        raise CounselError("this base has no end-of-sequence token", where=base, fix="use an instruct model")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


@dataclass(frozen=True, slots=True)
class Rendered:
    """Token ids and, for each, whether it is trained."""

    ids: list[int]
    mask: list[bool]

    def cut(self, max_length: int) -> Rendered:
        """The first ``max_length`` tokens."""
        return Rendered(self.ids[:max_length], self.mask[:max_length])

    @property
    def trained(self) -> int:
        """How many tokens are trained."""
        return sum(self.mask)

    @property
    def foreseen(self) -> int:
        """How many of them carry loss; a first token carries none, because nothing comes before it."""
        return sum(self.mask[1:])

    def trains(self, token: int) -> bool:
        """Whether this token is trained anywhere."""
        return any(m and i == token for i, m in zip(self.ids, self.mask, strict=True))


class Renderer:
    """Renders conversations with one tokenizer and its chat template."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self.tokenizer = tokenizer
        self.eos_id: int = tokenizer.eos_token_id
        special = sorted({str(t) for t in tokenizer.all_special_tokens} | self._control_tokens(), key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, special)))

    def _control_tokens(self) -> set[str]:
        added = self.tokenizer.added_tokens_decoder.values()
        return {t.content for t in added if t.special or t.content.startswith(("[", "<"))}

    @cached_property
    def _marks_generation(self) -> bool:
        return "{% generation %}" in re.sub(r"\{%-?\s*generation\s*-?%\}", "{% generation %}", self._template)

    @property
    def _template(self) -> str:
        template = self.tokenizer.chat_template
        return template if isinstance(template, str) else str(template["default"])

    def prompt_ids(self, conversation: Conversation, begun: str = "") -> list[int]:
        """The ids of a conversation whose next word is the assistant's, for generation.

        Args:
            conversation: ends with a user message.
            begun: how the reply begins, if it has begun already.
        """
        text, _ = self._text(conversation, ask=True)
        if begun:
            text += self._plain(begun.rstrip()) if text[-1:].isspace() else " " + self._plain(begun.rstrip())
        return self._tokenise([text])[0][0]

    def render(self, conversation: Conversation) -> Rendered:
        """The ids of a whole conversation and the mask of its assistant turns."""
        return self.render_many([conversation])[0]

    def render_many(self, conversations: Iterable[Conversation]) -> list[Rendered]:
        """``render`` for many conversations, tokenised together (several times faster)."""
        texts, spans = [], []
        for conversation in conversations:
            text, marked = self._text(conversation)
            texts.append(text)
            spans.append(marked)
        pairs = self._tokenise(texts)
        return [self._mask(ids, offsets, s) for (ids, offsets), s in zip(pairs, spans, strict=True)]

    def show(self, rendered: Rendered) -> list[tuple[str, bool]]:
        """Each token's text and whether it is trained."""
        return [(self.token_text(i), m) for i, m in zip(rendered.ids, rendered.mask, strict=True)]

    def token_text(self, token: int) -> str:
        """The text of one token, spaces included."""
        piece = self.tokenizer.convert_ids_to_tokens(token)
        if piece in self.tokenizer.all_special_tokens or token in self.tokenizer.added_tokens_decoder:
            return str(piece)
        text: str = self.tokenizer.decode([token])
        return " " + text if piece.startswith("▁") and not text.startswith(" ") else text

    def _tokenise(self, texts: Sequence[str]) -> list[tuple[list[int], list[tuple[int, int]]]]:
        # The template has already written the begin token: adding special tokens again would double it.
        if not texts:
            return []
        batch = self.tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        return list(zip(batch["input_ids"], batch["offset_mapping"], strict=True))

    def _mask(self, ids: list[int], offsets: list[tuple[int, int]], spans: list[tuple[int, int]]) -> Rendered:
        mask = [False] * len(ids)
        at = 0
        for start, end in spans:
            while at < len(ids) and offsets[at][1] <= start:
                at += 1
            first = at
            while at < len(ids) and offsets[at][0] < end:
                at += 1
            ends = [i for i in range(first, at) if ids[i] == self.eos_id]
            last = ends[-1] if ends else at - 1
            if not ends and at < len(ids) and ids[at] == self.eos_id:  # the template marks everything but the end token
                last = at
            mask[first : last + 1] = [True] * (last + 1 - first)
        return Rendered(ids, mask)

    def _text(self, conversation: Conversation, ask: bool = False) -> tuple[str, list[tuple[int, int]]]:
        """The rendered text and the character spans of its assistant turns."""
        for fold in (False, True) if conversation.system else (False,):
            messages = self._messages(conversation, fold)
            try:
                whole = self._apply(messages, ask)
                spans = self._spans(whole, messages)
                if not fold and self._plain(conversation.system).strip() not in whole:
                    raise _Refused
                return whole, spans
            except _Refused:
                continue
        raise CounselError(
            "the base's chat template does not take this conversation",
            where=conversation.id or self.tokenizer.name_or_path,
            fix="use a base whose template takes alternating user and assistant turns",
        )

    def _messages(self, conversation: Conversation, fold: bool) -> list[dict[str, str]]:
        messages = [{"role": m.role, "content": self._plain(m.content)} for m in conversation.messages]
        if fold:
            system, first, *rest = messages
            return [{"role": "user", "content": f"{system['content']}\n\n{first['content']}"}, *rest]
        return messages

    def _plain(self, content: str) -> str:
        """Content in which no control token can be read, so that nobody can write the model's turns for it."""
        return self._special.sub(lambda m: f"{m[0][0]} {m[0][1:]}", content)

    def _apply(self, messages: list[dict[str, str]], ask: bool) -> str:
        import jinja2

        try:
            return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=ask))
        except (jinja2.TemplateError, ValueError, TypeError) as e:
            raise _Refused from e

    def _spans(self, whole: str, messages: list[dict[str, str]]) -> list[tuple[int, int]]:
        if self._marks_generation:
            return self._marked_spans(messages)
        spans = []
        for i, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before, after = self._apply(messages[:i], ask=True), self._apply(messages[: i + 1], ask=False)
            if not (after.startswith(before) and whole.startswith(after)):
                raise _Refused
            spans.append((len(before), len(after)))
        return spans

    def _marked_spans(self, messages: list[dict[str, str]]) -> list[tuple[int, int]]:
        from transformers.utils.chat_template_utils import render_jinja_template

        arguments: dict[str, Any] = {"chat_template": self._template, "return_assistant_tokens_mask": True}
        _, marks = render_jinja_template([messages], **arguments, **self.tokenizer.special_tokens_map)
        return [(int(start), int(end)) for start, end in marks[0]]


class _Refused(Exception):
    """The template raised, or rendered a shorter conversation differently."""
