"""A TCP proxy between a client and a server, which does to the connection what networks do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

CHUNK = 65_536


class Proxy:
    """Listens on `port`; what it does with bytes can be changed at any time and holds for open connections too.

    Bytes that come while a direction is shut wait, in the proxy and then at the sender, and go on when it opens.
    """

    def __init__(self, port: int, certificate: Path | None = None) -> None:
        """`port`: where the server listens on this machine. `certificate`: a PEM file with a key; clients speak TLS."""
        self.port = 0
        self.delay = 0.0
        """Seconds that each chunk is held up, in each direction."""
        self._target = port
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificate)
        self._refuses = False
        self._unanswered: tuple[bytes, ...] = ()
        self._turned_away = 0
        self.lost_answers = 0
        """How many connections `lose_answers_to` has cut."""
        self._listener: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self._there.set()
        self._back.set()

    async def open(self) -> None:
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self.reset()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def let_through(self) -> None:
        """Undo whatever was done."""
        self.delay = 0.0
        self._refuses = False
        self._unanswered = ()
        self._there.set()
        self._back.set()

    def swallow(self) -> None:
        """A black hole: connections open and stay open, nothing arrives anywhere."""
        self._there.clear()
        self._back.clear()

    def swallow_answers(self) -> None:
        """Half open: the server gets everything, its answers do not come back."""
        self._back.clear()

    def lose_answers_to(self, *words: bytes) -> None:
        """Let requests through that have all these words, and cut their connections when the server answers."""
        self._unanswered = words

    def refuse(self) -> None:
        """Reset what is open, and hang up on whoever comes."""
        self._refuses = True
        self.reset()

    async def refused(self, times: int) -> bool:
        """Whether so many have come in vain."""
        return self._turned_away >= times

    def reset(self) -> None:
        """Reset every open connection, on both sides; new ones are served."""
        for writer in self._writers:
            sock: socket.socket | None = writer.get_extra_info("socket")  # none once TLS has ended
            if sock is not None:
                with contextlib.suppress(OSError):  # it has gone by itself
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def forward(self, chunk: bytes, *, there: bool) -> bytes:
        """What goes on of a chunk that comes, on its way `there` or back; for proxies that do something else to it."""
        del there
        return chunk

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            self._turned_away += 1
            self._hang_up(writer)
            return
        # A task of our own: asyncio's would complain, each time, that it was cancelled.
        link = asyncio.create_task(self._link(reader, writer))
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        self._writers.add(writer)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            self._hang_up(writer)
            return
        self._writers.add(far_writer)
        doomed = asyncio.Event()
        there = asyncio.create_task(self._carry(reader, far_writer, self._there, self._dooming(doomed)))
        back = asyncio.create_task(self._carry(far_reader, writer, self._back, lambda _: doomed.is_set()))
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
            self._hang_up(writer)
            self._hang_up(far_writer)

    def _hang_up(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.transport.abort()

    def _dooming(self, doomed: asyncio.Event) -> Callable[[bytes], bool]:
        """Look for requests whose answers shall be lost; they themselves go through."""

        def look(chunk: bytes) -> bool:
            if self._unanswered and all(words in chunk for words in self._unanswered) and not doomed.is_set():
                self.lost_answers += 1
                doomed.set()
            return False

        return look

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        is_open: asyncio.Event,
        ends: Callable[[bytes], bool],
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay)
                await is_open.wait()
                if ends(chunk):
                    return
                if kept := self.forward(chunk, there=is_open is self._there):
                    writer.write(kept)
                    await writer.drain()


@asynccontextmanager
async def proxied(port: int, certificate: Path | None = None) -> AsyncGenerator[Proxy]:
    """A proxy in front of `port` as long as the block runs."""
    proxy = Proxy(port, certificate)
    await proxy.open()
    try:
        yield proxy
    finally:
        await proxy.close()
