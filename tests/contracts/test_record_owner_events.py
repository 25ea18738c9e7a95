"""All events of an owner have one order, and from any place in it the rest follows: once each, nothing left out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from snapasset.event import FINAL
from snapasset.records.claims import Claim
from snapasset.records.endings import Cancel, Complete
from snapasset.records.events import EventsAfter, Missing, MissingEvents
from snapasset.records.owner_events import Cursor, CursorNow, LookAfter, OwnerEventsAfter, OwnersBehind
from snapasset.records.retention import RemoveJobs
from snapasset.records.steps import FinishStep, StartStep
from tests.contracts.conftest import wait_until
from tests.contracts.record_backends import Do, Look, ThenRaise
from tests.contracts.record_jobs import OWNER, STRANGER, a_job, ended, submitted

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.event import Event
    from snapasset.records.owner_events import OwnedEvent
    from tests.contracts.record_backends import Clock, Record

LATE = 200
"""How often a reader may find nothing before the rest must be there."""


async def settled(database: Database) -> None:
    """Wait for transactions of the server's own, which may be older than what was just committed."""

    async def all_of_it() -> object:
        return (await database.read(Look("SELECT settled_below() > coalesce(max(horizon), 0) FROM job_events")))[0][0]

    await wait_until(all_of_it)


async def rest(
    database: Database, after: Cursor | OwnedEvent, owner: str = OWNER, *, limit: int = 500
) -> list[OwnedEvent]:
    """All that follows, page by page, once nobody else is at work."""
    await settled(database)
    cursor = after if isinstance(after, Cursor) else after.cursor
    found: list[OwnedEvent] = []
    while page := await database.read(OwnerEventsAfter(owner, cursor, limit)):
        assert len(page) <= limit
        found += page
        cursor = page[-1].cursor
    return found


def names(found: list[OwnedEvent]) -> list[tuple[str, int]]:
    return [(one.event.job_id, one.event.seq) for one in found]


async def stored(database: Database, owner: str = OWNER) -> list[tuple[str, int]]:
    rows = await database.read(
        Look("SELECT job_events.job_id, job_events.seq FROM job_events JOIN jobs ON jobs.id = job_id "
             "WHERE jobs.owner = $1 ORDER BY pos", (owner,))
    )  # fmt: skip
    return [(job_id, seq) for job_id, seq in rows]


def check_each_job(found: list[OwnedEvent], first: int = 1) -> None:
    """Of each job there is every seq, and in order."""
    seqs: dict[str, list[int]] = {}
    for job_id, seq in names(found):
        seqs.setdefault(job_id, []).append(seq)
    assert seqs == {job_id: list(range(first, first + len(its))) for job_id, its in seqs.items()}


async def live(database: Database, owner: str, kind: str) -> None:
    """A job from its beginning to its end, among others."""
    job = await database.write(a_job(owner=owner, kind=kind, queue=kind))
    mine = await database.write(Claim(kind, (kind,), "worker"))
    assert mine is not None
    assert mine.id == job.id
    await database.write(StartStep(mine.id, mine.fence, "render", paid=False, progress=10.0))
    await database.write(FinishStep(mine.id, mine.fence, "render", "{}", 60.0))
    await database.write(Complete(mine.id, mine.fence, "{}"))


async def test_all_of_it_in_the_order_of_the_record_and_nobody_elses(database: Database) -> None:
    now = await database.read(CursorNow())
    for owner in (OWNER, STRANGER, OWNER):
        await ended(database, await submitted(database, owner=owner))
    found = await rest(database, now)
    assert names(found) == await stored(database)
    assert len(found) == 6
    assert {one.event.owner for one in found} == {OWNER}
    assert names(await rest(database, now, STRANGER)) == await stored(database, STRANGER)


async def test_an_event_is_what_its_job_says_it_is(database: Database) -> None:
    now = await database.read(CursorNow())
    job = await ended(database, await submitted(database))
    assert [one.event for one in await rest(database, now)] == await database.read(EventsAfter(job.id, 0))


async def test_from_each_cursor_the_rest_follows_in_pages_of_any_size(database: Database) -> None:
    now = await database.read(CursorNow())
    for _ in range(4):
        await ended(database, await submitted(database))
    found = await rest(database, now)
    assert len(set(found)) == 12
    for limit in (1, 5, 12):
        assert await rest(database, now, limit=limit) == found
    for place, one in enumerate(found, 1):
        assert await rest(database, one) == found[place:]


async def test_a_cursor_is_what_its_text_says_wherever_it_goes(database: Database, record: Record) -> None:
    now = await database.read(CursorNow())
    await ended(database, await submitted(database))
    first, *others = await rest(database, now)
    again = Cursor.parse(str(first.cursor))
    assert again is not None
    assert again == first.cursor
    assert len(str(first.cursor)) <= 48
    elsewhere = await record.open()
    assert again.leads_on_to(await elsewhere.read(CursorNow()))
    assert await rest(elsewhere, again) == others


async def test_now_is_after_what_was_and_before_what_will_be(database: Database) -> None:
    await ended(database, await submitted(database))
    now = await database.read(CursorNow())
    assert await rest(database, now) == []
    later = await submitted(database)
    assert names(await rest(database, now)) == [(later.id, 1)]


async def test_what_was_handed_out_leads_on_for_ever(database: Database) -> None:
    now = await database.read(CursorNow())
    for _ in range(3):
        await submitted(database)
        last = (await rest(database, now))[-1].cursor
        later = await database.read(CursorNow())
        assert now.leads_on_to(later)
        assert last.leads_on_to(later)


async def test_what_was_not_handed_out_here_leads_nowhere(database: Database) -> None:
    await submitted(database)
    now = await database.read(CursorNow())
    for stranger in (
        now._replace(era="00000000"), now._replace(pos=now.pos + 1, horizon=now.horizon + 1),
        now._replace(horizon=10**17), now._replace(horizon=now.horizon, pos=10**17),
    ):  # fmt: skip
        assert not stranger.leads_on_to(now)


@pytest.mark.parametrize(
    "text",
    ["", "5", "-", "--", "0123abcd-1", "0123abcd-1-2-3", "0123ABCD-1-2", "0123abcd--1-2", "0123abcd-1-2\n", "0123abcd-1-x",
     "0123abcd-1-1111111111111111111", "0123abcd-٣-1", "x" * 100_000],
)  # fmt: skip
def test_an_absurd_text_is_no_cursor(text: str) -> None:
    assert Cursor.parse(text) is None


async def test_sessions_that_look_alike_are_told_apart(database: Database) -> None:
    alike = [f"session:{'a' * 12}{tail * 52}" for tail in "bc"]
    now = await database.read(CursorNow())
    ids = [(await submitted(database, owner=owner)).id for owner in alike]
    assert [names(await rest(database, now, owner)) for owner in alike] == [[(job_id, 1)] for job_id in ids]


async def test_a_change_that_was_taken_back_leaves_no_hole(database: Database) -> None:
    now = await database.read(CursorNow())
    first = await submitted(database)
    for _ in range(3):
        with pytest.raises(LookupError):
            await database.write(ThenRaise(a_job(), LookupError()))
    second = await submitted(database)
    found = await rest(database, now)
    assert names(found) == [(first.id, 1), (second.id, 1)]
    assert names(await rest(database, found[0])) == [(second.id, 1)]


async def test_a_cursor_outlives_its_event(database: Database, clock: Clock) -> None:
    now = await database.read(CursorNow())
    gone = await ended(database, await submitted(database))
    stays = await submitted(database)
    found = await rest(database, now)
    assert await database.write(RemoveJobs((gone.id,), clock.now)) == {gone.id}
    for place in range(len(found) - 1):
        assert names(await rest(database, found[place])) == [(stays.id, 1)]
    fresh = await submitted(database)
    assert names(await rest(database, found[-1])) == [(fresh.id, 1)]


async def test_an_older_program_beside_this_one_is_followed_as_well(database: Database) -> None:
    job = await submitted(database)
    now = await database.read(CursorNow())
    await database.write(
        Do("INSERT INTO job_events (job_id, seq, type, body, at) VALUES ($1, 2, 'update', '{}', 1)", (job.id,))
    )
    [told] = await rest(database, now)
    assert (told.event.seq, told.event.owner) == (2, OWNER)


async def test_thousands_by_many_writers_are_read_once_each_while_they_are_written(record: Record) -> None:
    writers = [await record.open() for _ in range(3)]
    reader = await record.open()
    now = await reader.read(CursorNow())

    async def write(database: Database, kind: str) -> None:
        for number in range(12):
            await live(database, OWNER if number % 3 else STRANGER, kind)

    writing = [
        asyncio.create_task(write(database, f"{place}-{row}"))
        for place, database in enumerate(writers)
        for row in range(8)
    ]
    found: list[OwnedEvent] = []
    late = 0
    while len(found) < 3 * 8 * 8 * 5 and late < LATE:
        page = await reader.read(OwnerEventsAfter(OWNER, found[-1].cursor if found else now, 7))
        found += page
        late = 0 if page or not all(task.done() for task in writing) else late + 1
    await asyncio.gather(*writing)
    assert sorted(names(found)) == sorted(await stored(reader))
    check_each_job(found)
    assert sum(one.event.type == FINAL for one in found) == 192
    for one in found[::97]:
        assert (await rest(reader, one)) == found[found.index(one) + 1 :]


class TestLooks:
    async def test_one_that_finds_all_there_is_says_up_to_where(self, database: Database) -> None:
        now = await database.read(CursorNow())
        await ended(database, await submitted(database))
        await submitted(database, owner=STRANGER)
        await settled(database)
        look = await database.read(LookAfter(OWNER, now, 3))
        assert names(look.events) == await stored(database)
        assert look.events[-1].cursor < look.now
        assert not look.unsettled
        again = await database.read(LookAfter(OWNER, look.now, 3))
        assert (again.events, again.now >= look.now) == ([], True)
        later = await submitted(database)
        await settled(database)
        assert names((await database.read(LookAfter(OWNER, look.now, 3))).events) == [(later.id, 1)]

    @pytest.mark.parametrize("count", [1, 3, 40])
    async def test_of_many_owners_those_are_named_who_have_news(self, database: Database, count: int) -> None:
        owners = [f"session:{number:064x}" for number in range(count)]
        alike = [f"{owner[:-1]}x" for owner in owners]
        begun = await database.read(CursorNow())
        for owner in owners[::2]:
            await submitted(database, owner=owner)
        await settled(database)
        now = await database.read(CursorNow())
        for place, owner in enumerate(owners):
            if place % 4 == 0:
                await submitted(database, owner=owner)
        await settled(database)

        async def behind(who: list[str], where: Cursor) -> set[str]:
            return set(await database.read(OwnersBehind([(owner, where) for owner in who])))

        assert await behind(owners, begun) == set(owners[::2])
        assert await behind(owners, now) == set(owners[::4])
        assert await behind(alike, begun) == await behind(owners, await database.read(CursorNow())) == set()


class TestMissingEvents:
    async def of_some(self, database: Database, count: int) -> list[str]:
        ids = [(await submitted(database)).id for _ in range(count)]
        for job_id in ids:
            await database.write(Cancel(job_id, OWNER))
        return ids

    @pytest.mark.parametrize("count", [1, 2, 5, 17, 64])
    async def test_several_jobs_are_read_at_once_each_within_its_bounds(self, database: Database, count: int) -> None:
        ids = await self.of_some(database, count)
        whole = [event for job_id in sorted(ids) for event in await database.read(EventsAfter(job_id, 0))]
        assert len(whole) == 2 * count
        assert await self.asked(database, *(Missing(job_id, 0, 2**53) for job_id in ids)) == whole
        some = await self.asked(database, *(Missing(job_id, place % 3, 1) for place, job_id in enumerate(ids)))
        assert [(event.job_id, event.seq) for event in some] == sorted((job_id, 1) for job_id in ids[::3])

    async def test_what_is_not_there_is_left_out(self, database: Database) -> None:
        job = await ended(database, await submitted(database))
        found = await self.asked(database, Missing("nobody", 0, 9), Missing(job.id, 1, 2), Missing("none", -1, 2**53))
        assert [(event.job_id, event.seq, event.owner) for event in found] == [(job.id, 2, OWNER)]

    async def asked(self, database: Database, *missing: Missing) -> list[Event]:
        return await database.read(MissingEvents(missing))
