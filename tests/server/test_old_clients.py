"""Clients that speak HTTP/1.0, and the wire over `send` that their streams go through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from server.old_clients import without_chunks
from server.streams.frames import chunk
from server.streams.wire import FULL_BYTES, SendWire
from tests.flows.sse import Parser
from tests.server.service import Service, served, wait_until
from tests.server.test_ahead import asking, follow
from tests.server.test_stream_sockets import big_events

if TYPE_CHECKING:
    from starlette.types import Message

OLD = "HTTP/1.0\r\nhost: x\r\n\r\n"


async def test_a_stream_is_not_cut_into_chunks(service: Service) -> None:
    job_id = await service.submit()
    job = await service.claim()
    await big_events(service, job, 60)
    await service.complete(job)
    async with served(service) as port:
        one = await asking(port, follow(job_id, "last-event-id: 2\r\n", version="1.0"))
        head, _, body = (await one.rest()).partition("\r\n\r\n")
        assert head.startswith("HTTP/1.1 200")
        assert "transfer-encoding" not in head.lower()
        assert [message.seq for message in Parser().feed(body.encode()) if message.seq] == list(range(3, 124))
        one.tear()


async def test_it_is_told_once_what_becomes_of_the_connection(service: Service) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    async with served(service) as port:
        one = await asking(port, follow(job_id, version="1.0"))
        head = (await one.rest()).partition("\r\n\r\n")[0].lower().split("\r\n")
        assert [line for line in head if line.startswith("connection:")] == ["connection: close"]
        one.tear()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_other_answers_keep_their_length(service: Service, method: str) -> None:
    async with served(service) as port:
        one = await asking(port, f"{method} /health/live {OLD}")
        head, _, body = (await one.rest()).partition("\r\n\r\n")
        assert "content-length: 16" in head
        assert len(body) == (16 if method == "GET" else 0)
        one.tear()


async def test_an_answer_without_a_length_goes_on_until_the_end() -> None:
    class Cycle:
        chunked_encoding: bool | None = None
        expected_content_length = 0

    cycle: Any = Cycle()
    lengths: list[int] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert cycle.chunked_encoding is False
        for body in (b"abc", b"", b"de"):
            await send({"type": "http.response.body", "body": body, "more_body": body != b"de"})

    async def send(message: Message) -> None:
        lengths.append(cycle.expected_content_length)

    old: Any = without_chunks(app, cycle)
    await old({}, None, send)
    assert lengths == [0, 3, 0, 2]


class Sending:
    """The `send` and `receive` of a server that a test stops."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.may = asyncio.Event()
        self.gone = asyncio.Event()
        self.lost_told = 0

    async def send(self, message: Any) -> None:
        await self.may.wait()
        self.bodies.append(message["body"])

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    def lost(self) -> None:
        self.lost_told += 1

    def on_full(self) -> None:
        raise AssertionError


async def test_it_is_full_before_anything_has_been_sent() -> None:
    wire, sending = SendWire(), Sending()
    data = b"x" * 20_000
    written = 0
    while not wire.full:
        wire.write(chunk(data))
        written += 1
    assert written == FULL_BYTES // len(data) + 1
    carrying = asyncio.create_task(wire.carry(sending, sending.receive, sending.send))
    drained = asyncio.create_task(wire.drained())
    await asyncio.sleep(0)
    assert not drained.done()
    sending.may.set()
    await drained
    assert not wire.full
    wire.end()
    await carrying
    assert sending.bodies == [data * written, b""]
    assert (wire.closing, sending.lost_told) == (True, 1)


async def test_where_the_server_offers_it_the_connection_is_torn() -> None:
    sending = Sending()
    wire = SendWire(sending.gone.set)
    carrying = asyncio.create_task(wire.carry(sending, sending.receive, sending.send))
    wire.write(chunk(b"abc\n"))
    await asyncio.sleep(0)
    wire.abort()
    await carrying
    assert sending.gone.is_set()
    assert sending.bodies == []


@pytest.mark.parametrize("ended", [False, True])
async def test_elsewhere_it_gives_up_when_nothing_is_taken(ended: bool) -> None:
    sending = Sending()
    wire = SendWire(patience=0.02)
    wire.write(chunk(b"abc\n"))
    if ended:
        wire.end()
    async with asyncio.timeout(5):
        await wire.carry(sending, sending.receive, sending.send)
    assert (wire.closing, sending.lost_told, sending.bodies) == (True, 1, [])


async def test_an_old_client_that_is_cut_leaves_no_task(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    job_id = await service.submit()
    async with served(service) as port:
        one = await asking(port, follow(job_id, version="1.0"))
        await one.until("connected")
        hub = service.state["hub"]
        await wait_until(lambda: hub.readers == 1)
        for reader in list(hub._beat):  # pyright: ignore[reportPrivateUsage]
            reader.abort()
        await wait_until(lambda: hub.readers == 0)
        one.tear()
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
