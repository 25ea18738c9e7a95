"""The bytes of a stream (WHATWG HTML, 9.2), each made once for all who get it.

Frames carry no `event:` field unless their reader asks for names, so that a plain `onmessage` gets them and the name
`error` never meets EventSource's own. A frame has an id only when resuming from it would miss nothing.
"""

from __future__ import annotations

import random
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sse_starlette import ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

CONNECTED: Final = "connected"

CursorT = TypeVar("CursorT")

_RETRIES: Final = 32
"""Pauses that are told to readers: enough to spread them, few enough to be kept."""


class Frame(Generic[CursorT]):
    """One piece of news as it goes out.

    `cursor` is where a reader stands that has got it, None for a piece that has no place (a tick); `ends`: nothing comes
    after it. `body` is JSON without line ends.
    """

    __slots__ = ("_body", "_id", "_name", "_named", "_plain", "cursor", "ends")

    def __init__(
        self, body: str, *, name: str, cursor: CursorT | None = None, id_: str | None = None, ends: bool = False
    ) -> None:
        self._body = body
        self._name = name
        self._id = id_
        # Two fields, not a list: thousands of frames are kept, and each list were one thing more to search for garbage.
        self._plain: bytes | None = None
        self._named: bytes | None = None
        self.cursor = cursor
        self.ends = ends

    def encoded(self, named: int) -> bytes:
        """The frame for readers that asked for names, 1, or did not, 0."""
        known = self._named if named else self._plain
        if known is None:
            known = encode(self._body, self._name if named else None, self._id)
            if named:
                self._named = known
            else:
                self._plain = known
        return known

    def __len__(self) -> int:
        return len(self._body)


def encode(body: str, name: str | None, id_: str | None = None) -> bytes:
    """One event. `body` is JSON; what UTF-8 cannot say of it, lone surrogates, is escaped as JSON does."""
    if not body.isascii():
        body = body.encode("utf-8", "backslashreplace").decode()
    return ServerSentEvent(body, event=name, id=id_, sep="\n").encode()


def joined(frames: Iterable[Frame[CursorT]], named: int) -> bytes:
    """Frames one after the other."""
    return b"".join([frame.encoded(named) for frame in frames])


def chunk(data: bytes) -> bytes:
    """Data as a chunk of HTTP/1.1 (RFC 9112, 7.1); it must not be empty."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def retry(millis: int) -> bytes:
    """How long to wait before coming back: spread, so that the readers of a server that went down come one by one."""
    return random.choice(_retries(millis))  # noqa: S311  spreads the readers


@lru_cache(maxsize=8)
def _retries(millis: int) -> tuple[bytes, ...]:
    spread = [millis * (0.9 + 0.2 * step / (_RETRIES - 1)) for step in range(_RETRIES)]
    return tuple(ServerSentEvent(retry=round(pause), sep="\n").encode() for pause in spread)


COMMENT: Final = chunk(ServerSentEvent(comment="", sep="\n").encode())
"""What a silent stream is told so that nobody on the way takes it for dead, as a chunk."""
