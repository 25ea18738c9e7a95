"""The switch beside a real Redis: which mode it begins in, when it changes, what it says, and where rings go."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadConfiguration
from snapasset.feed.memory import MemoryFeed
from snapasset.feed.redis import RedisFeed
from snapasset.queue.redis_probe import OWNER_KEY
from snapasset.settings import Settings
from snapasset.switch import Switch
from tests.contracts.conftest import wait_until
from tests.servers.free_port import free_port
from tests.servers.redis import running_redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator, Sequence

    from snapasset.event import Event
    from snapasset.records.events import Missing
    from tests.servers.redis import RedisServer

GONE = "Redis not available, using in-memory queue fallback"
BACK = "Redis is back, using it again"
QUICK = {"redis_probe_seconds": 0.05, "redis_return_seconds": 0.2, "ring_cap": 3, "ring_seconds": 0.5}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


@asynccontextmanager
async def opened(url: str, *, record_id: str = "r", serves: bool = False, **more: object) -> AsyncGenerator[Switch]:
    settings = Settings.model_validate({"redis_url": url, **QUICK, **more})
    switch = Switch(("pictures", "chores"), settings, ring_timeout=60, serves=serves)

    async def look_up(_missing: Sequence[Missing]) -> list[Event]:
        return []

    try:
        await switch.open(record_id, look_up)
        yield switch
    finally:
        await switch.close()


def url_of(server: RedisServer) -> str:
    return f"redis://127.0.0.1:{server.port}"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What our own code has said."""
    ours = [line for line in caplog.records if line.name.startswith("snapasset")]
    return [line.getMessage() for line in ours if line.levelno >= logging.INFO]


async def becomes(switch: Switch, mode: str) -> None:
    async def is_it() -> bool:
        return switch.mode == mode

    await wait_until(is_it, 20)


async def test_with_redis_rings_go_there_and_a_worker_hears_them(server: RedisServer) -> None:
    async with opened(url_of(server)) as api, opened(url_of(server), serves=True) as worker:
        assert (api.mode, api.redis, api.why) == ("redis", "ok", None)
        assert isinstance(api.feed, RedisFeed)
        assert len(api.sources("pictures")) == 1
        _local, redis = worker.sources("pictures")
        assert await api.ring("pictures", "job-1", "draw", 1)
        job = await redis.dequeue(timeout=5)
        assert job is not None
        assert job.kwargs == {"job_id": "job-1", "kind": "draw", "record_id": "r"}


async def test_of_all_processes_together_no_more_than_the_cap_wait(server: RedisServer) -> None:
    async with opened(url_of(server)) as one, opened(url_of(server)) as other:
        rung = await asyncio.gather(*(s.ring("pictures", f"j{n}", "draw", n) for n in range(9) for s in (one, other)))
        assert sum(rung) == await one.waiting_rings("pictures") == await other.waiting_rings("pictures") == 3
        assert await one.waiting_rings("chores") == 0


async def test_absent_at_the_start_it_falls_back_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with opened(f"redis://127.0.0.1:{free_port()}") as switch:
        assert (switch.mode, switch.redis) == ("memory", "down")
        assert await switch.ring("pictures", "job-1", "draw", 1)
        assert await switch.queues["pictures"].dequeue(timeout=5) is not None
        await asyncio.sleep(0.5)  # several probes more
        assert said(caplog) == [GONE]
        assert "REDIS_URL" in caplog.records[0].__dict__["why"]


@pytest.mark.parametrize("url", ["http://here", "redis://", "redis://here:port", "nonsense"])
async def test_an_address_that_is_none_is_a_redis_that_is_not_there(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(url) as switch:
        assert (switch.mode, switch.redis) == ("memory", "down")
        assert isinstance(switch.feed, MemoryFeed)
        assert "REDIS_URL" in (switch.why or "")
        assert said(caplog) == [GONE]


async def test_it_goes_and_comes_back_and_says_so_once_each_time(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    changes: list[str] = []
    async with opened(url_of(server), serves=True) as switch:
        switch.on_change(lambda: changes.append(switch.mode))
        feed = switch.feed
        server.kill()
        await becomes(switch, "memory")
        assert switch.redis == "down"
        assert switch.why
        assert await switch.ring("pictures", "job-1", "draw", 1)
        assert await switch.waiting_rings("pictures") == 1
        server.start()
        await becomes(switch, "redis")
        assert (switch.redis, switch.why) == ("ok", None)
        assert await switch.waiting_rings("pictures") == 0, "Redis was empty when it came back"
        assert await switch.ring("pictures", "job-1", "draw", 1)
        assert switch.feed is feed, "whoever watches need not notice"
    assert changes == ["memory", "redis"]
    assert said(caplog) == [GONE, BACK]


@pytest.mark.parametrize(("harm", "heal"), [("fill", "empty"), ("follow_nobody", "lead"), ("freeze", "thaw")])
async def test_one_that_answers_and_takes_nothing_is_not_there(server: RedisServer, harm: str, heal: str) -> None:
    async with opened(url_of(server)) as switch:
        getattr(server, harm)()
        await becomes(switch, "memory")
        assert await switch.ring("pictures", "job-1", "draw", 1)
        getattr(server, heal)()
        await becomes(switch, "redis")


@pytest.mark.parametrize("rule", ["-blmove", "-publish", "-rpush", "-subscribe", "-evalsha", "-script|load"])
async def test_one_that_refuses_a_command_is_not_used_and_the_command_is_named(
    server: RedisServer, caplog: pytest.LogCaptureFixture, rule: str
) -> None:
    async with opened(url_of(server)) as switch:
        server.command("ACL", "SETUSER", "default", rule)
        await becomes(switch, "memory")
        word = rule[1:].split("|")[0]
        why = f"Redis refuses commands that are needed: {word} (REDIS_URL or REDIS_USERNAME)."
        assert (switch.redis, switch.why) == ("down", why)
        assert [line.__dict__["why"] for line in caplog.records if line.getMessage() == GONE] == [why]
        server.command("ACL", "SETUSER", "default", "+@all")
        await becomes(switch, "redis")


@pytest.mark.parametrize("rules", [("resetchannels",), ("resetkeys", "~other:*"), ("-eval",)])
async def test_nor_is_one_that_refuses_our_names_or_scripts(server: RedisServer, rules: tuple[str, ...]) -> None:
    server.command("ACL", "SETUSER", "default", *rules)
    async with opened(url_of(server)) as switch:
        assert switch.mode == "memory"
        assert "refuses commands that are needed" in (switch.why or "")


async def test_a_user_who_may_do_no_more_than_is_needed_will_do(server: RedisServer) -> None:
    rules = ("on", ">secret", "~snapasset:*", "&snapasset:*", "-@all", "+@read", "+@write", "+@pubsub", "+@scripting")
    server.command("ACL", "SETUSER", "somebody", *rules, "+@transaction", "+@connection", "+time", "+blmove")
    async with opened(f"redis://somebody:secret@127.0.0.1:{server.port}", serves=True) as switch:
        assert (switch.mode, switch.why) == ("redis", None)
        assert await switch.ring("pictures", "job-1", "draw", 1)
        _, redis = switch.sources("pictures")
        assert await redis.dequeue(timeout=5) is not None


async def test_a_ring_that_fails_asks_redis_at_once_and_nobody_else_waits_for_it(server: RedisServer) -> None:
    async with opened(url_of(server), redis_probe_seconds=5, ring_seconds=0.3) as switch:
        server.freeze()
        began = asyncio.get_running_loop().time()
        assert not await switch.ring("pictures", "job-1", "draw", 1)
        for _ in range(50):
            assert not await switch.ring("pictures", "job-2", "draw", 1)
            assert await switch.waiting_rings("pictures") is None
        assert asyncio.get_running_loop().time() - began < 5, "each waited in turn"
        server.thaw()

        async def rings_again() -> bool:
            return await switch.ring("pictures", "job-3", "draw", 1)

        await wait_until(rings_again, 20)
        assert switch.mode == "redis"


async def test_one_that_serves_another_record_is_refused_at_the_start(server: RedisServer) -> None:
    async with opened(url_of(server), record_id="r-1"):
        with pytest.raises(BadConfiguration, match="another record"):
            async with opened(url_of(server), record_id="r-2"):
                pass
    server.command("DEL", OWNER_KEY)
    async with opened(url_of(server), record_id="r-2") as switch:
        assert switch.mode == "redis"


async def test_and_is_not_used_when_it_turns_out_later() -> None:
    with running_redis(aof=True) as server:
        server.command("SET", OWNER_KEY, "r-1", "EX", "60")
        server.kill()
        async with opened(url_of(server), record_id="r-2") as late:
            server.start()

            async def told() -> bool:
                return "another record" in (late.why or "")

            await wait_until(told, 20)
            assert (late.mode, late.redis) == ("memory", "down")
            server.command("DEL", OWNER_KEY)
            await becomes(late, "redis")


async def test_a_ring_that_was_late_arrives_all_the_same(server: RedisServer) -> None:
    """A Redis that is far away: whoever broke off what takes long would never have a connection to it."""
    async with opened(url_of(server), ring_seconds=0.05, redis_probe_seconds=10) as switch:
        server.freeze()
        assert not await switch.ring("pictures", "job-1", "draw", 1)
        server.thaw()

        async def there() -> bool:
            return await switch.waiting_rings("pictures") == 1

        await wait_until(there, 20)


async def test_however_many_are_late_no_more_than_some_are_asked(server: RedisServer) -> None:
    async with opened(url_of(server), ring_seconds=0.05, ring_cap=5000, redis_probe_seconds=10) as switch:
        server.freeze()
        rung = await asyncio.gather(*(switch.ring("pictures", f"job-{n}", "draw", 1) for n in range(1000)))
        assert not any(rung)
        assert len(asyncio.all_tasks()) < 300
        server.thaw()
