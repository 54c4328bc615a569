"""One parser of conversation JSON: what it gives back is what was written, and its errors repeat nobody's words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counsel.conversation import ROLES, SILENCE, Conversation, Message, heard_in, json_value, messages_of

SECRET = "Zanzibar"
TEXT = st.text(min_size=1).filter(str.strip)


@given(st.lists(TEXT, min_size=1, max_size=6), st.none() | TEXT, st.text(), st.text())
def test_a_conversation_comes_back_from_its_json(turns: list[str], system: str | None, name: str, source: str) -> None:
    said = [Message("assistant" if i % 2 else "user", t) for i, t in enumerate(turns)]
    conversation = Conversation((*([Message("system", system)] if system else []), *said), id=name, source=source)
    body = json_value(json.dumps(conversation.to_json()))
    assert Conversation.from_json(body) == conversation
    assert Conversation.from_json(body["messages"]).digest == conversation.digest
    assert messages_of(body) == heard_in(body) == list(conversation.messages)


BROKEN = {
    "{": "runs over several lines",
    SECRET: "not valid JSON: Expecting value at character 1",
    "[" * 100_000: "nested too deeply",
    "1" * 10_000: "too long",
    "null": "no list of messages",
    json.dumps({"text": SECRET}): "no list of messages",
    '{"messages": []}': "no list of messages",
    json.dumps([SECRET]): "needs a role and a content",
    json.dumps([{"role": SECRET, "content": "user"}]): "the role of a message must be one of",
    json.dumps([{"role": "user", "content": [SECRET]}]): "the user message is empty or is not text",
    '[{"role": "user", "content": " "}]': "the user message is empty",
    json.dumps({"messages": [{"role": "user", "content": "hi"}], "id": 7}): "must be text",
}


@pytest.mark.parametrize("text", BROKEN, ids=list(BROKEN.values()))
def test_what_is_no_conversation_is_told_in_plain_words(text: str) -> None:
    with pytest.raises(ValueError, match=BROKEN[text]) as caught:
        Conversation.from_json(json_value(text))
    assert SECRET not in str(caught.value)


def test_each_turn_keeps_its_number_where_some_are_silent() -> None:
    entries = [{"role": "assistant", "content": None}, {"role": "user", "content": "hi"}, {"role": "tool"}]
    assert heard_in(entries) == [Message("system", SILENCE), Message("user", "hi"), Message("system", SILENCE)]


@pytest.mark.parametrize("content", [None, 7, [SECRET], {"text": SECRET}])
def test_what_may_be_a_persons_words_is_never_passed_over(content: object) -> None:
    for role in ("user", "usr", None):
        with pytest.raises(ValueError, match=r"^(?!.*Zanzibar)"):
            heard_in([{"role": "user", "content": "hi"}, {"role": role, "content": content}])


def test_roles_are_those_that_the_template_has() -> None:
    assert ROLES == ("system", "user", "assistant")
