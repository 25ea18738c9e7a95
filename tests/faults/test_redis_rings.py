"""Rings in a Redis that dies, freezes, forgets, fills up or refuses: workers wait calmly and go on by themselves."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from redis.exceptions import RedisError

from snapasset.errors import QueueUnavailable
from snapasset.queue.redis import DEQUEUE_SECONDS, RedisRings
from snapasset.queue.redis_address import RedisAddress
from snapasset.queue.redis_probe import RedisProbe
from tests.contracts.conftest import QuietWorker, wait_until
from tests.faults.conftest import HEAL_SECONDS, Cost, assert_said_little, calm
from tests.servers.proxy import Proxy, proxied
from tests.servers.redis import running_redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.servers.redis import RedisServer

pytestmark = pytest.mark.timeout(90)

IDLE_HANDS = 50
FLAPS = 6
DOWN_SECONDS = 0.3
UP_SECONDS = 0.5
"""Long enough for every hand to wait for a ring again."""

RECORD = uuid4().hex


class House:
    """An API process that rings and a worker process that answers, as far as rings are concerned."""

    def __init__(self, address: RedisAddress) -> None:
        self.bell = RedisRings.for_api("default", RECORD, address)
        self.rings = RedisRings.for_worker("default", RECORD, address)
        self.begun: list[int] = []
        self.answered: list[int] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self._rung = 0

    async def ring(self, _context: dict[str, Any], *, n: int) -> None:
        self.begun.append(n)
        await self.hold.wait()
        self.answered.append(n)

    async def call(self) -> int:
        """Ring once; the number of the ring."""
        self._rung += 1
        assert await self.bell.enqueue("ring", key=f"{self._rung}", timeout=60, ttl=-1, n=self._rung) is not None
        return self._rung

    async def is_answered(self) -> None:
        """Ring until a ring is answered, as reconcilers do: one that was lost is none."""
        deadline = time.monotonic() + HEAL_SECONDS

        async def answered() -> bool:
            try:
                n = await self.call()
            except RedisError:
                return False
            await asyncio.sleep(0.05)
            return n in self.answered

        await wait_until(answered, deadline - time.monotonic())


@asynccontextmanager
async def house(address: RedisAddress) -> AsyncGenerator[House]:
    opened = House(address)
    worker = QuietWorker(opened.rings, functions=[("ring", opened.ring)], concurrency=IDLE_HANDS)
    working = asyncio.create_task(worker.start())
    try:
        yield opened
    finally:
        await worker.stop()
        await working
        await opened.bell.disconnect()
        await opened.rings.disconnect()


async def test_a_redis_that_is_killed_and_comes_back(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with house(server.address) as home:
        await home.is_answered()
        async with calm(caplog):
            server.kill()
        with pytest.raises(RedisError):
            await home.call()
        server.start()
        await home.is_answered()


async def test_a_redis_that_is_absent_at_the_start(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    server.kill()
    async with house(server.address) as home:
        async with calm(caplog):
            pass
        server.start()
        await home.is_answered()


async def test_a_redis_that_flaps(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with house(server.address) as home:
        await home.is_answered()
        caplog.set_level(logging.INFO)
        caplog.clear()
        cost = Cost()
        for _ in range(FLAPS):
            server.kill()
            await asyncio.sleep(DOWN_SECONDS)
            with cost.aside():
                server.start()
            await asyncio.sleep(UP_SECONDS)
        cost.assert_small(at_least=FLAPS * (DOWN_SECONDS + UP_SECONDS))
        assert_said_little(caplog, 60)
        await home.is_answered()


@pytest.mark.parametrize("aof", [True, False])
async def test_rings_survive_a_kill_where_they_are_written_down(aof: bool) -> None:
    with running_redis(aof=aof) as server:
        bell = RedisRings.for_api("default", RECORD, server.address)
        for n in range(20):
            await bell.enqueue("ring", key=f"{n}", ttl=-1, n=n)
        server.restart()
        assert await bell.count("queued") == (20 if aof else 0)
        await bell.disconnect()


async def test_a_ring_that_runs_while_redis_is_killed_or_flushed_runs_on(server: RedisServer) -> None:
    async with house(server.address) as home:
        for harm in (server.restart, lambda: server.command("FLUSHALL")):
            home.hold.clear()
            n = await home.call()
            await wait_until(lambda n=n: _true(n in home.begun))
            harm()
            home.hold.set()
            await wait_until(lambda n=n: _true(n in home.answered))
            await home.is_answered()
        await wait_until(lambda: _true(server.command("KEYS", "*:job:*") == []))


@pytest.mark.parametrize("fault", ["full", "replica"])
async def test_a_redis_that_answers_and_takes_nothing(
    server: RedisServer, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    begin, end = {"full": (server.fill, server.empty), "replica": (server.follow_nobody, server.lead)}[fault]
    async with house(server.address) as home:
        await home.is_answered()
        # Hands that wait already are not refused before their time is over.
        async with calm(caplog, seconds=DEQUEUE_SECONDS + 2):
            begin()
        with pytest.raises(RedisError):
            await home.call()
        end()
        await home.is_answered()


async def test_a_redis_that_stands_still(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    async with house(server.address) as home:
        await home.is_answered()
        async with calm(caplog):
            server.freeze()
        began = time.monotonic()
        with pytest.raises(RedisError):
            await home.call()
        probe = RedisProbe(server.address, "r")
        with pytest.raises(QueueUnavailable):
            await probe.ask(0.5)
        assert time.monotonic() - began < 4, "the API waits for Redis"
        server.thaw()
        await probe.leave()
        await home.is_answered()


@pytest.mark.parametrize("fault", [Proxy.swallow, Proxy.swallow_answers, Proxy.reset])
async def test_a_network_that_swallows_or_resets(
    server: RedisServer, caplog: pytest.LogCaptureFixture, fault: Callable[[Proxy], None]
) -> None:
    async with proxied(server.port) as proxy, house(RedisAddress("127.0.0.1", proxy.port)) as home:
        await home.is_answered()
        async with calm(caplog):
            fault(proxy)
        proxy.let_through()
        await home.is_answered()


async def test_a_worker_stops_in_time_while_redis_is_away(server: RedisServer) -> None:
    async with house(server.address) as home:
        await home.is_answered()
        server.kill()
        began = time.monotonic()
    assert time.monotonic() - began < 5


async def _true(value: object) -> object:
    return value
