"""What a request accepts is read as RFC 9110 (12.5) says, and what cannot be read counts as not there."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from server.accepting import encoding_of, wants_page
from server.state import State

BOTH = ("gzip", "br")


def asked(field: str, *values: str, method: str = "GET") -> Request[State]:
    headers = [(field.encode(), value.encode()) for value in values]
    return Request[State]({"type": "http", "method": method, "headers": headers})


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("BR", "br"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br; q=0.5 , gzip ;q=0.5", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0", None),
        ("*", "br"),
        ("*;q=0.1", "br"),
        ("br;q=0, *", "gzip"),
        ("gzip;q=0, br;q=0.000, *;q=1", None),
        ("identity", None),
        ("identity;q=1, br;q=0.9", None),
        ("identity;q=0.5, br;q=0.5", "br"),
        ("identity;q=0", None),
        ("deflate, zstd", None),
        ("", None),
        (",,;q=1,", None),
        ("br;q=2", None),
        ("br;q=x, gzip", "gzip"),
        ("br;q=0.1234", None),
        ("br;level=5", "br"),
    ],
)
def test_a_coding_is_chosen_by_weight_and_then_by_size(accepted: str, coding: str | None) -> None:
    assert encoding_of(asked("accept-encoding", accepted), BOTH) == coding


def test_what_is_not_there_is_not_chosen() -> None:
    assert encoding_of(asked("accept-encoding", "br, gzip;q=0.1"), ["gzip"]) == "gzip"
    assert encoding_of(asked("accept-encoding", "br, gzip"), []) is None


def test_lines_of_one_field_are_one_list() -> None:
    assert encoding_of(asked("accept-encoding", "deflate", "gzip"), BOTH) == "gzip"
    assert encoding_of(asked("host", "x"), BOTH) is None


@pytest.mark.parametrize(
    ("accepted", "page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", True),
        ("application/json, text/html;q=0.1", True),
        ("Text/HTML ; charset=utf-8", True),
        ("*/*", False),
        ("text/*", False),
        ("application/json", False),
        ("text/html;q=0, */*", False),
        ("text/htmlx", False),
        ("", False),
    ],
)
def test_only_who_names_html_wants_a_page(accepted: str, page: bool) -> None:
    assert wants_page(asked("accept", accepted)) is page
    assert wants_page(asked("accept", accepted, method="HEAD")) is page
    assert not wants_page(asked("accept", accepted, method="POST"))
    assert not wants_page(asked("accept-language", accepted))
