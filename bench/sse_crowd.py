"""The readers of the measurements: thousands of sockets in one epoll, each of which only counts the events that arrive.

An event is counted by how its frame ends: the JSON's brace and the empty line. Comments and `retry` do not end like that.
What is read by the few that are looked at closely shows that nothing was counted that was not there.
"""

from __future__ import annotations

import re
import select
import socket
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections import defaultdict
    from collections.abc import Callable, Iterable

    from bench.sse_systems import Served

_EVENT: Final = b"}\n\n"
_WHOLE: Final = (b"\n\n", b"\n\n\r\n")
"""How what is read ends when no event is split; the second is in a chunk of HTTP."""
_BUFFER: Final = 1 << 18
_AT_ONCE: Final = 128
"""Connections that are being made at the same time: far fewer than may wait to be accepted."""
_PATIENCE: Final = 30.0
_SEQ: Final = re.compile(rb'"seq":(\d+)')


class ReadersLost(Exception):
    """Streams that should have stayed open did not, or were refused."""


class _Reader:
    __slots__ = ("carry", "events", "head", "kept", "sock", "take", "topic")

    def __init__(self, sock: socket.socket, topic: str, *, kept: list[bytes] | None) -> None:
        self.sock = sock
        self.take: Callable[[bytearray], int] = sock.recv_into
        self.topic = topic
        self.head: bytes | None = b""
        """What has come so far, until the first frame is there."""
        self.carry = b""
        self.events = 0
        self.kept = kept


class Crowd:
    """Readers of one server. `told` says when each event of a topic was to be published, for those that time them."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._epoll = select.epoll()
        self._readers: dict[int, _Reader] = {}
        self._buffer = bytearray(_BUFFER)
        self.events = 0
        self.told: defaultdict[str, list[float]] | None = None
        self.took: list[float] = []

    def __len__(self) -> int:
        return len(self._readers)

    def join(self, topics: Iterable[str], *, looked_at: int = 0) -> float:
        """Connect one reader for each of these, and wait until each has its first frame: connections a second.

        The first `looked_at` of them keep what they read.
        """
        begun = time.monotonic()
        before, waiting = len(self._readers), 0
        for topic in topics:
            if waiting >= _AT_ONCE:
                waiting -= self._greet(waiting - _AT_ONCE // 2)
            self._connect(topic, keep=len(self._readers) - before < looked_at)
            waiting += 1
        while waiting:
            waiting -= self._greet(waiting)
        return (len(self._readers) - before) / (time.monotonic() - begun)

    def read(self, seconds: float) -> None:
        """Wait so long at most for something to come, and take what is there."""
        buffer, told = self._buffer, self.told
        for fd, _ in self._epoll.poll(seconds, 4096):
            reader = self._readers[fd]
            try:
                size = reader.take(buffer)
            except BlockingIOError:
                continue
            except ConnectionError:
                size = 0
            if not size:
                raise ReadersLost("the server ended a stream")
            found = buffer.count(_EVENT, 0, size)
            if reader.carry:
                found += (reader.carry + buffer[:2]).count(_EVENT)
                reader.carry = b""
            if not buffer.endswith(_WHOLE, 0, size):
                reader.carry = bytes(buffer[max(0, size - 2) : size])
            if reader.kept is not None:
                reader.kept.append(bytes(buffer[:size]))
            if told is not None and found:
                now, times = time.monotonic(), told[reader.topic]
                self.took += [now - at for at in times[reader.events : reader.events + found]]
            reader.events += found
            self.events += found

    def read_until(self, events: int, deadline: float) -> bool:
        """Take what comes until there were so many events in all; False when they have not come by then."""
        while self.events < events:
            if time.monotonic() > deadline:
                return False
            self.read(0.1)
        return True

    def faults(self, expected: int) -> int:
        """How many readers do not have just so many events; or, of those that were looked at, not in their order."""
        wrong = sum(reader.events != expected for reader in self._readers.values())
        for reader in self._readers.values():
            if reader.kept is not None:
                seqs = [int(seq) for seq in _SEQ.findall(b"".join(reader.kept))]
                wrong += seqs[-expected:] != list(range(seqs[-1] - expected + 1, seqs[-1] + 1)) if expected else 0
        return wrong

    def close(self) -> None:
        """End all connections at once; what the server would still send is not wanted."""
        for reader in self._readers.values():
            reset(reader.sock)
        self._readers.clear()
        self._epoll.close()

    def _connect(self, topic: str, *, keep: bool) -> None:
        sock = connected(self._served, topic)
        sock.setblocking(False)
        self._readers[sock.fileno()] = _Reader(sock, topic, kept=[] if keep else None)
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _greet(self, least: int) -> int:
        """Wait until so many of the new readers have their first frame; how many it were."""
        greeted, deadline = 0, time.monotonic() + _PATIENCE
        while greeted < least:
            if time.monotonic() > deadline:
                raise ReadersLost(f"{least - greeted} readers got no frame in {_PATIENCE:.0f} s")
            for fd, _ in self._epoll.poll(1.0, 1024):
                reader = self._readers[fd]
                if reader.head is not None:
                    greeted += self._begun(reader)
        return greeted

    def _begun(self, reader: _Reader) -> bool:
        """Take what a new reader gets; whether that has its first frame."""
        came = reader.sock.recv(65_536)
        head = (reader.head or b"") + came
        if not came or not head.startswith(b"HTTP/1.1 200"):
            raise ReadersLost(f"the server answered {head[:60]!r}")
        at = head.find(self._served.greeting)
        reader.head = None if at >= 0 and head.find(b"\n\n", at) >= 0 else head
        return reader.head is None


def connected(served: Served, topic: str, *, receive: int | None = None) -> socket.socket:
    """A socket that has asked to follow a topic; `receive`: the bytes it is to hold at most."""
    sock = socket.socket()
    if receive is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    sock.connect(("127.0.0.1", served.port))
    sock.sendall(served.request(topic))
    return sock


def reset(sock: socket.socket) -> None:
    """Close without a farewell, so that the port is free at once."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    sock.close()
