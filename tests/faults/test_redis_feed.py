"""News by a Redis that dies, freezes or is cut off: nobody who publishes notices, and whoever watches misses nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from snapasset.event import Tick
from snapasset.feed.redis import RedisFeed
from snapasset.feed.redis_publisher import JOBS_KEPT
from snapasset.queue.redis_address import RedisAddress
from tests.contracts.conftest import wait_until
from tests.contracts.test_feed import OWNER, Receiver
from tests.contracts.test_feed_owners import LOOK, Ears
from tests.contracts.test_feed_processes import System, event
from tests.faults.conftest import HEAL_SECONDS, calm
from tests.servers.proxy import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from tests.servers.redis import RedisServer

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
async def system(server: RedisServer) -> AsyncIterator[System]:
    opened = System(server)
    yield opened
    await opened.close()


async def heard(receiver: Receiver, *seqs: int) -> None:
    async def all_of_them() -> bool:
        return len(receiver.news) >= len(seqs)

    await wait_until(all_of_them, HEAL_SECONDS)
    assert receiver.news == [event("a", seq) for seq in seqs]


async def _true(value: object) -> object:
    return value


async def test_whoever_watches_resumes_when_redis_is_back(
    system: System, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = await system.process(), await system.process()
    receiver, silent = Receiver(), Receiver()
    await here.subscribe("a", receiver)
    await here.subscribe("b", silent)
    system.record.commit(there, event("a", 1))
    await heard(receiver, 1)
    async with calm(caplog):
        server.kill()
    system.record.commit(there, event("a", 2))
    system.record.commit(None, event("a", 3))  # its process died before it could say so
    assert len(receiver.news) == 1
    server.start()
    await heard(receiver, 1, 2, 3)
    system.record.commit(there, event("a", 4))
    await heard(receiver, 1, 2, 3, 4)
    assert not silent.news


async def test_who_watches_an_owner_is_told_to_look_when_redis_is_back(system: System, server: RedisServer) -> None:
    here, there = await system.process(), await system.process()
    ears, early = Ears(), Ears()
    await here.subscribe_owner(OWNER, early)
    server.kill()
    await here.subscribe_owner("session:ben", ears)
    system.record.commit(there, event("a", 1))
    system.record.commit(here, event("a", 2))
    assert (early.heard, ears.heard) == ([LOOK], [])
    server.start()

    async def both() -> bool:
        return len(early.heard) > 1 and bool(ears.heard)

    await wait_until(both, HEAL_SECONDS)
    assert {*early.heard, *ears.heard} == {LOOK}
    heard = len(early.heard)
    system.record.commit(there, event("a", 3))
    await wait_until(lambda: _true(len(early.heard) > heard), HEAL_SECONDS)


async def test_whoever_comes_while_redis_is_away_does_not_wait_and_misses_nothing(
    system: System, server: RedisServer
) -> None:
    server.kill()
    here, receiver = await system.process(), Receiver()
    began = time.monotonic()
    await here.subscribe("a", receiver)
    assert time.monotonic() - began < 2
    system.record.commit(None, event("a", 1))
    server.start()
    await heard(receiver, 1)


async def test_ones_own_news_needs_no_redis(system: System, server: RedisServer) -> None:
    here, receiver = await system.process(), Receiver()
    await here.subscribe("a", receiver)
    server.kill()
    system.record.commit(here, event("a", 1))
    assert receiver.news == [event("a", 1)]
    server.start()
    system.record.commit(here, event("a", 2))
    await heard(receiver, 1, 2)


async def test_what_could_not_be_said_is_said_later_and_is_bounded(
    system: System, server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    here, there = await system.process(), await system.process()
    receiver = Receiver()
    await here.subscribe("a", receiver)
    server.kill()
    async with calm(caplog, seconds=1.5):
        for n in range(JOBS_KEPT + 100):
            there.publish([event(f"job-{n}", 1)])
        for n in range(10_000):
            there.publish([Tick("a", "{}", "anna"), event("a", n + 1)])
    assert there._publisher.waiting <= JOBS_KEPT  # pyright: ignore[reportPrivateUsage]
    system.record.commit(None, *(event("a", seq) for seq in range(1, 31)))
    server.start()
    await heard(receiver, *range(1, 31))

    async def all_said() -> bool:
        return there._publisher.waiting == 0  # pyright: ignore[reportPrivateUsage]

    await wait_until(all_said, HEAL_SECONDS)


@pytest.mark.parametrize("fault", [Proxy.swallow, Proxy.swallow_answers, Proxy.reset])
async def test_a_connection_that_is_dead_is_noticed_and_replaced(
    system: System, server: RedisServer, caplog: pytest.LogCaptureFixture, fault: Callable[[Proxy], None]
) -> None:
    there = await system.process()
    async with proxied(server.port) as proxy:
        here = RedisFeed(RedisAddress("127.0.0.1", proxy.port), system.id, system.record.look_up)
        await here.open()
        receiver = Receiver()
        await here.subscribe("a", receiver)
        system.record.commit(there, event("a", 1))
        await heard(receiver, 1)
        async with calm(caplog, seconds=6):
            fault(proxy)
            system.record.commit(there, event("a", 2))
            system.record.commit(here, event("c", 1))
        proxy.let_through()
        await heard(receiver, 1, 2)
        system.record.commit(there, event("a", 3))
        await heard(receiver, 1, 2, 3)
        await here.close()


async def test_whoever_subscribes_just_as_the_connection_is_lost_is_not_cancelled(
    system: System, server: RedisServer
) -> None:
    async with proxied(server.port) as proxy:
        here = RedisFeed(RedisAddress("127.0.0.1", proxy.port), system.id, system.record.look_up)
        await here.open()
        first, receiver = Receiver(), Receiver()

        async def connected() -> bool:
            return here._listener._connection is not None  # pyright: ignore[reportPrivateUsage]

        await wait_until(connected, HEAL_SECONDS)
        await here.subscribe("b", first)
        proxy.swallow_answers()
        coming = asyncio.create_task(here.subscribe("a", receiver))

        async def asked() -> bool:
            return bool(here._listener._asked)  # pyright: ignore[reportPrivateUsage]

        await wait_until(asked, HEAL_SECONDS)
        proxy.reset()
        proxy.let_through()
        await coming
        system.record.commit(None, event("a", 1))
        await heard(receiver, 1)
        await here.close()


async def test_what_is_said_before_a_late_answer_is_found_in_the_record(system: System, server: RedisServer) -> None:
    here, receiver, other = await system.process(), Receiver(), Receiver()
    there = await system.process()
    await here.subscribe("b", other)
    system.record.commit(there, event("b", 1))
    await wait_until(lambda: _true(other.news), HEAL_SECONDS)
    server.freeze()
    await here.subscribe("a", receiver)  # it waits a second, and not two as the listener does
    system.record.commit(None, event("a", 1))
    server.thaw()
    await heard(receiver, 1)


async def test_what_only_the_speaker_could_not_send_is_sent_when_it_can(system: System, server: RedisServer) -> None:
    here, receiver = await system.process(), Receiver()
    await here.subscribe("a", receiver)
    async with proxied(server.port) as proxy:
        there = RedisFeed(RedisAddress("127.0.0.1", proxy.port), system.id, system.record.look_up)
        await there.open()
        system.record.commit(there, event("a", 1))
        await heard(receiver, 1)
        proxy.refuse()
        system.record.commit(there, event("a", 2))
        await wait_until(lambda: proxy.refused(2), HEAL_SECONDS)
        assert len(receiver.news) == 1
        proxy.let_through()
        await heard(receiver, 1, 2)
        await there.close()


async def test_a_redis_that_stands_still(system: System, server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    here, there = await system.process(), await system.process()
    receiver = Receiver()
    await here.subscribe("a", receiver)
    async with calm(caplog, seconds=5):
        server.freeze()
        system.record.commit(there, event("a", 1))
    server.thaw()
    await heard(receiver, 1)
