"""What is sent before the request in front of it has been answered, and what is left of a connection that has ended."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from typing import TYPE_CHECKING, cast

import pytest

from server.protocol import AHEAD
from tests.server.listener import following
from tests.server.service import ALICE, Service, served, serving, wait_until

if TYPE_CHECKING:
    from server.protocol import GuardedProtocol
    from tests.server.service import Serving

HEAD = f"host: x\r\nx-session-id: {ALICE['x-session-id']}\r\n"
LIVE = f"GET /health/live HTTP/1.1\r\n{HEAD}\r\n"


def follow(job_id: str, more: str = "", version: str = "1.1") -> str:
    return f"GET /api/jobs/{job_id}/events HTTP/{version}\r\n{HEAD}{more}\r\n"


class Asking:
    """A connection that sends ahead."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def send(self, text: str) -> None:
        self._writer.write(text.encode())

    async def until(self, end: str) -> str:
        async with asyncio.timeout(5):
            return (await self._reader.readuntil(end.encode())).decode()

    async def rest(self) -> str:
        async with asyncio.timeout(10):
            return (await self._reader.read()).decode()

    def tear(self) -> None:
        self._writer.transport.abort()


async def asking(port: int, sent: str) -> Asking:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    one = Asking(reader, writer)
    one.send(sent)
    return one


def only(server: Serving) -> GuardedProtocol:
    (connection,) = server.server_state.connections
    return cast("GuardedProtocol", connection)


async def test_a_few_requests_wait_behind_a_stream_and_then_it_ends(service: Service) -> None:
    job_id = await service.submit()
    async with serving(service) as server:
        one = await asking(server.port, follow(job_id))
        await one.until("connected")
        one.send(LIVE * 20)
        await wait_until(lambda: len(only(server).pipeline) == AHEAD)
        await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
        rest = await one.rest()  # to the end of the connection
        assert '"final"' in rest
        assert rest.count("HTTP/1.1 200 OK") == AHEAD
        assert rest.count("connection: close") == 1, "whose answer is the last is told so"
        one.tear()


@pytest.mark.parametrize("first", ["stream", "answer"])
async def test_of_thousands_of_requests_a_few_are_kept(service: Service, first: str) -> None:
    job_id = await service.submit()
    kept: list[int] = []
    async with serving(service) as server:
        one = await asking(server.port, (follow(job_id) if first == "stream" else LIVE) + LIVE * 3_000)
        while not kept or kept[-1] < AHEAD:
            await asyncio.sleep(0)
            kept += [len(cast("GuardedProtocol", it).pipeline) for it in server.server_state.connections]
        assert kept[-1] == AHEAD
        one.tear()


async def test_the_beginning_of_a_request_may_come_with_the_one_before(service: Service) -> None:
    job_id = await service.submit()
    async with served(service) as port:
        one = await asking(port, follow(job_id) + LIVE[:20])
        await one.until("connected")
        one.send(LIVE[20:])
        await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
        assert '"final"' in await one.until("0\r\n\r\n")
        assert (await one.until("\r\n")).startswith("HTTP/1.1 200")
        one.tear()


async def test_of_a_request_whose_stream_waits_nothing_is_kept(service: Service) -> None:
    job_id = await service.submit()
    async with serving(service) as server, following(server.port, job_id):
        await wait_until(lambda: only(server).listener is not None)
        it = only(server)
        assert [it.scope, it.headers, it.cycle.scope] == [None] * 3


async def test_what_follows_a_body_is_passed_over(service: Service) -> None:
    job_id = await service.submit()
    async with served(service) as port:
        one = await asking(port, follow(job_id, "transfer-encoding: chunked\r\n") + "2\r\n{}\r\n0\r\n")
        await one.until("connected")
        one.send("a: trailer\r\n" * 100 + "\r\n" + LIVE)
        await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
        assert '"final"' in await one.until("0\r\n\r\n")
        assert (await one.until("\r\n")).startswith("HTTP/1.1 200")
        one.tear()


async def test_a_body_is_not_counted_as_the_head_behind_it(service: Service) -> None:
    async with serving(service) as server:
        body = "x" * 16_000
        post = f"POST /api/jobs/noop HTTP/1.1\r\n{HEAD}content-length: {len(body)}\r\n\r\n{body}"
        one = await asking(server.port, "")
        await wait_until(lambda: len(server.server_state.connections) == 1)
        for piece in (post + LIVE[:-2] + "y: ", *["y" * 6_000] * 10, "\r\n\r\n"):
            only(server).data_received(piece.encode())
        assert (await one.until("HTTP/1.1 200")).startswith("HTTP/1.1 415")
        one.tear()


async def test_what_is_broken_behind_a_stream_is_not_answered_within_it(service: Service) -> None:
    job_id = await service.submit()
    async with served(service) as port:
        one = await asking(port, follow(job_id))
        await one.until("connected")
        one.send(f"POST /x HTTP/1.1\r\n{HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n")
        assert "HTTP/1.1" not in await one.rest()
        one.tear()


async def test_who_asks_to_speak_something_else_is_answered_and_left(service: Service) -> None:
    upgrade = "connection: upgrade\r\nupgrade: websocket\r\n"
    async with served(service) as port:
        one = await asking(port, LIVE[:-2] + upgrade + "\r\n")
        answer = await one.rest()
        assert answer.startswith("HTTP/1.1 200")
        assert "connection: close" in answer
        one.tear()


@pytest.mark.parametrize("plain", [False, True], ids=["wire", "plain"])
async def test_a_stream_with_requests_behind_it_is_forgotten_with_its_connection(service: Service, plain: bool) -> None:
    job_id = await service.submit()
    async with serving(service, plain=plain) as server:
        one = await asking(server.port, follow(job_id) + LIVE + LIVE)
        await one.until("connected")
        await wait_until(lambda: service.state["hub"].readers == 1)
        connection = only(server)
        one.tear()
        connection.transport.abort()
        await wait_until(lambda: service.state["hub"].readers == 0)


@pytest.mark.parametrize("behind", ["", LIVE * 5, LIVE[:20]], ids=["nothing", "requests", "a part of one"])
async def test_a_connection_that_has_ended_is_no_garbage(service: Service, behind: str) -> None:
    job_id = await service.submit()
    names = {"GuardedProtocol", "RequestResponseCycle", "TransportWire", "Reader"}

    def there() -> Counter[str]:
        return Counter(name for it in gc.get_objects() if (name := type(it).__name__) in names)

    async with serving(service) as server, following(server.port, job_id):
        connections, witness = server.server_state.connections, only(server)

        def abort() -> None:
            for it in connections - {witness}:
                cast("GuardedProtocol", it).transport.abort()

        gc.collect()
        gc.disable()
        try:
            before = there()
            for _ in range(3):
                one = await asking(server.port, LIVE)
                await one.until("}")
                one.send(follow(job_id) + behind)
                await one.until("connected")
                await wait_until(lambda: service.state["hub"].readers == 2)
                abort()
                one.tear()
            await wait_until(lambda: len(connections) == 1)
            await wait_until(lambda: there() == before)
        finally:
            gc.enable()
