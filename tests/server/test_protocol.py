"""What never becomes a request: slow, endless or broken bytes on a connection."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.server.service import ALICE, GOOD, Service, opened, served, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

PATIENCE = 0.2
HEAD = b"POST /api/jobs/image-generation HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + (
    f"x-session-id: {ALICE['x-session-id']}\r\n".encode()
)
BODY = json.dumps(GOOD).encode()


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncGenerator[tuple[Service, int]]:
    async with opened(settings_for(tmp_path, request_seconds=PATIENCE)) as service, served(service) as port:
        yield service, port


class Wire:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, str]:
        """The status and the code of an answer that is a problem."""
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            body = json.loads(await self.reader.readexactly(length))
        assert "content-type: application/problem+json" in head
        assert int(head.split()[1]) == body["status"]
        return body["status"], body["code"]

    async def is_closed(self) -> bool:
        async with asyncio.timeout(5):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True


@asynccontextmanager
async def connected(port: int, *sent: bytes) -> AsyncGenerator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in sent:
        writer.write(part)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_connection_that_says_nothing_is_closed(impatient: tuple[Service, int]) -> None:
    async with connected(impatient[1]) as wire:
        assert await wire.answer() == (408, "request_timeout")
        assert await wire.is_closed()


async def test_a_head_that_does_not_end_is_given_up(impatient: tuple[Service, int]) -> None:
    async with connected(impatient[1], HEAD) as wire:
        assert await wire.answer() == (408, "request_timeout")
        assert await wire.is_closed()


async def test_a_body_that_does_not_end_is_given_up(impatient: tuple[Service, int]) -> None:
    async with connected(impatient[1], HEAD + b"content-length: 100\r\n\r\n{") as wire:
        assert await wire.answer() == (408, "request_timeout")
        assert await wire.is_closed()


async def test_a_body_nobody_reads_cannot_go_on_for_ever(impatient: tuple[Service, int]) -> None:
    async with connected(
        impatient[1], b"POST /api/jobs/x/cancel HTTP/1.1\r\nhost: x\r\ncontent-length: 9000000\r\n\r\n"
    ) as wire:
        assert await wire.answer() == (404, "not_found")
        assert await wire.is_closed()


async def test_a_second_request_has_its_own_time(impatient: tuple[Service, int]) -> None:
    async with connected(impatient[1], b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n") as wire:
        assert await wire.answer() == (404, "not_found")
        wire.writer.write(b"GET /y HTTP/1.1\r\n")
        assert await wire.answer() == (408, "request_timeout")
        assert await wire.is_closed()


async def test_a_stream_may_last_longer_than_a_request_may_take(impatient: tuple[Service, int]) -> None:
    service, port = impatient
    job_id = await service.submit()
    path = f"/api/jobs/{job_id}/events?after=1"
    async with connected(
        port, HEAD.replace(b"POST /api/jobs/image-generation", f"GET {path}".encode()) + b"\r\n"
    ) as wire:
        await wire.reader.readuntil(b"resumedAfter")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3 * PATIENCE):
                await wire.reader.readuntil(b"0\r\n\r\n")
        await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
        async with asyncio.timeout(5):
            assert b'"final"' in await wire.reader.readuntil(b"0\r\n\r\n")


@pytest.mark.parametrize("parts", [1, 100])
async def test_an_endless_head_is_refused(service: Service, parts: int) -> None:
    lines = [b"x: " + b"a" * (200_000 // parts) + b"\r\n"] * parts
    async with served(service) as port, connected(port, HEAD, *lines) as wire:
        assert await wire.answer() == (431, "header_too_large")
        assert await wire.is_closed()


async def test_an_endless_address_is_refused(service: Service) -> None:
    async with served(service) as port, connected(port, b"GET /" + b"a" * 200_000) as wire:
        assert await wire.answer() == (431, "header_too_large")
        assert await wire.is_closed()


@pytest.mark.parametrize(
    "sent",
    [b"hello\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET  HTTP/1.1\r\n\r\n",
     HEAD + b"content-length: -1\r\n\r\n", HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nab",
     HEAD + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", HEAD + b"a b: c\r\n\r\n",
     HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n"],
)  # fmt: skip
async def test_what_is_no_http_is_answered_and_closed(service: Service, sent: bytes) -> None:
    async with served(service) as port, connected(port, sent) as wire:
        assert await wire.answer() == (400, "malformed")
        assert await wire.is_closed()
    assert (await service.http.get("/api/jobs", headers=ALICE)).json()["jobs"] == []


async def test_a_body_in_pieces_is_put_together(service: Service) -> None:
    chunks = [b"%x\r\n%b\r\n" % (1, BODY[place : place + 1]) for place in range(len(BODY))]
    head = HEAD + b"transfer-encoding: chunked\r\n\r\n"
    async with served(service) as port, connected(port, head, *chunks, b"0\r\n\r\n") as wire, asyncio.timeout(5):
        assert (await wire.reader.readline()).startswith(b"HTTP/1.1 202 ")


async def test_a_client_that_leaves_within_its_body_is_no_error(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(service) as port:
        async with connected(port, HEAD + b"content-length: 100\r\n\r\n{"):
            pass
        async with connected(port, b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n") as wire:
            assert await wire.answer() == (404, "not_found")
    assert not [record for record in caplog.records if record.levelname != "INFO"]


async def test_requests_sent_ahead_are_answered_in_order(service: Service) -> None:
    asked = [f"GET /{name} HTTP/1.1\r\nhost: x\r\n\r\n".encode() for name in ("health/live", "nothing", "health/live")]
    async with served(service) as port, connected(port, b"".join(asked)) as wire, asyncio.timeout(5):
        statuses: list[bytes] = []
        while len(statuses) < len(asked):
            line = await wire.reader.readline()
            if b"HTTP/1.1 " in line:
                statuses.append(line.split(b"HTTP/1.1 ")[1][:3])
    assert statuses == [b"200", b"404", b"200"]


async def test_what_is_no_http_behind_a_good_request_does_not_answer_it(service: Service) -> None:
    job_id = await service.submit()
    path = f"/api/jobs/{job_id}/events?after=1"
    head = HEAD.replace(b"POST /api/jobs/image-generation", f"GET {path}".encode()) + b"\r\n"
    async with served(service) as port, connected(port, head) as wire, asyncio.timeout(5):
        await wire.reader.readuntil(b"resumedAfter")
        wire.writer.write(b"hello\r\n\r\n")
        assert b"HTTP/1.1 400" not in await wire.reader.read()
