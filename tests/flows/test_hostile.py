"""Clients that mean harm, on raw sockets: each is answered or cut, and nobody else notices."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.flows.person import Person
from tests.flows.process import Server, hosting
from tests.flows.soundness import assert_sound
from tests.flows.sse import seqs
from tests.flows.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    import httpx

pytestmark = pytest.mark.timeout(60)

MB: Final = 1024 * 1024

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with hosting(tmp_path_factory.mktemp("hostile"), request_seconds=0.5) as host:
        server = host.start()
        yield server
        assert server.alive
        assert_sound(host.data_dir)


@pytest.fixture
async def alice(http: httpx.AsyncClient, server: Server) -> AsyncGenerator[Person]:
    """Somebody else, who is served as ever when it is over."""
    alice = Person(http, server)
    yield alice
    assert (await alice.told(await alice.submit("noop")))[-1]["status"] == "completed"
    assert (await alice.get("/health"))["status"] == "ok"


class Raw:
    """A connection of our own making."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer

    async def send(self, *pieces: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        got = b""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while data := await self.reader.read(65_536):
                    got += data
        return got

    async def refused(self, status: int, code: str) -> None:
        """One problem is answered, whole."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            assert head.split(b" ")[1] == str(status).encode(), head
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            body = json.loads(await self.reader.readexactly(int(length)))
        assert (body["code"], body["status"]) == (code, status)

    async def cut(self, status: int, code: str) -> None:
        """One problem is answered, and then the connection is closed."""
        await self.refused(status, code)
        assert await self.rest() == b""


@asynccontextmanager
async def connected(server: Server) -> AsyncGenerator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Raw(server, reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def post(alice: Person, *fields: str) -> bytes:
    """The head of a POST by her."""
    own = [f"{name}: {value}" for name, value in alice.headers.items()]
    lines = ["POST /api/jobs/noop HTTP/1.1", "host: there", "content-type: application/json", *own, *fields]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_heads_that_never_end(alice: Person, server: Server) -> None:
    async def begin_only(beginning: bytes) -> None:
        async with connected(server) as raw:
            await raw.send(beginning)
            await raw.cut(408, "request_timeout")

    waiting = [asyncio.create_task(begin_only(head)) for head in (b"", b"GET", b"GET / HTTP/1.1\r\nhost: x\r\n") * 20]
    assert (await alice.get("/health/live"))["status"] == "ok"
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("part", ["head", "body"])
async def test_what_drips(alice: Person, server: Server, part: str) -> None:
    """A little at a time, and always before patience could end: it is the whole that has its time."""

    async def drip(raw: Raw) -> None:
        await raw.send(b"GET / HTTP/1.1\r\n" if part == "head" else post(alice, "content-length: 1000"))
        while True:
            await raw.send(b"x: y\r\n" if part == "head" else b" ")
            await asyncio.sleep(0.05)

    async with connected(server) as raw:
        dripping = asyncio.create_task(drip(raw))
        await raw.refused(408, "request_timeout")
        await raw.rest()
        dripping.cancel()


async def test_a_body_that_never_comes(alice: Person, server: Server) -> None:
    for field, beginning in (("content-length: 100", b'{"'), ("transfer-encoding: chunked", b'5\r\n{"')):
        async with connected(server) as raw:
            await raw.send(post(alice, field) + beginning)
            await raw.cut(408, "request_timeout")
    assert await alice.jobs() == []


@needs_proc
async def test_a_body_of_fifty_megabytes(alice: Person, server: Server) -> None:
    await alice.get("/health")
    before = server.memory()
    piece = b" " * MB
    for head, pieces in (
        (post(alice, f"content-length: {50 * MB}"), [piece] * 50),
        (post(alice, "transfer-encoding: chunked"), [b"%x\r\n%s\r\n" % (MB, piece)] * 50),
        (post(alice, f"content-length: {50 * MB}", "expect: 100-continue"), [piece] * 50),
    ):
        async with connected(server) as raw:
            sending = asyncio.create_task(raw.send(head, *pieces))
            await raw.refused(413, "body_too_large")
            await sending
    assert server.memory() - before < 10 * MB


async def test_who_was_refused_early_does_not_stay_for_ever(alice: Person, server: Server) -> None:
    async with connected(server) as raw:
        await raw.send(post(alice, "content-length: 70000"))
        await raw.refused(413, "body_too_large")
        await raw.send(b" " * 70_000)
        await raw.rest()


async def test_who_was_served_and_says_nothing_does_not_stay_for_ever(alice: Person, server: Server) -> None:
    async with connected(server) as raw:
        await raw.send(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        await raw.reader.readuntil(b"}")
        await raw.send(b"\r\n")  # as much as nothing: it may stand before a request, and begins none
        await raw.rest()


async def test_ten_thousand_brackets(alice: Person, server: Server) -> None:
    for body in (b"[" * 10_000, b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000):
        async with connected(server) as raw:
            await raw.send(post(alice, f"content-length: {len(body)}", "connection: close") + body)
            answer = await raw.rest()
            assert answer.split(b" ")[1] in (b"400", b"422"), answer[:200]
    assert await alice.jobs() == []


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xab" * 200,
        b"\x00" * 1000,
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nho st\x01: a\r\n\r\n",
        b"LONDON CALLING\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
    ids=["tls", "zeros", "two lengths", "minus", "name", "words", "version"],
)
async def test_what_is_no_http(alice: Person, server: Server, garbage: bytes) -> None:
    async with connected(server) as raw:
        await raw.send(garbage)
        await raw.cut(400, "malformed")


async def test_garbage_behind_a_good_request(alice: Person, server: Server) -> None:
    good = b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n"
    async with connected(server) as raw:
        await raw.send(good + good + b"\x00\x01garbage\r\n\r\n" + good)
        answer = await raw.rest()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.count(b"HTTP/1.1 ") <= 3


@needs_proc
async def test_a_head_of_a_megabyte(alice: Person, server: Server) -> None:
    before = server.memory()
    for line in (b"x: " + b"y" * MB, b"x: y\r\n" * (MB // 6)):
        async with connected(server) as raw:
            sending = asyncio.create_task(raw.send(b"GET / HTTP/1.1\r\n" + line))
            answer = await raw.rest()
            await sending
        assert answer.split(b" ")[1] in (b"400", b"431"), answer[:200]
    assert server.memory() - before < 10 * MB


@pytest.mark.parametrize("how", ["half-closed", "reset"])
async def test_a_reader_that_breaks_off(alice: Person, server: Server, how: str) -> None:
    job_id = await alice.walk(1000, 0.02)
    own = "".join(f"{name}: {value}\r\n" for name, value in alice.headers.items())
    async with connected(server) as raw, alice.follow(job_id, query="?after=0") as stream:
        await raw.send(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nhost: a\r\n{own}\r\n".encode())
        await raw.reader.readuntil(b'"type":"update"')
        if how == "half-closed":
            raw.writer.write_eof()
            await raw.rest()
        else:
            linger = struct.pack("ii", 1, 0)
            raw.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            raw.writer.transport.abort()
        await stream.next()
        await alice.act(job_id, "cancel", 202)
        await stream.rest()
    assert seqs(stream.messages) == list(range(1, stream.messages[-1].seq + 1))


async def test_words_that_look_like_frames_and_log_lines(alice: Person, server: Server) -> None:
    words = 'fog\r\n\r\ndata: {"type":"final"}\n\nid: 99\nevent: final\u2028\u2029\x85\x1b[31m\x00\n{"level":"error"}\n'
    lines = len(server.log())
    job_id = await alice.submit("image-generation", {"prompt": words, "platforms": ["open-graph"]})
    told = await alice.told(job_id)
    assert told == await alice.timeline(job_id)
    async with alice.follow(job_id) as stream:
        connected, final = await stream.rest()
    assert connected.body["data"]["prompt"] == words
    assert final.body == told[-1]
    assert len(server.log()) == lines


async def test_a_crowd_that_connects_and_says_nothing(alice: Person, server: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        crowd = [await stack.enter_async_context(connected(server)) for _ in range(300)]
        assert (await alice.get("/health/ready"))["status"] == "ready"
        await asyncio.gather(*(raw.cut(408, "request_timeout") for raw in crowd))
