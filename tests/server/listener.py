"""A reader of server-sent events that sees the bytes: one frame at a time, as a browser would cut them."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.server.service import ALICE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@dataclass
class Frame:
    """One block of lines. `id`, `event` and `retry` are None where the line is not there."""

    id: str | None = None
    event: str | None = None
    retry: int | None = None
    data: Any = None
    comment: str | None = None


class Listener:
    """One open stream: its status, its headers, then its frames."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int, headers: dict[str, str]
    ) -> None:
        self.status = status
        self.headers = headers
        self.reader = reader
        self._writer = writer

    def tear(self) -> None:
        """Cut the connection without a word."""
        self._writer.transport.abort()

    async def frame(self) -> Frame | None:
        """The next frame; None when the stream has ended in good order."""
        lines: list[str] = []
        async with asyncio.timeout(5):
            while (line := await self._line()) is not None:
                if not line and lines:
                    return _frame(lines)
                if line:
                    lines.append(line)
        assert not lines, "the stream ended within a frame"
        return None

    async def next(self) -> Frame:
        """The next frame with data, comments passed over."""
        while True:
            frame = await self.frame()
            assert frame is not None, "the stream has ended"
            if frame.data is not None:
                return frame

    async def rest(self) -> list[Frame]:
        """All frames with data until the stream ends in good order."""
        frames: list[Frame] = []
        while (frame := await self.frame()) is not None:
            if frame.data is not None:
                frames.append(frame)
        return frames

    async def _line(self) -> str | None:
        """A line of the body, out of its chunks: each of our frames is one chunk, and ends as it ends."""
        if not hasattr(self, "_lines") or not self._lines:
            size = int(await self.reader.readline(), 16)
            chunk = await self.reader.readexactly(size)
            assert await self.reader.readexactly(2) == b"\r\n"
            if size == 0:
                return None
            assert chunk.endswith(b"\n")
            assert b"\r" not in chunk
            self._lines = chunk.decode().split("\n")[:-1]
        return self._lines.pop(0)


def _frame(lines: list[str]) -> Frame:
    frame = Frame()
    for line in lines:
        name, _, value = line.partition(": ")
        match name:
            case "id":
                frame.id = value
            case "event":
                frame.event = value
            case "retry":
                frame.retry = int(value)
            case "data":
                frame.data = json.loads(value)
            case _:
                assert line.startswith(":"), line
                frame.comment = line
    return frame


@asynccontextmanager
async def listening(
    port: int, path: str, *, method: str = "GET", headers: dict[str, str] | None = None
) -> AsyncGenerator[Listener]:
    """Connect and read the head of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    fields = {"host": f"127.0.0.1:{port}", **ALICE, **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
    try:
        async with asyncio.timeout(5):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        status = int(answer[0].split()[1])
        yield Listener(reader, writer, status, dict(line.lower().split(": ", 1) for line in answer[1:-2]))
    finally:
        writer.close()


@asynccontextmanager
async def following(
    port: int, job_id: str, *, query: str = "", last_event_id: str | None = None
) -> AsyncGenerator[Listener]:
    """Follow one job's events, past the frame that says when to come back."""
    headers = {} if last_event_id is None else {"last-event-id": last_event_id}
    async with listening(port, f"/api/jobs/{job_id}/events{query}", headers=headers) as listener:
        if listener.status == 200:
            first = await listener.frame()
            assert first is not None
            assert first.retry is not None
        yield listener
