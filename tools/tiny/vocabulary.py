"""counsel-tiny's tokenizer: byte-level BPE over the generated text, Mistral's control tokens and instruct template."""

import json
from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 4096
CONTROL = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>")
UNK, BOS, EOS, INST, END_INST, PAD = range(len(CONTROL))

# As Mistral-7B-Instruct-v0.3 renders it; a system message is refused as by v0.1 (Counsel folds it into the first turn).
CHAT_TEMPLATE = """\
{%- if messages and messages[0]["role"] == "system" -%}
    {{- raise_exception("This template takes no system message; put its text into the first user message.") -}}
{%- endif -%}
{{- bos_token -}}
{%- for message in messages -%}
    {%- if message["role"] not in ["user", "assistant"] -%}
        {{- raise_exception("Only the roles user and assistant are supported.") -}}
    {%- endif -%}
    {%- if (message["role"] == "user") != (loop.index0 % 2 == 0) -%}
        {{- raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") -}}
    {%- endif -%}
    {%- if message["role"] == "user" -%}
        {{- "[INST] " + message["content"] + "[/INST]" -}}
    {%- else -%}
        {{- " " + message["content"] | trim + eos_token -}}
    {%- endif -%}
{%- endfor -%}
"""


def train_vocabulary(texts: Iterable[str], size: int = VOCABULARY) -> Tokenizer:
    """A byte-level BPE of at most `size` tokens; control tokens take the first ids, all 256 bytes are in it."""
    tokenizer = Tokenizer(models.BPE(unk_token=None, fuse_unk=False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=list(CONTROL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    for number, token in enumerate(CONTROL):
        if tokenizer.token_to_id(token) != number:
            raise ValueError(f"{token} has the id {tokenizer.token_to_id(token)}, not {number}")
    # Plain tokenizing begins with <s>, as Mistral's does; the chat template writes its own and adds no second one.
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", BOS)]
    )
    return tokenizer


def as_transformers(tokenizer: Tokenizer, length: int) -> PreTrainedTokenizerFast:
    """The tokenizer with its chat template, as `save_pretrained` and TRL want it; `length` is the model's context."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        additional_special_tokens=["[INST]", "[/INST]"],
        clean_up_tokenization_spaces=False,
        model_max_length=length,
        model_input_names=["input_ids", "attention_mask"],
        padding_side="right",
    )
    wrapped.chat_template = CHAT_TEMPLATE
    return wrapped


def check_round_trip(wrapped: PreTrainedTokenizerFast) -> None:
    """Raise ValueError unless any text comes back as it was and the template is Mistral's."""
    samples = [
        "It sounds like a lot.",
        " two  spaces ",
        "naïve café, 日本語, Ünï, 🙂\n\ttabs",
        json.dumps({"a": [1, 2]}),
    ]
    for text in samples:
        ids = wrapped.encode(text, add_special_tokens=False)
        if wrapped.decode(ids) != text:
            raise ValueError(f"{text!r} came back as {wrapped.decode(ids)!r}")
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    rendered = wrapped.apply_chat_template(messages, tokenize=False)
    if rendered != "<s>[INST] a[/INST] b</s>[INST] c[/INST]":
        raise ValueError(f"the chat template renders {rendered!r}")
