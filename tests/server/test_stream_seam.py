"""Connections that come, fill up and go at any moment: each is told every event once and in order."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, cast

import pytest

from server.streams.topic import PAGE
from snapasset.event import Event, tell, tick
from snapasset.records.steps import StartStep
from tests.server.breakable import Breakable
from tests.server.service import opened, settings_for, wait_until
from tests.server.wires import HandWire, joins

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from server.streams.hub import Hub
    from server.streams.job_topic import JobTopic
    from server.streams.reader import Reader
    from snapasset.event import News
    from snapasset.job import Job
    from tests.server.service import Service


async def watched(service: Service) -> tuple[Hub, JobTopic, Job]:
    """A claimed job, seq 2, that is watched and stays so."""
    await service.submit()
    job = await service.claim()
    hub = service.state["hub"]
    topic = hub.job(job.id)
    topic.pin()
    await topic.refresh()
    return hub, topic, job


async def move(service: Service, job: Job, times: int = 1) -> None:
    database = cast("Breakable", service.state["database"])
    for _ in range(times):
        await getattr(database, "real", database).write(
            StartStep(job.id, job.fence, "generate", paid=False, progress=1)
        )


def news_of(job: Job, seq: int) -> Event:
    return tell(job._replace(seq=seq), "update")


def unreliable(service: Service, fate: random.Random) -> None:
    """From now on the feed loses, doubles and swaps events."""
    feed = service.state["switch"].feed
    publish = feed.publish
    held: list[News] = []

    def mistreat(news: Sequence[News]) -> None:
        for item in news:
            match fate.randrange(5) if isinstance(item, Event) else 0:
                case 1:
                    pass
                case 2:
                    publish([item, item])
                case 3:
                    held.append(item)
                case _:
                    publish([item, *held])
                    held.clear()

    cast("Breakable", service.state["database"]).real._listeners[:] = [mistreat]  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_happens_each_reader_gets_each_event_once(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    async with opened(settings_for(tmp_path, sweep_seconds=0.05), wrap=Breakable) as service:
        hub, topic, job = await watched(service)
        database = cast("Breakable", service.state["database"])
        unreliable(service, chance)
        readers: list[tuple[int, HandWire, Reader]] = []
        for _ in range(150):
            match chance.randrange(8):
                case 0 | 1 | 2:
                    await move(service, job, chance.randrange(1, 5))
                case 3:
                    after = chance.choice((0, 1, 2, topic.at, max(0, topic.at - 3)))
                    readers.append((after, *joins(hub, topic, after, named=chance.randrange(2))))
                case 4 if readers:
                    chance.choice(readers)[1].fill()
                case 5 if readers:
                    chance.choice(readers)[1].empty()
                case 6:
                    service.state["switch"].feed.publish([tick(job, "generate", chance.random())])
                case _:
                    database.away = chance.random() < 0.3
                    await asyncio.sleep(0.001)
        database.away = False
        for _, wire, _ in readers:
            wire.empty()
        await service.complete(job)
        await wait_until(lambda: all(wire.ended for _, wire, _ in readers), 20)
        last = (await service.job(job.id))["seq"]
        for after, wire, _ in readers:
            assert wire.seqs == list(range(after + 1, last + 1))
            assert wire.messages[-1].type == "final"
        topic.unpin()
        assert (hub.readers, hub.waiting) == (0, 0)


async def test_a_hole_of_many_events_is_filled_from_the_record(service: Service) -> None:
    hub, topic, job = await watched(service)
    wire, _ = joins(hub, topic, 2)
    service.state["database"]._listeners.clear()  # pyright: ignore[reportPrivateUsage]
    await move(service, job, 2 * PAGE + 10)
    topic.fill()
    await wait_until(lambda: wire.seqs == list(range(3, 2 * PAGE + 13)))
    assert hub.waiting == 0


async def test_while_there_is_a_hole_only_the_record_is_believed(service: Service) -> None:
    hub, topic, job = await watched(service)
    wire, _ = joins(hub, topic, 2)
    service.state["database"]._listeners.clear()  # pyright: ignore[reportPrivateUsage]
    await move(service, job, 3)
    topic.hear(news_of(job, 5))
    topic.hear(tick(job, "generate", 99))
    topic.hear(news_of(job, 3)._replace(body='{"type":"update","seq":3,"late":true}'))
    await wait_until(lambda: wire.seqs == [3, 4, 5])
    assert not [message for message in wire.messages if "late" in message.body or "tick" in message.body]


async def test_events_of_one_turn_go_out_in_one_write(service: Service) -> None:
    hub, topic, job = await watched(service)
    wire, _ = joins(hub, topic, 2)
    for seq in range(3, 8):
        topic.hear(news_of(job, seq))
    topic.hear(tick(job, "generate", 1))
    topic.hear(tick(job, "generate", 2))
    await asyncio.sleep(0)
    assert wire.writes == 2  # the first frames were one
    assert len(wire.messages) == 6
    assert wire.messages[-1].body["progress"] == 2


async def test_a_tick_that_is_older_than_an_event_is_not_told(service: Service) -> None:
    hub, topic, job = await watched(service)
    wire, _ = joins(hub, topic, 2)
    topic.hear(tick(job, "generate", 1))
    topic.hear(news_of(job, 3))
    await asyncio.sleep(0)
    assert [message.seq for message in wire.messages] == [3]


async def test_an_event_is_encoded_once_for_all(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, topic, job = await watched(service)
    wires = [joins(hub, topic, 2, named=number % 2)[0] for number in range(20)]
    signed: list[str] = []
    urls = hub.urls

    class Counting:
        def sign(self, text: str) -> str:
            signed.append(text)
            return urls.sign(text)

    monkeypatch.setattr(hub, "urls", Counting())
    await move(service, job)
    await wait_until(lambda: all(wire.seqs == [3] for wire in wires))
    assert len(signed) == 1


async def test_what_a_full_socket_missed_recently_is_told_without_the_record(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, sweep_seconds=600), wrap=Breakable) as service:
        hub, topic, job = await watched(service)
        wire, _ = joins(hub, topic, 2)
        wire.fill()
        await move(service, job, 5)
        await wait_until(lambda: hub.waiting == 1)
        cast("Breakable", service.state["database"]).away = True
        wire.empty()
        await wait_until(lambda: wire.seqs == [3, 4, 5, 6, 7])
        await wait_until(lambda: hub.waiting == 0)
        await move(service, job)
        await wait_until(lambda: wire.seqs[-1] == 8)


async def test_a_reader_whose_bringing_up_fails_is_cut_and_not_left_silent(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path), wrap=Breakable) as service:
        hub, topic, job = await watched(service)
        await move(service, job, 40)
        cast("Breakable", service.state["database"]).error = ValueError("unforeseen")
        wire, _ = joins(hub, topic, 0)
        await wait_until(lambda: wire.aborted)
        assert hub.readers == 0


async def test_a_reader_that_takes_nothing_is_cut_after_a_while(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, stream_frozen_seconds=0.05)) as service:
        hub, topic, job = await watched(service)
        frozen, _ = joins(hub, topic, 2)
        well, _ = joins(hub, topic, 2)
        frozen.fill()
        await move(service, job)
        await wait_until(lambda: frozen.aborted)
        await move(service, job)
        await wait_until(lambda: well.seqs == [3, 4])
        assert (hub.readers, frozen.seqs) == (1, [])


async def test_a_silent_stream_whose_socket_is_full_is_found_by_the_beat(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, stream_frozen_seconds=0.05, heartbeat_seconds=0.1)) as service:
        hub, topic, _ = await watched(service)
        frozen, _ = joins(hub, topic, 2)
        frozen.fill()
        await wait_until(lambda: frozen.aborted)


async def test_a_stream_that_has_grown_old_ends(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, stream_age_seconds=0.2, heartbeat_seconds=0.1)) as service:
        hub, topic, _ = await watched(service)
        wire, _ = joins(hub, topic, 2)
        await wait_until(lambda: wire.ended)
        assert wire.parser.comments > 0
        assert hub.readers == 0


async def test_a_stream_that_is_always_behind_grows_old_as_well(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, stream_age_seconds=0.05, heartbeat_seconds=0.05)) as service:
        hub, topic, _ = await watched(service)
        wire, _ = joins(hub, topic, topic.at)
        wire.full = True
        await wait_until(lambda: wire.ended)


async def test_ages_are_spread(service: Service) -> None:
    hub, topic, _ = await watched(service)
    until = [joins(hub, topic, 2)[1].until for _ in range(50)]
    now = asyncio.get_running_loop().time()
    assert all(470 < each - now < 730 for each in until)
    assert max(until) - min(until) > 60


async def test_many_streams_are_ended_one_after_the_other(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, stream_drain_seconds=0.2)) as service:
        hub, topic, _ = await watched(service)
        wires = [joins(hub, topic, 2)[0] for _ in range(400)]
        draining = asyncio.create_task(hub.drain())
        steps: list[int] = []
        while not draining.done():
            steps.append(sum(wire.ended for wire in wires))
            await asyncio.sleep(0.005)
        assert any(0 < ended < 400 for ended in steps)
        assert all(wire.ended for wire in wires)
        assert hub.readers == 0
        assert not hub._accounts  # pyright: ignore[reportPrivateUsage]


async def test_a_few_streams_are_ended_at_once(service: Service) -> None:
    hub, topic, _ = await watched(service)
    wires = [joins(hub, topic, 2)[0] for _ in range(20)]
    draining = asyncio.create_task(hub.drain())
    await asyncio.sleep(0)
    assert all(wire.ended for wire in wires)
    await draining


async def test_a_job_is_read_no_more_once_nobody_watches(service: Service) -> None:
    hub, topic, job = await watched(service)
    _, reader = joins(hub, topic, 2)
    topic.unpin()
    assert hub.job(job.id) is topic
    reader.lost()
    assert topic.closed
    assert not service.state["switch"].feed._receivers  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    fresh = hub.job(job.id)
    assert fresh is not topic
    fresh.left()
