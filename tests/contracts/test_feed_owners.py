"""Who watches all jobs of an owner is told that there is news, by either feed and between processes, and nothing more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis

from snapasset.feed.memory import MemoryFeed
from tests.contracts.conftest import wait_until
from tests.contracts.test_feed import FEEDS, OWNER, event
from tests.contracts.test_feed_processes import System, here, system, there, tick

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from snapasset.event import Tick
    from snapasset.feed import Feed
    from snapasset.feed.redis import RedisFeed

__all__ = ["here", "system", "there"]

BEN = "session:ben"
LOOK = None
"""What a receiver is told when it is to look into the record."""


@pytest.fixture(params=FEEDS)
async def feed(request: pytest.FixtureRequest) -> AsyncIterator[Feed]:
    async with FEEDS[request.param](request) as opened:
        yield opened


class Ears:
    def __init__(self) -> None:
        self.heard: list[Tick | None] = []

    def __call__(self, tick: Tick | None) -> None:
        self.heard.append(tick)

    async def hear(self, *expected: Tick | None) -> None:
        async def arrived() -> bool:
            return len(self.heard) >= len(expected)

        await wait_until(arrived)
        assert self.heard == list(expected)


def owner_channel(system: System) -> str:
    """The channel of whoever is watched."""
    (found,) = system.server.command("PUBSUB", "CHANNELS", f"snapasset:{system.id}:owner:*")
    return found.decode()


class TestEither:
    async def test_there_is_one_hint_for_all_that_is_published_at_once(self, feed: Feed) -> None:
        ears = Ears()
        feed.publish([event("a", 1)])
        await feed.subscribe_owner(OWNER, ears)
        feed.publish([event(f"job-{number}", 1) for number in range(100)])
        assert ears.heard == [LOOK]
        feed.publish([event("a", 2), event("a", 3)])
        assert ears.heard == [LOOK, LOOK]

    async def test_ticks_of_all_their_jobs_come_whole_and_in_their_place(self, feed: Feed) -> None:
        ears = Ears()
        await feed.subscribe_owner(OWNER, ears)
        feed.publish([tick("a", 5), event("a", 1), tick("b", 6)])
        assert ears.heard == [tick("a", 5), LOOK, tick("b", 6)]

    async def test_nobody_hears_of_jobs_of_others(self, feed: Feed) -> None:
        anna, ben = Ears(), Ears()
        await feed.subscribe_owner(OWNER, anna)
        await feed.subscribe_owner(BEN, ben)
        feed.publish([event("a", 1)._replace(owner=BEN), tick("a", 1)._replace(owner=BEN)])
        assert ben.heard == [LOOK, tick("a", 1)._replace(owner=BEN)]
        feed.publish([event("b", 1)])
        await anna.hear(LOOK)
        assert len(ben.heard) == 2

    async def test_who_left_hears_nothing_more_and_the_others_do(self, feed: Feed) -> None:
        left, stays = Ears(), Ears()
        told: list[Tick | None] = []

        def leave_at_once(tick: Tick | None) -> None:
            told.append(tick)
            feed.unsubscribe_owner(OWNER, leave_at_once)

        for ears in (left, leave_at_once, stays):
            await feed.subscribe_owner(OWNER, ears)
        feed.unsubscribe_owner(OWNER, left)
        feed.unsubscribe_owner(OWNER, left)
        feed.unsubscribe_owner(BEN, left)
        for seq in (1, 2):
            feed.publish([event("a", seq)])
        await stays.hear(LOOK, LOOK)
        assert (left.heard, told) == ([], [LOOK])

    async def test_a_closed_feed_tells_nobody(self, feed: Feed) -> None:
        ears = Ears()
        await feed.subscribe_owner(OWNER, ears)
        await feed.close()
        feed.publish([event("a", 1)])
        assert not ears.heard


async def test_nothing_is_left_of_who_has_gone() -> None:
    feed, ears = MemoryFeed(), Ears()
    for _ in range(2):
        await feed.subscribe_owner(OWNER, ears)
    for _ in range(2):
        feed.unsubscribe_owner(OWNER, ears)
    assert not feed._owners  # pyright: ignore[reportPrivateUsage]


async def test_news_of_another_process_is_a_hint_and_ticks(here: RedisFeed, there: RedisFeed) -> None:
    ears = Ears()
    await here.subscribe_owner(OWNER, ears)
    there.publish([event("a", 1)])
    await ears.hear(LOOK)
    there.publish([tick("a", 5.0)])
    after = tick("a", 5.0)._replace(after=1)
    await ears.hear(LOOK, after)
    there.publish([event("c", 1)._replace(owner=BEN)])
    there.publish([event("b", 1), tick("b", 6.0)])
    await ears.hear(LOOK, after, LOOK, tick("b", 6.0)._replace(after=1))


async def test_ones_own_news_comes_at_once_and_not_again(here: RedisFeed, there: RedisFeed) -> None:
    ears = Ears()
    await here.subscribe_owner(OWNER, ears)
    here.publish([event("a", 1), tick("a", 1.0)])
    assert ears.heard == [LOOK, tick("a", 1.0)]
    there.publish([event("a", 2)])
    await ears.hear(LOOK, tick("a", 1.0), LOOK)


async def test_no_event_goes_to_redis_and_nobodys_name(system: System, here: RedisFeed, there: RedisFeed) -> None:
    ears = Ears()
    client: Any = redis.Redis(port=system.server.port)
    eavesdropper = client.pubsub()
    await here.subscribe_owner(OWNER, ears)
    channel = owner_channel(system)
    assert OWNER not in channel
    eavesdropper.subscribe(channel)
    assert eavesdropper.get_message(timeout=1)["type"] == "subscribe"
    there.publish([event("a", 3), event("a", 4), event("b", 1)._replace(owner=BEN)])
    await ears.hear(LOOK)
    assert json.loads(eavesdropper.get_message(timeout=5)["data"])[1:] == [3, 4, None]
    assert eavesdropper.get_message(timeout=0.2) is None
    eavesdropper.close()
    client.close()


@pytest.mark.parametrize(
    ("lie", "heard"),
    [
        ('["x",1,9007199254740991,null]', [LOOK]),
        ('["x",0,0,null]', []),
        ("[", []),
        ('["x",1,1,"{}"]', []),
        ("x" * 100_000, []),
        (json.dumps(["x", 0, 0, tick("a" * 65, 5.0).body]), []),
        (json.dumps(["x", 0, 0, tick("a", 5.0).body.replace('"active"', '"completed"')]), []),
        (json.dumps(["x", 0, 0, json.dumps(json.loads(tick("a", 5.0).body) | {"result": "forged"})]), [tick("a", 5.0)]),
    ],
)
async def test_a_message_of_anybodys_is_worth_a_look_at_most(
    system: System, here: RedisFeed, there: RedisFeed, lie: str, heard: list[Tick | None]
) -> None:
    ears = Ears()
    await here.subscribe_owner(OWNER, ears)
    assert system.server.command("PUBLISH", owner_channel(system), lie) == 1
    there.publish([event("a", 1)])
    await ears.hear(*heard, LOOK)
    assert "x" not in system.record.looks


async def test_where_nobody_listens_an_owner_costs_one_message_a_batch(system: System, there: RedisFeed) -> None:
    client: Any = redis.Redis(port=system.server.port)

    async def all_said() -> bool:
        return not there._publisher.waiting  # pyright: ignore[reportPrivateUsage]

    def published() -> int:
        stats = client.info("commandstats")
        return stats.get("cmdstat_publish", {"calls": 0})["calls"]

    before = published()
    there.publish([event(f"job-{number}", 1)._replace(owner=f"session:{number % 3}") for number in range(300)])
    await wait_until(all_said)

    async def sent() -> bool:
        return published() - before >= 303

    await wait_until(sent)
    assert published() - before == 303
    client.close()


async def test_who_watches_costs_a_channel_while_they_do(system: System, here: RedisFeed) -> None:
    ears = [Ears(), Ears()]
    for one in ears:
        await here.subscribe_owner(OWNER, one)
    assert owner_channel(system)
    here.unsubscribe_owner(OWNER, ears[0])
    here.publish([event("a", 1)])
    assert ears[1].heard == [LOOK]
    here.unsubscribe_owner(OWNER, ears[1])

    async def gone() -> bool:
        return not system.server.command("PUBSUB", "CHANNELS", f"snapasset:{system.id}:owner:*")

    await wait_until(gone, 10)
    inside = (here._owners, here._owner_channels)  # pyright: ignore[reportPrivateUsage]
    assert not any(inside)


class TestShared:
    """Looks into the record, which watched jobs share."""

    async def behind(self, here: RedisFeed, count: int) -> None:
        """Wait until of so many jobs it was heard that they have moved."""

        async def heard() -> bool:
            watches = here._watches.values()  # pyright: ignore[reportPrivateUsage]
            return sum(watch.looking for watch in watches) >= count

        await wait_until(heard)

    async def test_jobs_that_are_behind_are_read_together(
        self, system: System, here: RedisFeed, there: RedisFeed
    ) -> None:
        told: set[str] = set()
        for number in range(60):
            await here.subscribe(f"job-{number}", lambda news: told.add(news.job_id))
        system.record.hold()
        system.record.commit(there, event("job-0", 1), event("job-1", 1))

        async def asked() -> bool:
            return system.record.questions > 0

        await wait_until(asked)
        system.record.commit(there, *(event(f"job-{number}", 1) for number in range(2, 60)))
        await self.behind(here, 60)
        system.record.let_go()

        async def all_told() -> bool:
            return len(told) == 60

        await wait_until(all_told)
        assert sorted(set(system.record.looks) - {"warm"}) == sorted(told)
        assert system.record.questions <= 5

    async def test_one_with_much_to_be_told_holds_up_none(
        self, system: System, here: RedisFeed, there: RedisFeed
    ) -> None:
        order: list[str] = []
        for job_id in ("long", "short"):
            await here.subscribe(job_id, lambda news: order.append(news.job_id))
        system.record.hold()
        system.record.commit(there, event("long", 1))
        system.record.commit(there, *(event("long", seq) for seq in range(2, 3_001)), event("short", 1))
        await self.behind(here, 2)
        system.record.let_go()

        async def all_told() -> bool:
            return len(order) == 3_001

        await wait_until(all_told)
        assert order.index("short") < 2_000
