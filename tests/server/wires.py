"""Sockets that a test fills and empties by hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from server.streams.reader import Reader
from tests.flows.sse import Parser

if TYPE_CHECKING:
    from server.streams.hub import Hub
    from server.streams.topic import Topic
    from server.streams.wire import Listener
    from tests.flows.sse import Message


class HandWire:
    """Takes what is written; `full` when a test says so, and then nothing may be written."""

    def __init__(self) -> None:
        self.full = self.closing = self.ended = self.aborted = False
        self.messages: list[Message] = []
        self.parser = Parser()
        self.writes = 0
        self._room = asyncio.Event()

    def write(self, chunk: bytes) -> None:
        assert not self.full, "nothing is written to a full socket"
        assert not self.ended, "nothing is written after the end"
        size, _, rest = chunk.partition(b"\r\n")
        assert len(rest) == int(size, 16) + 2
        assert rest.endswith(b"\n\r\n")
        self.writes += 1
        self.messages += self.parser.feed(rest[:-2])

    async def drained(self) -> None:
        while self.full and not self.closing:
            self._room.clear()
            await self._room.wait()

    def end(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = self.closing = True
        self._room.set()

    async def carry(self, reader: Listener, receive: Any, send: Any) -> None:
        raise NotImplementedError

    def fill(self) -> None:
        self.full = True

    def empty(self) -> None:
        self.full = False
        self._room.set()

    @property
    def seqs(self) -> list[int]:
        """The seqs of the events that came."""
        return [message.seq for message in self.messages if message.seq]


def joins(hub: Hub, topic: Topic[Any], after: Any, *, named: int = 0) -> tuple[HandWire, Reader]:
    """A reader that resumes after a cursor."""
    wire = HandWire()
    reader = Reader(wire, topic, named, topic.owner)
    hub.enter(reader)
    topic.admit(reader, b"retry: 1\n\n", after)
    return wire, reader
