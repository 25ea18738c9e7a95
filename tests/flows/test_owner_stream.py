"""All of a person's jobs on one connection, over two APIs and two workers: once each, wherever it is resumed."""

from __future__ import annotations

import asyncio
import itertools
import random
from typing import TYPE_CHECKING, Final, Literal

import httpx
import pytest

from snapasset.records.owner_events import Cursor
from tests.faults.cluster import clustering
from tests.faults.invariants import all_ended
from tests.flows.sse import StreamCut
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.faults.cluster import Caller, Cluster
    from tests.flows.sse import Message

pytestmark = pytest.mark.timeout(120)

Where = Literal["postgres", "sqlite"]

JOBS: Final = 40
STAYS: Final = 10**9
"""More frames than there are: a reader that stays to the end."""


@pytest.fixture(params=["postgres", "sqlite"])
async def cluster(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncGenerator[Cluster]:
    record: Where = request.param
    async with clustering(tmp_path, record=record, redis="plain" if record == "postgres" else None) as cluster:
        await cluster.started(apis=2, workers=2)
        yield cluster


class Reader:
    """Follows all of a person's jobs, comes back whenever it has been cut, and keeps what it was told."""

    def __init__(self, cluster: Cluster, person: Caller, seed: int | None = None) -> None:
        self.told: list[Message] = []
        self.begun = asyncio.Event()
        self._cluster = cluster
        self._person = person
        self._chance = None if seed is None else random.Random(seed)
        self._last: str | None = None
        self._turn = seed or 0

    async def read(self, jobs: int) -> None:
        """Until so many jobs have ended."""
        while sum(message.type == "final" for message in self.told) < jobs:
            servers = self._cluster.servers()
            self._turn += 1
            try:
                await self._some(self._person.at(servers[self._turn % len(servers)]), jobs)
            except (StreamCut, httpx.TransportError):
                continue

    async def _some(self, person: Caller, jobs: int) -> None:
        left = STAYS if self._chance is None else self._chance.randint(1, 12)
        async with person.follow_all(last=self._last) as stream:
            connected = await stream.next()
            assert connected.body == {"type": "connected", **({"resumedAfter": self._last} if self._last else {})}
            self._last = stream.last_event_id or self._last
            self.begun.set()
            while left and sum(message.type == "final" for message in self.told) < jobs:
                message = await stream.next()
                if message.seq:
                    left -= 1
                    self.told.append(message)
                    self._last = message.last_event_id

    def seqs(self) -> dict[str, list[int]]:
        """The seqs of each job in the order in which they were told."""
        found: dict[str, list[int]] = {}
        for message in self.told:
            found.setdefault(message.body["jobId"], []).append(message.seq)
        return found


async def test_each_event_once_and_in_order_whoever_writes_and_however_often_it_is_cut(cluster: Cluster) -> None:
    one, other = cluster.servers()
    alice, stranger = cluster.person(one), cluster.person(other)
    readers = [Reader(cluster, alice), *(Reader(cluster, alice, seed) for seed in range(1, 5))]
    reading = [asyncio.create_task(reader.read(JOBS)) for reader in readers]
    await asyncio.gather(*(reader.begun.wait() for reader in readers))
    await asyncio.gather(
        *(
            person.many(JOBS // 4, "errand", person.errand(steps=3, seconds=0.02))
            for person in (alice, alice.at(other), stranger, alice, alice.at(other))
        )
    )
    await all_ended(cluster)
    await asyncio.gather(*reading)
    stored = {job["jobId"]: job["seq"] for job in await alice.jobs()}
    assert len(stored) == JOBS
    for reader in readers:
        assert reader.seqs() == {job_id: list(range(1, seq + 1)) for job_id, seq in stored.items()}
        cursors = [Cursor.parse(message.last_event_id) for message in reader.told]
        assert all(earlier and later and earlier < later for earlier, later in itertools.pairwise(cursors))
    assert len({tuple(message.last_event_id for message in reader.told) for reader in readers}) == 1


async def test_an_api_that_dies_is_left_for_the_other_and_nothing_is_missed(cluster: Cluster) -> None:
    one, other = cluster.servers()
    alice = cluster.person(other)
    async with alice.at(one).follow_all() as stream:
        last = (await stream.next()).last_event_id
        job_id = await alice.walk(4, 0.3)
        while not stream.messages[-1].seq:
            await stream.next()
        told = [message.body["seq"] for message in stream.messages if message.seq]
        last = stream.last_event_id or last
        one.kill()

    async def dead() -> bool:
        return not one.alive

    await awaited(dead, "the API is dead")
    async with alice.follow_all(last=last) as stream:
        assert (await stream.next()).body["resumedAfter"] == last
        while stream.messages[-1].type != "final":
            await stream.next()
        told += [message.body["seq"] for message in stream.messages if message.seq]
    assert told == list(range(1, (await alice.job(job_id))["seq"] + 1))
