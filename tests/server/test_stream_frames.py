"""Whatever stands in a prompt or a result, frames come apart where they were put together (WHATWG HTML, 9.2.6)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.streams.frames import COMMENT, Frame, chunk, encode, joined, retry
from tests.flows.sse import Message, Parser

HOSTILE = "\r\n\r\ndata: x\n\nid: 9\revent: error\0\u2028\u2029\u0085\v\f\x1c\ufeff\ud800 \udfff :retry: 1"

texts = st.text(st.characters(codec=None) | st.sampled_from("\r\n\0\u2028\u2029\u0085\ud800\udc00\ufeff: "))
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)


def read_back(body: Any) -> Any:
    """The body as JSON keeps it: two halves of a surrogate pair are one character."""
    return json.loads(json.dumps(body))


def parsed(data: bytes, cut: int = 0) -> list[Message]:
    parser = Parser()
    return [*parser.feed(data[:cut]), *parser.feed(data[cut:])]


@given(bodies, st.booleans(), st.integers(0, 50), st.sampled_from([None, "update", "final"]))
@example({"prompt": HOSTILE}, False, 3, "error")
def test_what_comes_out_is_what_went_in(body: Any, ascii_only: bool, cut: int, name: str | None) -> None:
    text = json.dumps(body, ensure_ascii=ascii_only, separators=(",", ":"))
    (message,) = parsed(encode(text, name, "7"), cut)
    assert (message.event, message.last_event_id) == (name or "message", "7")
    assert json.loads(message.data) == read_back(body)


@given(st.lists(bodies, min_size=1, max_size=5), st.integers(0, 1))
def test_frames_after_one_another_stay_apart(several: list[Any], named: int) -> None:
    frames = [
        Frame(json.dumps(body, ensure_ascii=False), name="update", cursor=number, id_=str(number))
        for number, body in enumerate(several)
    ]
    messages = parsed(joined(frames, named))
    assert [json.loads(message.data) for message in messages] == read_back(several)
    assert [message.last_event_id for message in messages] == [str(number) for number in range(len(several))]
    assert {message.event for message in messages} == {"update" if named else "message"}


@given(st.binary(min_size=1))
def test_a_chunk_says_how_long_it_is(data: bytes) -> None:
    size, _, rest = chunk(data).partition(b"\r\n")
    assert rest == data + b"\r\n"
    assert int(size, 16) == len(data)


def test_a_comment_is_no_message() -> None:
    parser = Parser()
    assert not list(parser.feed(COMMENT.partition(b"\r\n")[2][:-2]))
    assert parser.comments == 1


def test_a_tick_leaves_the_last_id_as_it_was() -> None:
    frames = [Frame("1", name="update", cursor=1, id_="1"), Frame[int]("2", name="update")]
    assert [message.last_event_id for message in parsed(joined(frames, 0))] == ["1", "1"]


def test_pauses_are_spread_over_a_fifth() -> None:
    parser = Parser()
    pauses: set[int | None] = set()
    for _ in range(300):
        list(parser.feed(retry(2_000)))
        pauses.add(parser.retry)
    assert len(pauses) > 10
    assert all(pause is not None and 1_800 <= pause <= 2_200 for pause in pauses)


@pytest.mark.parametrize("named", [0, 1])
def test_a_frame_is_encoded_once(named: int) -> None:
    frame = Frame("{}", name="update", cursor=1, id_="1")
    assert frame.encoded(named) is frame.encoded(named)
