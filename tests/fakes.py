"""Small real things for tests: tokenizers with every kind of chat template, and a random model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

CONTROL = ("<unk>", "<s>", "</s>", "<pad>", "[INST]", "[/INST]", "<|im_start|>", "<|im_end|>")
TEXT = (
    "i feel sad about my work and home mother friend sleep talk tired alone exam money again today",
    "You sound tired. What would help you most this week?",
)

# Like Mistral-7B-Instruct-v0.1's: refuses a system message.
INSTRUCT = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
# Like v0.3's: takes a system message and puts it into the LAST user turn.
SYSTEM_LAST = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\n\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
    "{{ bos_token }}{% for m in turns %}"
    "{% if m['role'] == 'user' and (loop.last or (loop.index0 + 2 == turns|length)) %}"
    "{{ '[INST] ' + system + m['content'] + '[/INST]' }}"
    "{% elif m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
CHATML_MARKED = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}"
    "{% if m['role'] == 'assistant' %}{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
END_UNMARKED = CHATML_MARKED.replace(
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}", "{{ m['content'] }}{% endgeneration %}{{ '<|im_end|>' }}"
)
# Takes a system message and says nothing of it.
SYSTEM_DROPPED = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}"
    "{% elif m['role'] == 'assistant' %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)
TEMPLATES = {
    "instruct": INSTRUCT,
    "system last": SYSTEM_LAST,
    "chatml": CHATML,
    "chatml marked": CHATML_MARKED,
    "end unmarked": END_UNMARKED,
    "system dropped": SYSTEM_DROPPED,
}


def tokenizer(template: str = "instruct") -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer trained on the spot, with one of ``TEMPLATES``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        TEXT, trainers.BpeTrainer(vocab_size=384, special_tokens=list(CONTROL), initial_alphabet=alphabet)
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<s>",
        eos_token="<|im_end|>" if "<|im_start|>" in TEMPLATES[template] else "</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        additional_special_tokens=["[INST]", "[/INST]", "<|im_start|>"],
    )
    made.chat_template = TEMPLATES[template]
    return made


def save_base(directory: Path, **changes: Any) -> Path:
    """A seeded random Mistral of 2 layers, 64 wide, saved with its tokenizer."""
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    made = tokenizer()
    sizes: dict[str, Any] = {
        "vocab_size": len(made),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "sliding_window": None,
        "max_position_embeddings": 512,
        "bos_token_id": made.bos_token_id,
        "eos_token_id": made.eos_token_id,
        "pad_token_id": made.pad_token_id,
    }
    torch.manual_seed(0)
    MistralForCausalLM(MistralConfig(**sizes | changes)).save_pretrained(directory)
    made.save_pretrained(directory)
    return directory
