"""The HTTP client under the SDK: one connection a call, nothing followed, nothing read without end.

A kept connection may be closed by the other side just when it is used again; then nobody knows whether a paid request
arrived. A call takes ten seconds and more, so a fresh connection for each costs nothing that counts.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import httpx2

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

LONGEST_LINE: Final = 46_000_000
"""Bytes: a picture of 32 MiB in base64, and what stands around it. A line, as a stream has one for each event, or a body."""
_LINES_OF_THAT: Final = 4
"""A stream brings three previews and the picture."""
_LONGEST_ERROR: Final = 1_000_000

_CONNECT_SECONDS: Final = 10.0
_WRITE_SECONDS: Final = 30.0


class TooLong(httpx2.TransportError):
    """An answer longer than any picture is."""


def open_line(
    seconds: float, *, context: ssl.SSLContext | None = None, longest_line: int = LONGEST_LINE
) -> httpx2.AsyncClient:
    """A client whose answers are bounded. `seconds`: the longest silence, so a whole generation fits into it.

    An answer that is longer than it may be raises `TooLong`. One that is an error by its status is cut there instead, and
    wherever else it breaks off: the status says enough.
    """

    async def bound(response: httpx2.Response) -> None:
        stream = response.stream
        if not isinstance(stream, httpx2.AsyncByteStream):
            return
        packed = response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
        if packed:  # nobody asked for that, and a few bytes of it can become any number
            del response.headers["content-encoding"]
        if packed or not response.is_success:
            response.stream = _Cut(stream, 0 if packed else _LONGEST_ERROR)
        else:
            response.stream = _Bounded(stream, longest_line, longest_line * _LINES_OF_THAT)

    return httpx2.AsyncClient(
        verify=context or True,
        headers={"accept-encoding": "identity"},
        timeout=httpx2.Timeout(seconds, connect=_CONNECT_SECONDS, write=_WRITE_SECONDS, pool=_CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
        follow_redirects=False,
        event_hooks={"response": [bound]},
    )


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with `TooLong` when a line, or all of it, is longer than it may be."""

    def __init__(self, body: httpx2.AsyncByteStream, longest_line: int, longest: int) -> None:
        self._body = body
        self._longest_line = longest_line
        self._longest = longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        line = total = 0
        async for chunk in self._body:
            total += len(chunk)
            at = chunk.rfind(b"\n")
            line = line + len(chunk) if at < 0 else len(chunk) - at - 1
            if line > self._longest_line or total > self._longest:
                raise TooLong("the answer is longer than any picture")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


class _Cut(httpx2.AsyncByteStream):
    """A body of which no more is read than `longest` bytes, and that is whole wherever it breaks off."""

    def __init__(self, body: httpx2.AsyncByteStream, longest: int) -> None:
        self._body = body
        self._longest = longest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._longest
        with contextlib.suppress(httpx2.TransportError):
            async for chunk in self._body:
                if len(chunk) > left:
                    return
                left -= len(chunk)
                yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()
