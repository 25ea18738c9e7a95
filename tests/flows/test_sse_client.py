"""The tests' own client of server-sent events reads what the standard says, however the bytes are cut."""

from __future__ import annotations

import pytest

from tests.flows.sse import Parser


def read(*pieces: bytes) -> list[tuple[str, str, str]]:
    parser = Parser()
    return [message for piece in pieces for message in parser.feed(piece)]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (b"data: a\n\n", [("", "message", "a")]),
        (b"data:a\r\rdata: b\r\n\r\n", [("", "message", "a"), ("", "message", "b")]),
        (b"data\n\ndata\ndata\n\ndata:", [("", "message", ""), ("", "message", "\n")]),
        (b"data:  two\ndata: lines\n\n", [("", "message", " two\nlines")]),
        (b": comment\n\nid: 1\n\ndata: a\n\n", [("1", "message", "a")]),
        (
            b"id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [("1", "message", "a"), ("1", "message", "b"), ("", "message", "c")],
        ),
        (b"id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n", [("1", "message", "a"), ("1", "message", "b")]),
        (b"event: final\ndata: a\n\ndata: b\n\n", [("", "final", "a"), ("", "message", "b")]),
        (b"event: lost\n\ndata: b\n\n", [("", "message", "b")]),
        (b"\xef\xbb\xbfdata: \xc3\xa4\xe2\x80\xa8\n\n", [("", "message", "\xe4\u2028")]),
        (b"data: not ended\n", []),
        (b"whatever: x\nretry: soon\nid: 7\ndata: a\n\n", [("7", "message", "a")]),
    ],
)
def test_messages(text: bytes, messages: list[tuple[str, str, str]]) -> None:
    assert read(text) == messages
    assert read(*(text[index : index + 1] for index in range(len(text)))) == messages


def test_what_is_no_message() -> None:
    parser = Parser()
    assert list(parser.feed(b"retry: 2500\n\n: \n\nretry: x\n\n")) == []
    assert (parser.retry, parser.comments) == (2500, 1)


def test_an_id_counts_when_its_frame_is_whole() -> None:
    parser = Parser()
    list(parser.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b\n"))
    assert parser.last_event_id == "1"
