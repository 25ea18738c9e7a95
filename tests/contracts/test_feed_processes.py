"""What a feed between processes does: whoever watches a job hears what all others do to it, from the record."""

# That nothing is left can only be seen inside.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest
import redis

from snapasset.errors import DatabaseUnavailable
from snapasset.event import Event, Tick
from snapasset.feed import redis_publisher
from snapasset.feed.redis import RedisFeed
from snapasset.feed.redis_listener import Listener
from tests.contracts.conftest import wait_until
from tests.contracts.test_feed import OWNER, Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from snapasset.feed import Feed
    from snapasset.records.events import Missing
    from tests.servers.redis import RedisServer

SECRET = "a prompt that is nobody's business"


def event(job_id: str, seq: int) -> Event:
    return Event(job_id, seq, "update", f'{{"seq":{seq},"says":"{SECRET}"}}', 0, OWNER)


def tick(job_id: str, progress: float) -> Tick:
    body = {"type": "update", "tick": True, "jobId": job_id, "run": 1, "attempt": 2, "status": "active"}
    return Tick(job_id, json.dumps(body | {"step": "render", "progress": progress}, separators=(",", ":")), OWNER)


def told(job_id: str, progress: float, after: int = 0) -> Tick:
    """A tick as it comes from another process, which had told the event `after` before."""
    return tick(job_id, progress)._replace(owner="", after=after)


class Record:
    """Holds what was committed, as the database does, and hands it out."""

    def __init__(self) -> None:
        self.events: dict[str, list[Event]] = {}
        self.looks: list[str] = []
        self.questions = 0
        self._open = asyncio.Event()
        self._open.set()
        self.away = False

    async def look_up(self, missing: Sequence[Missing]) -> list[Event]:
        self.questions += 1
        self.looks += (one.job_id for one in missing)
        await self._open.wait()
        if self.away:
            raise DatabaseUnavailable
        return [
            event
            for job_id, after, up_to in missing
            for event in self.events.get(job_id, ())
            if after < event.seq <= up_to
        ]

    def hold(self) -> None:
        """Have who asks wait for the answer, until it is let go."""
        self._open.clear()

    def let_go(self) -> None:
        self._open.set()

    def commit(self, feed: Feed | None, *events: Event) -> None:
        for event in events:
            self.events.setdefault(event.job_id, []).append(event)
        if feed is not None:
            feed.publish(events)


class System:
    """Some processes on one record and one Redis."""

    def __init__(self, server: RedisServer) -> None:
        self.id = uuid4().hex
        self.record = Record()
        self.server = server
        self._opened = AsyncExitStack()

    async def process(self) -> RedisFeed:
        feed = RedisFeed(self.server.address, self.id, self.record.look_up)
        await feed.open()
        self._opened.push_async_callback(feed.close)
        return feed

    async def close(self) -> None:
        await self._opened.aclose()

    def channel(self, job_id: str) -> str:
        return f"snapasset:{self.id}:news:{job_id}"

    def channels(self, jobs: str) -> int:
        """How many channels of such jobs somebody listens to."""
        return len(self.server.command("PUBSUB", "CHANNELS", self.channel(jobs)))


@pytest.fixture
async def system(redis_server: RedisServer) -> AsyncIterator[System]:
    opened = System(redis_server)
    yield opened
    await opened.close()


@pytest.fixture
async def here(system: System) -> RedisFeed:
    """The process of whoever watches, connected."""
    feed = await system.process()

    async def connected() -> bool:
        await feed.subscribe("warm", Receiver())
        return system.channels("warm") == 1

    await wait_until(connected)
    return feed


@pytest.fixture
async def there(system: System) -> RedisFeed:
    """The process of whoever works."""
    return await system.process()


async def _true(value: object) -> object:
    return value


async def test_events_of_others_come_whole_and_in_order(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    for first, last in ((1, 1), (2, 5), (6, 30)):
        system.record.commit(there, *(event("a", seq) for seq in range(first, last + 1)))
        await receiver.has(*system.record.events["a"])


async def test_however_many_watch_the_record_is_asked_once(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receivers = [Receiver() for _ in range(50)]
    for receiver in receivers:
        await here.subscribe("a", receiver)
    system.record.commit(there, event("a", 1), event("a", 2))
    for receiver in receivers:
        await receiver.has(event("a", 1), event("a", 2))
    assert system.record.looks.count("a") == 1


async def test_what_follows_one_large_batch_does_not_wait(
    system: System, here: RedisFeed, there: RedisFeed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_publisher, "_BREATH_SECONDS", 3_600.0)
    receiver = Receiver()
    await here.subscribe("a", receiver)
    system.record.commit(there, event("a", 1), *(event(f"other-{number}", 1) for number in range(100)))
    await receiver.has(event("a", 1))
    system.record.commit(there, event("a", 2))
    await receiver.has(event("a", 1), event("a", 2))


async def test_ones_own_news_comes_at_once_and_only_once(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    system.record.commit(here, event("a", 1))
    here.publish([tick("a", 5.0)])
    assert receiver.news == [event("a", 1), tick("a", 5.0)]
    system.record.commit(there, event("a", 2))
    await receiver.has(event("a", 1), tick("a", 5.0), event("a", 2))


async def test_news_of_both_sides_is_told_once_each(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    for seq in range(1, 41):
        system.record.commit(here if seq % 3 == 1 else there, event("a", seq))

    async def all_told() -> bool:
        return len(receiver.news) >= 40

    await wait_until(all_told)
    assert {news.seq for news in receiver.news if isinstance(news, Event)} == set(range(1, 41))
    assert len(receiver.news) == 40


async def test_ticks_come_after_what_was_said_before_them(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    there.publish([tick("a", 1.0)])
    system.record.commit(there, event("a", 1))
    there.publish([tick("a", 2.0), tick("a", 2.5)])
    await receiver.has(event("a", 1), told("a", 2.5, after=1))
    there.publish([tick("a", 3.0)])
    await receiver.has(event("a", 1), told("a", 2.5, after=1), told("a", 3.0, after=1))


async def test_redis_never_sees_what_an_event_says_or_whose_it_is(
    system: System, here: RedisFeed, there: RedisFeed
) -> None:
    receiver = Receiver()
    client: Any = redis.Redis(port=system.server.port)
    eavesdropper = client.pubsub()
    eavesdropper.psubscribe("*")
    await here.subscribe("a", receiver)
    system.record.commit(there, event("a", 1))
    await receiver.has(event("a", 1))
    seen: list[bytes] = []
    while (message := eavesdropper.get_message(timeout=0.2)) is not None:
        seen += [message["channel"] + message["data"]] if message["type"] == "pmessage" else []
    eavesdropper.close()
    client.close()
    assert len(seen) == 2
    assert not any(word in message for word in (SECRET.encode(), OWNER.encode()) for message in seen)


@pytest.mark.parametrize(
    "lie",
    [
        '["x",1,1,null]', '["x",9007199254740991,9007199254740992,null]', '["x",5,1,null]', '["x",-1,-1,null]', "[", "{}",
        '["x",0,0,"{}"]', '["x",0,0,"<script>"]', '["x",0,0,null]', "x" * 100_000,
        json.dumps(["x", 0, 0, tick("b", 50.0).body]), json.dumps(["x", 0, 0, tick("a", 1e9).body]),
        json.dumps(["x", 0, 0, tick("a", 5).body.replace('"active"', '"completed"')]),
    ],
)  # fmt: skip
async def test_whoever_lies_to_redis_changes_nothing(
    system: System, here: RedisFeed, there: RedisFeed, lie: str
) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    assert system.server.command("PUBLISH", system.channel("a"), lie) == 1
    system.record.commit(there, event("a", 1))
    await receiver.has(event("a", 1))


async def test_of_a_tick_only_what_a_tick_may_say_is_passed_on(system: System, here: RedisFeed) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    body = json.dumps(json.loads(tick("a", 5.0).body) | {"result": "forged", "url": "https://elsewhere.example"})
    system.server.command("PUBLISH", system.channel("a"), json.dumps(["x", 0, 0, body]))
    await receiver.has(told("a", 5.0))


async def test_another_system_on_the_same_redis_is_not_heard(system: System, here: RedisFeed) -> None:
    other = System(system.server)
    stranger, receiver = await other.process(), Receiver()
    await here.subscribe("a", receiver)
    other.record.commit(stranger, event("a", 1))
    system.record.commit(here, event("a", 2))
    other.record.commit(stranger, event("a", 3))
    await wait_until(lambda: _true(stranger._publisher.waiting == 0))
    await receiver.has(event("a", 2))
    await other.close()


async def test_while_the_record_is_away_news_waits(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    system.record.away = True
    system.record.commit(there, event("a", 1))
    await wait_until(lambda: _true("a" in system.record.looks))
    assert not receiver.news
    system.record.away = False
    await receiver.has(event("a", 1))


async def test_a_watched_job_costs_no_connection_and_no_trace(system: System, here: RedisFeed) -> None:
    receivers = [Receiver() for _ in range(100)]
    for number, receiver in enumerate(receivers):
        await here.subscribe(f"job-{number % 50}", receiver)
    assert system.channels("job-*") == 50
    clients = system.server.command("CLIENT", "LIST", "TYPE", "pubsub").decode().splitlines()
    assert sum(" sub=51 " in line for line in clients) == 1
    for number, receiver in enumerate(receivers):
        here.unsubscribe(f"job-{number % 50}", receiver)
    await wait_until(lambda: _true(system.channels("job-*") == 0), 10)
    assert len(here._watches) == len(here._listener._heard) == 1


async def test_who_comes_back_at_once_is_heard(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receiver = Receiver()
    for _ in range(5):
        await here.subscribe("a", receiver)
        here.unsubscribe("a", receiver)
    await here.subscribe("a", receiver)
    system.record.commit(there, event("a", 1))
    await receiver.has(event("a", 1))


@pytest.mark.parametrize("turns", range(6))
async def test_who_goes_before_being_heard_leaves_nothing(
    system: System, here: RedisFeed, there: RedisFeed, turns: int
) -> None:
    listens = system.server.command("CLIENT", "LIST", "TYPE", "pubsub").decode().split()[0]
    for number in range(20):
        receiver = Receiver()
        coming = asyncio.create_task(here.subscribe(f"job-{number}", receiver))
        for _ in range(turns):
            await asyncio.sleep(0)
        coming.cancel()
        await asyncio.wait([coming])
        here.unsubscribe(f"job-{number}", receiver)
    inside = here._listener
    await wait_until(lambda: _true(not inside._unanswered and not inside._asked and not inside._changed))
    assert system.channels("job-*") == 0
    assert len(inside._heard) == len(inside._subscribed) == len(inside._wanted) == 1
    assert system.server.command("CLIENT", "LIST", "TYPE", "pubsub").decode().split()[0] == listens
    receiver = Receiver()
    await here.subscribe("job-0", receiver)
    system.record.commit(there, event("job-0", 1))
    await receiver.has(event("job-0", 1))


async def test_who_comes_back_while_redis_is_told_of_the_leaving_is_heard(
    system: System, here: RedisFeed, there: RedisFeed
) -> None:
    for turns in range(8):
        receiver, name = Receiver(), f"job-{turns}"
        await here.subscribe(name, receiver)
        here.unsubscribe(name, receiver)
        for _ in range(turns):
            await asyncio.sleep(0)
        await here.subscribe(name, receiver)
        system.record.commit(there, event(name, 1))
        await receiver.has(event(name, 1))


class SlowRedis:
    """A connection, and the address it is at, to a Redis that does as it is told when the test says so."""

    is_connected = True

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        self.answers: asyncio.Queue[list[Any]] = asyncio.Queue()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[SlowRedis]:
        yield self

    async def send_command(self, *words: str, check_health: bool) -> None:
        assert not check_health
        self.told.put_nowait(words)

    async def read_response(self, **_: object) -> list[Any]:
        return await self.answers.get()

    async def answer(self, word: bytes) -> None:
        self.answers.put_nowait([word, b"a", 1])
        for _ in range(5):
            await asyncio.sleep(0)


async def test_who_comes_back_is_heard_only_when_redis_has_done_all_it_was_told() -> None:
    slow = SlowRedis()
    gaps = list[str]()
    listener = Listener(cast("Any", slow), lambda channel, _: gaps.append(channel), gaps.append)
    working = [asyncio.create_task(listener.run()), asyncio.create_task(listener.tell())]
    await asyncio.sleep(0)
    first = asyncio.create_task(listener.want("a"))
    assert await slow.told.get() == ("SUBSCRIBE", "a")
    listener.leave("a")
    await first
    assert await slow.told.get() == ("UNSUBSCRIBE", "a")
    again = asyncio.create_task(listener.want("a"))
    assert await slow.told.get() == ("SUBSCRIBE", "a")
    for word in (b"subscribe", b"unsubscribe"):
        await slow.answer(word)
        assert not again.done()
    await slow.answer(b"subscribe")
    assert again.done()
    assert not gaps
    for task in working:
        task.cancel()
    await asyncio.wait(working)


async def test_a_batch_takes_one_answer_and_goes_whole(system: System, there: RedisFeed) -> None:
    client: Any = redis.Redis(port=system.server.port)
    ears = client.pubsub()
    ears.psubscribe(system.channel("*"))
    assert ears.get_message(timeout=1)["type"] == "psubscribe"
    asked = client.info("commandstats").get("cmdstat_eval", {"calls": 0})["calls"]
    there.publish([event(f"job-{number}", number + 1) for number in range(1_200)])
    heard: dict[str, list[Any]] = {}

    async def all_came() -> bool:
        while (message := ears.get_message()) is not None:
            heard[message["channel"].decode()] = json.loads(message["data"])[1:]
        return len(heard) == 1_200

    await wait_until(all_came)
    assert heard == {system.channel(f"job-{number}"): [number + 1, number + 1, None] for number in range(1_200)}
    assert client.info("commandstats")["cmdstat_eval"]["calls"] - asked == 3
    ears.close()
    client.close()


async def test_a_listener_that_was_ended_begins_anew(system: System, here: RedisFeed, there: RedisFeed) -> None:
    receiver = Receiver()
    await here.subscribe("a", receiver)
    for task in here._tasks:
        task.cancel()
    system.record.commit(there, event("a", 1))
    await receiver.has(event("a", 1))
    system.record.commit(there, event("a", 2))
    await receiver.has(event("a", 1), event("a", 2))
