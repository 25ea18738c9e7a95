"""Connections whose other side takes nothing of what waits for it: one watch over all of a server's.

Whoever writes, a stream, an answer, a refusal or the server itself on its way out, and whether the connection is to be closed
after it: what waits here is taken bit by bit, or the connection is cut. Slowness is no fault. It counts only whether
anything at all has been taken, by what the other side has confirmed.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_LOOKS: Final = 4
"""In so many looks, a quarter of the patience apart, nothing may have been taken."""

_AT_ONCE: Final = 500
"""Connections that are looked at without a pause: some tenth of a millisecond."""

_UNSENT_BYTES: Final = 131_072
_LINUX: Final = sys.platform == "linux"
_INFO_BYTES: Final = 128
_ACKED: Final = struct.Struct("=Q")
_ACKED_AT: Final = 120
"""Where `struct tcp_info` of <linux/tcp.h> has `tcpi_bytes_acked`."""


class Watched(Protocol):
    """A connection."""

    transport: asyncio.Transport

    def cut(self) -> None:
        """End it at once: its other side takes nothing."""
        ...


class _Seen(NamedTuple):
    mark: int
    looks: int


class Watch:
    """Looks at `connections`, a collection that others change, as long as there are any; `patience` is in seconds."""

    def __init__(self, connections: Collection[Watched], patience: float) -> None:
        self._connections = connections
        self._pause = patience / _LOOKS
        self._seen: dict[Watched, _Seen] = {}
        self._running = False

    def begin(self) -> None:
        """There is a connection now."""
        if not self._running:
            self._running = True
            asyncio.get_running_loop().call_later(self._pause, self._round)

    def forget(self, connection: Watched) -> None:
        """It is no more."""
        self._seen.pop(connection, None)

    def _round(self) -> None:
        if self._connections:
            self._look_at_some(iter(list(self._connections)))
        else:
            self._running = False

    def _look_at_some(self, connections: Iterator[Watched]) -> None:
        some = list(islice(connections, _AT_ONCE))
        for connection in some:
            if connection.transport.get_write_buffer_size():
                self._look_at(connection)
            else:
                self._seen.pop(connection, None)
        loop = asyncio.get_running_loop()
        if some:
            loop.call_soon(self._look_at_some, connections)
        else:
            loop.call_later(self._pause, self._round)

    def _look_at(self, connection: Watched) -> None:
        if connection not in self._connections:
            return
        mark, before = _taken(connection.transport), self._seen.get(connection)
        looks = 0 if before is None or before.mark != mark else before.looks + 1
        if looks < _LOOKS:
            self._seen[connection] = _Seen(mark, looks)
        else:
            del self._seen[connection]
            connection.cut()


def keep_unsent_here(listener: socket.socket) -> None:
    """Have the kernel take little more for each of a listener's connections than it can send at once.

    Else it takes megabytes for a slow reader, which cost memory that nobody counts, and for long it does not show whether
    any of them are read.
    """
    if listener.family in (socket.AF_INET, socket.AF_INET6) and (option := _unsent_option()) is not None:
        listener.setsockopt(socket.IPPROTO_TCP, option, _UNSENT_BYTES)


def _unsent_option() -> int | None:
    return getattr(socket, "TCP_NOTSENT_LOWAT", None)


def _taken(transport: asyncio.Transport) -> int:
    """A number that changes when the other side has taken something; where nobody counts that, what has left us."""
    if _LINUX:
        connection: Any = transport.get_extra_info("socket")
        try:
            info: bytes = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
            acked: int = _ACKED.unpack_from(info, _ACKED_AT)[0]
        except (OSError, struct.error):
            acked = 0  # an older kernel, or no TCP
        if acked:
            return acked
    return -transport.get_write_buffer_size()
