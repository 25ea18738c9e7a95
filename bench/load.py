"""A small HTTP/1.1 load client: keep-alive connections on the event loop, one request at a time on each.

Less than a general client and several times quicker, so that the server is what is measured.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, Self


class Answer(NamedTuple):
    """A response: its status and its body."""

    status: int
    body: bytes


class Connection:
    """One keep-alive connection to 127.0.0.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, request: bytes) -> Answer:
        """Send one whole request and read its response, which must say its length."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        lower = head.lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 : lower.index(b"\r\n", at)]) if at >= 0 else 0
        return Answer(status, await self._reader.readexactly(length) if length else b"")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


def post(path: str, body: bytes, session: str) -> bytes:
    """The bytes of a POST with a JSON body by an anonymous session."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nx-session-id: {session}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str, session: str) -> bytes:
    """The bytes of a GET by an anonymous session."""
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-session-id: {session}\r\n\r\n".encode()


async def at_rate(connections: list[Connection], request: bytes, per_second: float, seconds: float) -> list[float]:
    """Send at a fixed rate whether or not answers come; the seconds each took from when it should have been sent.

    Counting from the planned time keeps a server that stalls from hiding the requests it held up.
    """
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    took: list[float] = []

    async def one(planned: float) -> None:
        connection = await free.get()
        answer = await connection.ask(request)
        took.append(time.perf_counter() - planned)
        if answer.status >= 300:
            raise RuntimeError(f"the server answered {answer.status}: {answer.body[:200]!r}")
        free.put_nowait(connection)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(per_second * seconds)):
            planned = begun + number / per_second
            await asyncio.sleep(max(0.0, planned - time.perf_counter()))
            tasks.create_task(one(planned))
    return took
