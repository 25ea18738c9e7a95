"""More connections than there may be: each is told so in its own way, and whoever is in stays."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from server.crowding import TURNED_AWAY
from server.descriptors import KEPT_BACK, with_room
from snapasset.settings import Settings
from tests.server.listener import following
from tests.server.service import opened, served, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.server.service import Service

MOST = 3
ROOT = Path(__file__).parents[2]


@pytest.fixture
async def small(tmp_path: Path) -> AsyncGenerator[tuple[Service, int]]:
    async with opened(settings_for(tmp_path, connections_max=MOST)) as service, served(service) as port:
        yield service, port


async def ask(port: int, path: str, method: str = "GET", more: str = "", host: str = "127.0.0.1") -> str:
    """The whole answer on a connection of its own, until the server closes it; nothing when it gives none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\n{more}content-length: 2\r\n\r\n{{}}".encode())
    try:
        async with asyncio.timeout(5):
            return (await reader.read()).decode().lower()
    except ConnectionResetError:
        return ""
    finally:
        writer.close()


async def silent(stack: AsyncExitStack, port: int, sent: str = "") -> asyncio.StreamReader:
    """A connection that asks for nothing, or not for all of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.close)
    writer.write(sent.encode())
    return reader


async def fill(stack: AsyncExitStack, service: Service, port: int) -> None:
    """Take all connections there may be with streams."""
    job_id = await service.submit()
    for _ in range(MOST):
        await stack.enter_async_context(following(port, job_id))


async def test_one_too_many_is_told_to_come_back(small: tuple[Service, int]) -> None:
    service, port = small
    async with AsyncExitStack() as stack:
        await fill(stack, service, port)
        for path, method in (
            ("/openapi.json", "GET"),
            ("/api/jobs/image-generation", "POST"),
            ("/api/jobs/x/events", "POST"),
        ):
            answer = await ask(port, path, method)
            assert answer.startswith("http/1.1 503 ")
            assert "retry-after: " in answer
            assert "connection: close" in answer
            assert '"code":"unavailable"' in answer
        # An EventSource would never come again after a 503.
        answer = await ask(port, "/api/jobs/x/events?after=3")
        assert answer.startswith("http/1.1 200 ")
        assert "content-type: text/event-stream" in answer
        assert "connection: close" in answer
        assert "retry: " in answer
    await wait_until(lambda: service.state["hub"].readers == 0)
    assert (await ask(port, "/health/live", more="connection: close\r\n")).startswith("http/1.1 200 ")


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/metrics"])
async def test_how_the_server_is_can_be_asked_however_full_it_is(small: tuple[Service, int], path: str) -> None:
    service, port = small
    async with AsyncExitStack() as stack:
        await fill(stack, service, port)
        for _ in range(TURNED_AWAY + MOST):
            await silent(stack, port)
        answer = await ask(port, path)
        assert answer.startswith("http/1.1 200 ")
        assert "connection: close" in answer
        assert service.state["hub"].readers == MOST


async def test_who_says_nothing_makes_room_the_first_to_come_first(small: tuple[Service, int]) -> None:
    _, port = small
    async with AsyncExitStack() as stack:
        readers = [await silent(stack, port) for _ in range(MOST)]
        for gone in readers:
            assert (await ask(port, "/openapi.json", more="connection: close\r\n")).startswith("http/1.1 200 ")
            await silent(stack, port)
            async with asyncio.timeout(5):
                assert await gone.read() == b""


async def test_who_has_been_answered_makes_room_but_not_before_who_says_nothing(small: tuple[Service, int]) -> None:
    service, port = small
    async with AsyncExitStack() as stack:
        job_id = await service.submit()
        await stack.enter_async_context(following(port, job_id))
        idle = await silent(stack, port, "GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(5):
            await idle.readuntil(b"}")
        waiting = await silent(stack, port, "GET / HT")
        for gone in (waiting, idle):
            streaming = following(port, job_id)
            await stack.enter_async_context(streaming)
            async with asyncio.timeout(3):  # less than an answered one is kept for
                assert await gone.read() == b""
        assert service.state["hub"].readers == MOST


async def test_who_is_turned_away_has_little_time_to_ask(
    small: tuple[Service, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    service, port = small
    monkeypatch.setattr("server.protocol.TURNED_AWAY_SECONDS", 0.05)
    async with AsyncExitStack() as stack:
        await fill(stack, service, port)
        one_too_many = await silent(stack, port)
        async with asyncio.timeout(5):
            assert (await one_too_many.read()).startswith(b"HTTP/1.1 408 ")


@pytest.mark.skipif(sys.platform != "linux", reason="this machine has one address there")
async def test_one_address_may_take_no_more_than_its_share(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, connections_per_address=2)) as service, served(service) as port:
        job_id = await service.submit()
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(following(port, job_id))
            assert (await ask(port, "/openapi.json")).startswith("http/1.1 503 ")
            assert (await ask(port, "/health/live")).startswith("http/1.1 200 ")
            elsewhere = await ask(port, "/openapi.json", host="127.0.0.2", more="connection: close\r\n")
            assert elsewhere.startswith("http/1.1 200 ")
        await wait_until(lambda: service.state["hub"].readers == 0)
        answer = await ask(port, "/openapi.json", more="connection: close\r\n")
        assert answer.startswith("http/1.1 200 ")


def test_what_the_system_has_room_for_is_the_most(caplog: pytest.LogCaptureFixture) -> None:
    asked = with_room(Settings(connections_max=5))
    assert asked.connections_max == 5
    unasked = with_room(Settings())
    assert unasked.connections_max is None or unasked.connections_max > KEPT_BACK
    assert not caplog.records
    if unasked.connections_max is not None:
        with caplog.at_level(logging.WARNING):
            assert with_room(Settings(connections_max=2**40)).connections_max == unasked.connections_max
        assert "CONNECTIONS_MAX" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="nobody counts descriptors there")
def test_a_low_limit_of_open_files_is_raised() -> None:
    program = (
        "import resource; from server.descriptors import with_room; from snapasset.settings import Settings\n"
        "room = with_room(Settings()).connections_max\n"
        "print(room, *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    limited = f"ulimit -S -n 300; ulimit -H -n 2000; exec {sys.executable} -c '{program}'"
    done = subprocess.run(["bash", "-c", limited], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True)
    assert list(map(int, done.stdout.split())) == [2000 - KEPT_BACK, 2000, 2000]
