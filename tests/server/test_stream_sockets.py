"""Streams on real sockets that are slow, frozen, torn off, kept for the next request, or not of HTTP/1.1."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from snapasset.records.steps import FinishStep, StartStep
from tests.flows.sse import Parser
from tests.server.listener import following, listening
from tests.server.service import ALICE, Service, opened, served, serving, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from snapasset.job import Job

BIG = json.dumps({"words": "x" * 20_000})
HEAD = f"host: x\r\nx-session-id: {ALICE['x-session-id']}\r\n"

both_ways = pytest.mark.parametrize("plain", [False, True], ids=["wire", "plain"])


async def big_events(service: Service, job: Job, times: int) -> None:
    """Twice so many events, every other one so large that a few of them fill a socket."""
    for number in range(times):
        database = service.state["database"]
        await database.write(StartStep(job.id, job.fence, f"step-{number}", paid=False, progress=1))
        await database.write(FinishStep(job.id, job.fence, f"step-{number}", BIG, 1))


@asynccontextmanager
async def small_socket(port: int, request: str) -> AsyncGenerator[socket.socket]:
    """A connection that takes little unless it is read."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", port))
        await loop.sock_sendall(connection, request.encode())
        yield connection


async def read_until(connection: socket.socket, end: bytes) -> bytes:
    data = bytearray()
    async with asyncio.timeout(20):
        while not data.endswith(end):
            try:
                part = await asyncio.get_running_loop().sock_recv(connection, 65_536)
            except ConnectionResetError:
                break
            if not part:
                break
            data += part
    return bytes(data)


def unchunked(data: bytes) -> bytes:
    body, rest = b"", data.partition(b"\r\n\r\n")[2]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


@both_ways
async def test_a_reader_that_is_slow_misses_nothing_and_holds_up_nobody(service: Service, plain: bool) -> None:
    job_id = await service.submit()
    job = await service.claim()
    hub = service.state["hub"]
    async with (
        served(service, plain=plain) as port,
        small_socket(port, f"GET /api/jobs/{job_id}/events?after=2 HTTP/1.1\r\n{HEAD}\r\n") as slow,
        following(port, job_id, last_event_id="2") as quick,
    ):
        await wait_until(lambda: hub.readers == 2)
        await big_events(service, job, 300)
        while (await quick.next()).id != "602":
            pass
        await wait_until(lambda: hub.waiting == 1)
        await service.complete(job)
        data = await read_until(slow, b"0\r\n\r\n")
        messages = list(Parser().feed(unchunked(data)))
        assert [message.seq for message in messages if message.seq] == list(range(3, 604))
        await wait_until(lambda: hub.readers == 0)


@both_ways
async def test_a_reader_that_takes_nothing_is_cut(tmp_path: Path, plain: bool) -> None:
    async with opened(settings_for(tmp_path, stream_frozen_seconds=0.2, heartbeat_seconds=0.5)) as service:
        job_id = await service.submit()
        job = await service.claim()
        hub = service.state["hub"]
        async with (
            served(service, plain=plain) as port,
            small_socket(port, f"GET /api/jobs/{job_id}/events?after=2 HTTP/1.1\r\n{HEAD}\r\n") as frozen,
        ):
            await wait_until(lambda: hub.readers == 1)
            await big_events(service, job, 300)
            await wait_until(lambda: hub.readers == 0)
            assert not (await read_until(frozen, b"0\r\n\r\n")).endswith(b"0\r\n\r\n")


async def test_a_socket_that_one_event_has_filled_is_noticed_though_nothing_follows(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, stream_frozen_seconds=0.2, heartbeat_seconds=600)) as service:
        job_id = await service.submit()
        job = await service.claim()
        hub = service.state["hub"]
        async with (
            served(service) as port,
            small_socket(port, f"GET /api/jobs/{job_id}/events?after=2 HTTP/1.1\r\n{HEAD}\r\n"),
        ):
            await wait_until(lambda: hub.readers == 1)
            await service.step(job, output={"words": "x" * 8_000_000})
            await wait_until(lambda: hub.readers == 0)


@both_ways
async def test_a_connection_that_is_torn_off_is_forgotten(service: Service, plain: bool) -> None:
    job_id = await service.submit()
    hub = service.state["hub"]
    async with served(service, plain=plain) as port:
        async with following(port, job_id) as stream:
            await stream.next()
            assert hub.readers == 1
            stream.tear()
            await wait_until(lambda: hub.readers == 0)
        await service.claim()
    assert hub.waiting == 0


async def test_after_its_end_the_connection_takes_the_next_request(service: Service) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    async with served(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for after in ("4", "3", "2"):
            writer.write(f"GET /api/jobs/{job_id}/events?after={after} HTTP/1.1\r\n{HEAD}\r\n".encode())
            async with asyncio.timeout(5):
                answer = await reader.readuntil(b"0\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.count(b"\nid: ") == 5 - int(after)
        writer.close()


async def test_a_request_behind_an_open_stream_waits_for_its_end(service: Service) -> None:
    job_id = await service.submit()
    job = await service.claim()
    async with served(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\n{HEAD}\r\n".encode())
        async with asyncio.timeout(5):
            await reader.readuntil(b"connected")
            writer.write(f"GET /health/live HTTP/1.1\r\n{HEAD}\r\n".encode())
            await wait_until(lambda: service.state["hub"].readers == 1)
            await service.complete(job)
            stream = await reader.readuntil(b"0\r\n\r\n")
            assert b'"final"' in stream
            assert b"HTTP/1.1" not in stream
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_requests_sent_together_are_answered_in_turn(service: Service) -> None:
    first, second = await service.submit(), await service.submit()
    for job_id in (first, second):
        await service.run(job_id)
    asked = [f"GET /api/jobs/{job_id}/events HTTP/1.1\r\n{HEAD}\r\n" for job_id in (first, second)]
    async with served(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write("".join(asked).encode())
        async with asyncio.timeout(5):
            for job_id in (first, second):
                answer = (await reader.readuntil(b"0\r\n\r\n")).decode()
                assert answer.startswith("HTTP/1.1 200")
                assert {job_id in answer, (first in answer) != (second in answer)} == {True}
        writer.close()


async def test_an_older_client_is_served_as_well(service: Service) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    async with served(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.0\r\n{HEAD}\r\n".encode())
        async with asyncio.timeout(5):
            answer = await reader.read()
        assert answer.count(b"data: ") == 2
        writer.close()


async def test_a_client_that_wants_nothing_else_is_left_at_the_end(service: Service) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    async with served(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\n{HEAD}connection: close\r\n\r\n".encode())
        async with asyncio.timeout(3):  # less than a connection is kept for
            assert (await reader.read()).endswith(b"0\r\n\r\n")
        writer.close()


async def test_a_client_that_asks_to_go_on_first_is_told_to(service: Service) -> None:
    job_id = await service.submit()
    async with (
        served(service) as port,
        listening(port, f"/api/jobs/{job_id}/events", headers={"expect": "100-continue"}) as stream,
    ):
        assert stream.status == 200
        await stream.next()


async def test_a_server_that_stops_ends_streams_and_connections(service: Service) -> None:
    job_id = await service.submit()
    async with served(service) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\n{HEAD}\r\n".encode())
        async with asyncio.timeout(5):
            await reader.readuntil(b"connected")
    async with asyncio.timeout(5):
        rest = await reader.read()
    assert rest.endswith(b"0\r\n\r\n")
    writer.close()


async def test_who_comes_back_in_a_drain_is_not_kept_by_the_server_that_ends(service: Service) -> None:
    job_id = await service.submit()
    request = f"GET /api/jobs/{job_id}/events HTTP/1.1\r\n{HEAD}\r\n".encode()
    async with serving(service) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        later, late = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        async with asyncio.timeout(3):  # less than a connection is kept for
            await reader.readuntil(b"connected")
            server.part()
            await service.state["drain"]()
            assert (await reader.read()).endswith(b"0\r\n\r\n")
            late.write(f"GET /health/live HTTP/1.1\r\n{HEAD}\r\n".encode())
            answer = await later.read()
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in answer
        writer.close()
        late.close()


async def test_a_server_that_is_told_to_stop_parts_before_it_drains(service: Service) -> None:
    parted: list[bool] = []
    drain = service.state["drain"]
    async with serving(service) as server:

        async def draining() -> int:
            parted.append(server.server_state.leaving)
            return await drain()

        service.state["drain"] = draining
    assert parted == [True]
