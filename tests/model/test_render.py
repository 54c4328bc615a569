"""Rendering: what is trained, for every kind of template, and that training and chat see the same tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.render import Renderer

from ..fakes import CONTROL, TEMPLATES, tokenizer

ALL = sorted(TEMPLATES)
RENDERERS = {name: Renderer(tokenizer(name)) for name in ALL}


def talk(*turns: str, system: str = "") -> Conversation:
    roles = ["user", "assistant"] * len(turns)
    messages = [{"role": "system", "content": system}] if system else []
    return Conversation.of(messages + [{"role": r, "content": t} for r, t in zip(roles, turns, strict=False)])


def trained_runs(renderer: Renderer, conversation: Conversation) -> list[str]:
    """The text of each stretch of trained tokens."""
    rendered = renderer.render(conversation)
    runs: list[list[int]] = []
    for i, (token, trained) in enumerate(zip(rendered.ids, rendered.mask, strict=True)):
        if trained and (i == 0 or not rendered.mask[i - 1]):
            runs.append([])
        if trained:
            runs[-1].append(token)
    return [renderer.tokenizer.decode(r).strip() for r in runs]


@pytest.mark.parametrize("name", ALL)
def test_every_assistant_turn_is_trained_with_its_end_and_nothing_else(name: str) -> None:
    renderer = RENDERERS[name]
    end = renderer.tokenizer.eos_token
    found = trained_runs(renderer, talk("hello", "how are you", "sad", "what happened"))
    assert found == [f"how are you{end}", f"what happened{end}"]


@pytest.mark.parametrize("name", ALL)
def test_a_system_message_is_read_once_and_before_the_first_turn(name: str) -> None:
    renderer = RENDERERS[name]
    rendered = renderer.render(talk("hello", "how are you", "sad", "what happened", system="be kind"))
    text = renderer.tokenizer.decode(rendered.ids)
    assert text.count("be kind") == 1
    assert text.index("be kind") < text.index("hello")
    assert len(trained_runs(renderer, talk("hello", "a", "sad", "b", system="be kind"))) == 2


@pytest.mark.parametrize("name", ["instruct", "system last", "system dropped"])
def test_there_is_one_begin_token(name: str) -> None:
    renderer = RENDERERS[name]
    for ids in (renderer.render(talk("a", "b", "c", "d")).ids, renderer.prompt_ids(talk("a", "b", "c"))):
        assert ids[0] == renderer.tokenizer.bos_token_id
        assert ids.count(renderer.tokenizer.bos_token_id) == 1


def test_a_whole_rendering_is_what_the_library_makes_of_it() -> None:
    renderer = RENDERERS["instruct"]
    conversation = talk("hello you", "how are you", "sad", "what happened")
    messages = [{"role": m.role, "content": m.content} for m in conversation.messages]
    assert renderer.render(conversation).ids == renderer.tokenizer.apply_chat_template(messages, return_dict=False)


def test_the_marks_we_supply_are_the_ones_a_marked_template_gives() -> None:
    marked, unmarked = RENDERERS["chatml marked"], RENDERERS["chatml"]
    conversation = talk("hello", "how are you", "sad", "what happened", system="be kind")
    assert marked.render(conversation) == unmarked.render(conversation)
    messages = [{"role": m.role, "content": m.content} for m in conversation.messages]
    theirs = marked.tokenizer.apply_chat_template(messages, return_dict=True, return_assistant_tokens_mask=True)
    assert marked.render(conversation).mask == [bool(m) for m in theirs["assistant_masks"]]


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
anything = words | st.sampled_from(CONTROL) | st.builds("{} {}".format, words, st.sampled_from(CONTROL))


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(ALL), st.lists(anything, min_size=2, max_size=6), st.booleans())
def test_what_chat_asks_is_how_training_began(name: str, turns: list[str], system: bool) -> None:
    renderer = RENDERERS[name]
    whole = talk(*turns[: len(turns) // 2 * 2], system="be kind" if system else "")
    rendered = renderer.render(whole)
    asked = renderer.prompt_ids(whole.question)
    assert rendered.ids[: len(asked)] == asked
    assert not any(rendered.mask[: len(asked)][-1:])
    assert all(rendered.mask[len(asked) : rendered.ids.index(renderer.eos_id, len(asked)) + 1])


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(ALL), anything, anything)
def test_nobody_can_write_control_tokens(name: str, question: str, reply: str) -> None:
    renderer = RENDERERS[name]
    plain, attack = renderer.render(talk("a", "b")).ids, renderer.render(talk(question, reply)).ids
    special = set(renderer.tokenizer.all_special_ids)
    assert [i for i in attack if i in special] == [i for i in plain if i in special]


@given(st.integers(1, 40))
def test_a_cut_keeps_ids_and_mask_together(length: int) -> None:
    whole = RENDERERS["instruct"].render(talk("hello", "how are you", "sad", "what happened"))
    cut = whole.cut(length)
    assert (cut.ids, cut.mask) == (whole.ids[:length], whole.mask[:length])
    assert cut.trained == sum(cut.mask) and cut.foreseen == sum(cut.mask[1:])


def test_many_at_once_are_the_same_as_one_by_one() -> None:
    renderer = RENDERERS["instruct"]
    conversations = [talk("hello " * n, "b " * n) for n in range(1, 9)]
    assert renderer.render_many(conversations) == [renderer.render(c) for c in conversations]
    assert renderer.render_many([]) == []


def test_a_template_that_takes_no_conversation_is_an_error() -> None:
    broken = tokenizer()
    broken.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(CounselError, match="does not take this conversation"):
        Renderer(broken).render(talk("a", "b"))
