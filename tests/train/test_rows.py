"""What the cut leaves: rows dropped, ends lost, and the runs that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counsel.conversation import Conversation
from counsel.errors import CounselError
from counsel.model.render import Renderer, load_tokenizer
from counsel.train.rows import make_rows


@pytest.fixture(scope="module")
def renderer(tiny_base: Path) -> Renderer:
    return Renderer(load_tokenizer(str(tiny_base)))


def talk(question: str, reply: str) -> Conversation:
    return Conversation.of([{"role": "user", "content": question}, {"role": "assistant", "content": reply}])


def test_a_row_trains_the_reply_and_its_end_and_nothing_else(renderer: Renderer) -> None:
    rows = make_rows([talk("how are you", "well")], renderer, 100, "x")
    trained = [i for i, m in zip(rows.rendered[0].ids, rows.rendered[0].mask, strict=True) if m]
    assert renderer.tokenizer.decode(trained[:-1]).strip() == "well"
    assert trained[-1] == renderer.eos_id


def test_conversations_without_a_trained_token_are_dropped_and_counted(renderer: Renderer) -> None:
    long, short = talk("word " * 50, "yes"), talk("hi", "yes")
    rows = make_rows([long] + [short] * 19, renderer, 30, "x")
    assert (len(rows), rows.dropped, rows.cut) == (19, 1, 1)


def test_more_than_a_tenth_dropped_is_an_error(renderer: Renderer) -> None:
    with pytest.raises(CounselError, match="3 of 20 .* raise --max-length"):
        make_rows([talk("word " * 50, "yes")] * 3 + [talk("hi", "yes")] * 17, renderer, 30, "x")


def test_a_run_that_trains_no_end_is_an_error(renderer: Renderer) -> None:
    with pytest.raises(CounselError, match="no end token is trained"):
        make_rows([talk("hi", "yes " * 50)] * 5, renderer, 20, "x")


def test_an_end_lost_to_the_cut_is_counted(renderer: Renderer) -> None:
    rows = make_rows([talk("hi", "yes " * 50), talk("hi", "yes")], renderer, 20, "x")
    assert (rows.cut, rows.ends_lost) == (1, 1)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.text("ab ", min_size=1), st.text("ab ", min_size=1)), min_size=1, max_size=8),
    st.integers(8, 60),
)
def test_no_row_is_without_a_trained_token_at_any_length(
    renderer: Renderer, pairs: list[tuple[str, str]], length: int
) -> None:
    conversations = [talk(f"q{a}", f"r{b}") for a, b in pairs]
    try:
        rows = make_rows(conversations, renderer, length, "x")
    except CounselError:
        return
    assert all(any(row.mask) and len(row.ids) == len(row.mask) <= length for row in rows.rendered)
    assert len(rows) + rows.dropped == len(conversations)
