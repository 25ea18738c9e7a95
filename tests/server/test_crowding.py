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

from server.descriptors import KEPT_BACK, with_room
from server.protocol import TURNED_AWAY
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


async def ask(port: int, path: str, method: str = "GET", more: str = "") -> str:
    """The whole answer on a connection of its own, until the server closes it; nothing when it gives none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{method} {path} HTTP/1.1\r\nhost: x\r\n{more}content-length: 2\r\n\r\n{{}}".encode())
    try:
        async with asyncio.timeout(5):
            return (await reader.read()).decode().lower()
    except ConnectionResetError:
        return ""
    finally:
        writer.close()


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
            ("/health", "GET"),
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


async def test_a_crowd_at_the_door_gets_no_answer_and_costs_nothing(small: tuple[Service, int]) -> None:
    service, port = small
    async with AsyncExitStack() as stack:
        await fill(stack, service, port)
        for _ in range(TURNED_AWAY):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
        assert await ask(port, "/health") == ""
        assert service.state["hub"].readers == MOST


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
