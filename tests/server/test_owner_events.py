"""GET /api/events: all the caller's jobs on one connection, from now on or from where the client left off."""

from __future__ import annotations

import asyncio
import contextlib
import json
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

import pytest

from snapasset.database import Statement, Write
from snapasset.errors import DatabaseUnavailable
from snapasset.event import tick
from snapasset.records.events import EventsAfter
from snapasset.records.owner_events import Cursor, LookAfter
from tests.server.breakable import Breakable
from tests.server.listener import Listener, listening
from tests.server.service import ADMIN, ALICE, BOB, Service, opened, served, settings_for, wait_until
from tests.server.test_stream_joining import come_back

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from snapasset.database import Database, Read, Steps
    from tests.server.listener import Frame

T = TypeVar("T")

PATH: Final = "/api/events"


def in_postgres() -> Database:
    from snapasset.database.postgres import PostgresDatabase  # with it comes a server, where there is one
    from tests.contracts.record_postgres import fresh_database

    return PostgresDatabase(fresh_database())


class Where(NamedTuple):
    """A record, and whether the server offers more than ASGI asks for."""

    record: Callable[[], Database | None]
    plain: bool = False


PLACES: dict[str, Where] = {
    "sqlite": Where(lambda: None),
    "postgres": Where(in_postgres),
    "plain": Where(lambda: None, plain=True),
}


@pytest.fixture(params=PLACES)
def where(request: pytest.FixtureRequest) -> Where:
    return PLACES[request.param]


@pytest.fixture
async def service(where: Where, tmp_path: Path) -> AsyncGenerator[Service]:
    async with opened(settings_for(tmp_path, sweep_seconds=600), record=where.record()) as service:
        yield service


@pytest.fixture
async def port(where: Where, service: Service) -> AsyncGenerator[int]:
    async with served(service, plain=where.plain) as port:
        yield port


@asynccontextmanager
async def watching(
    port: int, query: str = "", *, last: str | None = None, who: dict[str, str] = ALICE
) -> AsyncGenerator[Listener]:
    """The owner's stream, past the frame that says when to come back."""
    headers = dict(who) if last is None else {**who, "last-event-id": last}
    async with listening(port, PATH + query, headers=headers) as listener:
        first = await listener.frame()
        assert first is not None
        assert first.retry is not None
        yield listener


async def events(listener: Listener, count: int) -> list[Frame]:
    """The next so many frames that have a place."""
    found: list[Frame] = []
    while len(found) < count:
        frame = await listener.next()
        if frame.id is not None:
            found.append(frame)
    return found


def cursor(frame: Frame) -> Cursor:
    found = Cursor.parse(frame.id or "")
    assert found is not None, "the frame has no place"
    return found


def places(frames: list[Frame]) -> list[tuple[str, int]]:
    return [(frame.data["jobId"], frame.data["seq"]) for frame in frames]


async def ended(service: Service, who: dict[str, str] = ALICE) -> str:
    """A job that has had its five events."""
    job_id = await service.submit(who=who)
    await service.run(job_id)
    return job_id


class TestFresh:
    async def test_it_begins_at_now_and_tells_all_of_each_new_job(self, service: Service, port: int) -> None:
        await ended(service)
        async with watching(port) as stream:
            connected = await stream.next()
            assert connected.data == {"type": "connected"}
            assert cursor(connected)
            for _ in range(2):
                job_id = await ended(service)
                told = await events(stream, 5)
                stored = await service.state["database"].read(EventsAfter(job_id, 0))
                assert [frame.data for frame in told] == [json.loads(event.body) for event in stored]
                assert told[-1].data["type"] == "final"
                assert len({cursor(frame) for frame in told}) == 5

    async def test_a_job_that_is_under_way_is_told_from_here_on(self, service: Service, port: int) -> None:
        job_id = await service.submit()
        async with watching(port) as stream:
            await stream.next()
            await service.run(job_id)
            assert places(await events(stream, 4)) == [(job_id, seq) for seq in (2, 3, 4, 5)]

    async def test_nobody_is_told_of_the_jobs_of_others(self, service: Service, port: int) -> None:
        async with watching(port) as alice, watching(port, who=BOB) as bob, watching(port, who=ADMIN) as admin:
            for stream in (alice, bob, admin):
                await stream.next()
            of_bob = await ended(service, who=BOB)
            of_alice = await ended(service)
            of_admin = await ended(service, who=ADMIN)
            for stream, job_id in ((alice, of_alice), (bob, of_bob), (admin, of_admin)):
                assert places(await events(stream, 5)) == [(job_id, seq) for seq in (1, 2, 3, 4, 5)]

    async def test_names_are_for_those_who_ask_for_them(self, service: Service, port: int) -> None:
        async with watching(port) as plain, watching(port, "?named=1") as named:
            first = [await plain.next(), await named.next()]
            await ended(service)
            told = [[*await events(plain, 5)], [*await events(named, 5)]]
        assert [frame.event for frame in (first[0], *told[0])] == [None] * 6
        assert [frame.event for frame in (first[1], *told[1])] == ["connected", *["update"] * 4, "final"]
        assert [frame.id for frame in told[0]] == [frame.id for frame in told[1]]

    async def test_what_joins_later_stands_where_the_others_do(self, service: Service, port: int) -> None:
        async with watching(port) as first:
            await first.next()
            await ended(service)
            last = (await events(first, 5))[-1]
            async with watching(port) as second:
                assert cursor(await second.next()) >= cursor(last)
                job_id = await service.submit()
                for stream in (first, second):
                    assert places(await events(stream, 1)) == [(job_id, 1)]

    async def test_head_is_answered_and_ends(self, service: Service, port: int) -> None:
        async with listening(port, PATH, method="HEAD", headers={"connection": "close"}) as stream:
            assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            assert await stream.reader.read() == b""

    async def test_it_is_not_kept_by_anybody_on_the_way(self, service: Service, port: int) -> None:
        async with listening(port, PATH) as stream:
            assert stream.headers["cache-control"] == "no-store, no-transform"
            assert "set-cookie" not in stream.headers


class TestResumed:
    async def test_from_any_place_the_rest_follows_and_then_what_comes(self, service: Service, port: int) -> None:
        async with watching(port) as stream:
            begun = await stream.next()
            ids = [await ended(service) for _ in range(2)]
            told = [begun, *await events(stream, 10)]
        assert places(told[1:]) == [(job_id, seq) for job_id in ids for seq in (1, 2, 3, 4, 5)]
        for place, frame in enumerate(told):
            for query, last in (("", frame.id), (f"?after={frame.id}", None)):
                async with watching(port, query, last=last) as stream:
                    connected = await stream.next()
                    assert (connected.data, connected.id) == ({"type": "connected", "resumedAfter": frame.id}, None)
                    rest = await events(stream, 10 - place)
                    assert [one.id for one in rest] == [one.id for one in told[place + 1 :]]
        async with watching(port, last=told[4].id) as stream:
            await stream.next()
            await events(stream, 6)
            job_id = await service.submit()
            assert places(await events(stream, 1)) == [(job_id, 1)]

    async def test_the_header_goes_before_the_query(self, service: Service, port: int) -> None:
        async with watching(port) as stream:
            begun = await stream.next()
            job_id = await ended(service)
            third = (await events(stream, 3))[-1]
        async with watching(port, f"?after={begun.id}", last=third.id) as stream:
            assert (await stream.next()).data["resumedAfter"] == third.id
            assert places(await events(stream, 2)) == [(job_id, 4), (job_id, 5)]

    @pytest.mark.parametrize(
        "word", ["5", "0", "-1", "x" * 5_000, "00000000-0-0", "{era}-999999999999999999-0",
                 "{era}-99999999999999999999-0", "{era}-1", "%00", "{era}-0-1%0a"]
    )  # fmt: skip
    async def test_who_brings_what_was_never_handed_out_begins_anew(
        self, service: Service, port: int, word: str
    ) -> None:
        async with watching(port) as stream:
            begun = await stream.next()
        await service.submit()
        word = word.format(era=(begun.id or "").split("-")[0])
        async with watching(port, f"?after={word}") as stream:
            connected = await stream.next()
            assert connected.data == {"type": "connected"}
            assert connected.id is not None
            later = await service.submit()
            assert places(await events(stream, 1))[0] in [(later, 1)]

    async def test_where_another_process_left_off(self, service: Service, port: int, tmp_path: Path) -> None:
        """Its topic has seen what this one has not: that a place is right shows only in the record."""
        async with watching(port) as here:
            await here.next()
            async with elsewhere(service, tmp_path) as there, watching(there) as stream:
                begun = await stream.next()
            async with watching(port, last=begun.id) as stream:
                assert (await stream.next()).data == {"type": "connected", "resumedAfter": begun.id}
                job_id = await ended(service)
                assert places(await events(stream, 5)) == [(job_id, seq) for seq in (1, 2, 3, 4, 5)]
            assert places(await events(here, 5)) == [(job_id, seq) for seq in (1, 2, 3, 4, 5)]

    async def test_much_that_was_missed_comes_whole_while_more_is_made(self, service: Service, port: int) -> None:
        async with watching(port) as stream:
            begun = await stream.next()
            jobs = 60
            first = await asyncio.gather(*(service.submit("noop", {}) for _ in range(jobs)))
            await events(stream, jobs)
        for job_id in first:
            await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
        making = asyncio.gather(*(service.submit("noop", {}) for _ in range(jobs)))
        async with watching(port, last=begun.id) as stream, watching(port, last=begun.id) as another:
            told = await events(stream, 3 * jobs)
            assert [frame.id for frame in await events(another, 3 * jobs)] == [frame.id for frame in told]
        expected = [*((job_id, 1) for job_id in (*first, *await making)), *((job_id, 2) for job_id in first)]
        assert sorted(places(told)) == sorted(expected)

    async def test_who_missed_nothing_is_live_though_the_world_went_on(self, service: Service, port: int) -> None:
        await service.submit()
        job = await service.claim()
        async with watching(port) as stream:
            left_off = (await stream.next()).id
        await ended(service, who=BOB)
        async with watching(port, who=BOB) as other, watching(port, last=left_off) as stream:
            await other.next()
            assert (await stream.next()).data["resumedAfter"] == left_off
            await wait_until(lambda: service.state["hub"].waiting == 0)
            service.state["switch"].feed.publish([tick(job, "render", 5)])
            assert (await stream.next()).data["progress"] == 5.0

    async def test_another_record_in_its_place_is_begun_anew(self, service: Service, port: int) -> None:
        async with watching(port) as stream:
            await stream.next()
            await service.state["database"].write(NewEra())
            job_id = await service.submit()
            assert await stream.rest() == []
        async with watching(port) as stream:
            await stream.next()
            await service.claim()
            assert places(await events(stream, 1)) == [(job_id, 2)]


@asynccontextmanager
async def elsewhere(service: Service, folder: Path) -> AsyncGenerator[int]:
    """The port of one more process on the same record."""
    here: Any = service.state["database"]
    record = type(here)(here._url) if hasattr(here, "_url") else None
    async with opened(settings_for(folder, sweep_seconds=600), record=record) as other, served(other) as port:
        yield port


@dataclass(frozen=True, slots=True)
class NewEra(Write[None]):
    """What an import leaves behind, as far as places go."""

    def touches(self) -> frozenset[str]:
        return frozenset()

    def steps(self) -> Steps[None]:
        yield Statement("UPDATE record SET era = $1", ("0badcafe",))


class TestWho:
    async def test_a_page_may_open_it_before_it_has_made_a_job(self, service: Service, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /api/events HTTP/1.1\r\nhost: x\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        cookie = next(line for line in head.split("\r\n") if line.startswith("set-cookie: snapasset_session="))
        assert "HttpOnly" in cookie
        session = {"cookie": cookie.removeprefix("set-cookie: ").split(";")[0]}
        stream = Listener(reader, writer, 200, {})
        await stream.frame()
        assert (await stream.next()).data == {"type": "connected"}
        job_id = await service.submit(who=session)
        assert places(await events(stream, 1)) == [(job_id, 1)]
        writer.close()

    @pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}])
    async def test_no_session_is_handed_to_another_site(self, service: Service, headers: dict[str, str]) -> None:
        answer = await service.http.get(PATH, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        assert "set-cookie" not in answer.headers

    async def test_a_token_that_is_wrong_opens_nothing(self, service: Service) -> None:
        answer = await service.http.get(f"{PATH}?token=nonsense", headers=ALICE)
        assert (answer.status_code, answer.json()["code"]) == (401, "missing_user")

    async def test_a_token_opens_the_news_of_its_owner(self, service: Service, port: int) -> None:
        token = (await service.http.post(f"{PATH}/token", headers=ALICE)).json()["token"]
        async with watching(port, f"?token={token}", who=BOB) as stream:
            await stream.next()
            await service.submit(who=BOB)
            job_id = await service.submit()
            assert places(await events(stream, 1)) == [(job_id, 1)]


async def test_what_an_older_transaction_holds_back_comes_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    database = in_postgres()
    url: str = cast("Any", database)._url
    from tests.contracts.record_postgres import Bystander

    async with opened(settings_for(tmp_path, sweep_seconds=600), record=database) as service, served(service) as port:
        with contextlib.closing(Bystander(url)) as other:
            async with watching(port) as stream:
                await stream.next()
                other.do("BEGIN; SELECT pg_current_xact_id()")
                jobs = [await service.submit(), await service.submit()]
                async with watching(port) as late:
                    await late.next()
                    [topic] = service.state["hub"]._owner_topics.values()  # pyright: ignore[reportPrivateUsage]
                    await wait_until(lambda: topic._unsettled)  # pyright: ignore[reportPrivateUsage]
                    other.do("COMMIT")
                    for one in (stream, late):
                        assert places(await events(one, 2)) == [(job_id, 1) for job_id in jobs]
            other.do("BEGIN; SELECT pg_current_xact_id()")
            early = await service.submit()
            async with watching(port) as alone:
                await alone.next()
                other.do("COMMIT")
                assert places(await events(alone, 1)) == [(early, 1)]


class TestTicks:
    async def test_those_of_several_jobs_go_side_by_side_and_have_no_place(self, service: Service, port: int) -> None:
        async with watching(port) as stream:
            await stream.next()
            jobs = [await service.claim() for _ in [await service.submit(), await service.submit()]]
            last = (await events(stream, 4))[-1]
            feed = service.state["switch"].feed
            feed.publish([tick(job, "render", done) for done in (1, 2, 3) for job in jobs])
            told = [await stream.next() for _ in jobs]
            assert {(frame.data["jobId"], frame.data["progress"]) for frame in told} == {(job.id, 3.0) for job in jobs}
            assert {(frame.id, frame.event, frame.data["tick"]) for frame in told} == {(None, None, True)}
            await service.complete(jobs[0])
            assert places(await events(stream, 1)) == [(jobs[0].id, 3)]
        async with watching(port, last=last.id) as stream:
            await stream.next()
            assert places(await events(stream, 1)) == [(jobs[0].id, 3)]

    async def test_one_that_may_be_older_than_what_is_found_is_not_told(self, tmp_path: Path) -> None:
        async with breakable(tmp_path) as (service, port, database), watching(port) as stream:
            await stream.next()
            first, second = [await service.claim() for _ in [await service.submit(), await service.submit()]]
            await events(stream, 4)
            database.slow = (LookAfter,)
            looks = database.asked.count(LookAfter)
            await service.step(first)
            await wait_until(lambda: database.asked.count(LookAfter) > looks)
            service.state["switch"].feed.publish(
                [tick(job, "generate", done) for done in (1, 2) for job in (first, second)]
            )
            database.slow = ()
            told = [await stream.next() for _ in range(3)]
            assert places(told[:2]) == [(first.id, 3), (first.id, 4)]
            assert (told[2].data["jobId"], told[2].data["progress"]) == (second.id, 2.0)
            late = tick(first, "generate", 3)._replace(after=3)
            service.state["switch"].feed.publish([late, late._replace(after=4)])  # of another process, which was slow
            assert (await stream.next()).data["progress"] == 3.0
            await service.complete(first)
            assert places([await stream.next()]) == [(first.id, 5)]


class Echoing(Breakable):
    """Has something said once, just when a look has ended and nobody knows it yet."""

    echo: Callable[[], None] | None = None

    async def read(self, question: Read[T]) -> T:
        answer = await super().read(question)
        if isinstance(question, LookAfter) and self.echo is not None:
            asyncio.get_running_loop().call_soon(self.echo)
            self.echo = None
        return answer


@asynccontextmanager
async def breakable(
    folder: Path, wrap: type[Breakable] = Breakable, **changes: Any
) -> AsyncGenerator[tuple[Service, int, Breakable]]:
    settings = settings_for(folder, **{"sweep_seconds": 600, **changes})
    async with opened(settings, wrap=wrap) as service, served(service) as port:
        yield service, port, cast("Breakable", service.state["database"])


class TestRecord:
    async def test_while_it_is_away_who_comes_is_told_to_come_back(self, tmp_path: Path) -> None:
        async with breakable(tmp_path) as (_, port, database):
            database.away = True
            async with listening(port, PATH) as stream:
                assert await come_back(stream)

    async def test_what_was_committed_while_it_could_not_be_asked_comes_when_it_can(self, tmp_path: Path) -> None:
        async with breakable(tmp_path) as (service, port, database):
            job_id = await service.submit()
            async with watching(port) as stream:
                await stream.next()
                looks = database.asked.count(LookAfter)
                database.error = DatabaseUnavailable()
                await service.claim()
                await wait_until(lambda: database.asked.count(LookAfter) > looks)
                database.error = None
                assert places(await events(stream, 1)) == [(job_id, 2)]

    async def test_a_look_that_goes_wrong_is_not_the_last(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with breakable(tmp_path) as (service, port, database):
            job_id = await service.submit()
            async with watching(port) as stream:
                await stream.next()
                database.error = LookupError("a mistake of somebody's")
                await service.claim()
                await wait_until(lambda: "could not be looked for" in caplog.text)
                database.error = None
                assert places(await events(stream, 1)) == [(job_id, 2)]

    async def test_who_joins_an_owner_that_is_watched_asks_nothing(self, tmp_path: Path) -> None:
        async with breakable(tmp_path) as (_, port, database), watching(port) as first:
            begun = await first.next()
            database.away = True
            async with watching(port) as second, watching(port, last=begun.id) as third:
                assert (await second.next()).data == {"type": "connected"}
                assert (await third.next()).data["resumedAfter"] == begun.id

    async def test_however_many_watch_the_record_is_asked_once(self, tmp_path: Path) -> None:
        async with breakable(tmp_path) as (service, port, database), AsyncExitStack() as stack:
            listeners = await asyncio.gather(*(stack.enter_async_context(watching(port)) for _ in range(20)))
            for listener in listeners:
                await listener.next()
            assert database.asked.count(LookAfter) == 1
            job_id = await service.submit()
            for listener in listeners:
                assert places(await events(listener, 1)) == [(job_id, 1)]
            assert database.asked.count(LookAfter) == 2

    async def test_what_is_said_when_a_look_has_just_ended_is_looked_for(self, tmp_path: Path) -> None:
        async with breakable(tmp_path, wrap=Echoing) as (service, port, database), watching(port) as stream:
            await stream.next()
            [topic] = service.state["hub"]._owner_topics.values()  # pyright: ignore[reportPrivateUsage]
            cast("Echoing", database).echo = topic.fill
            job_id = await service.submit()
            assert places(await events(stream, 1)) == [(job_id, 1)]
            await wait_until(lambda: not topic._again)  # pyright: ignore[reportPrivateUsage]

    async def test_what_nobody_has_told_is_found_by_the_sweep(self, tmp_path: Path) -> None:
        async with breakable(tmp_path, sweep_seconds=0.05) as (service, port, _), watching(port) as stream:
            await stream.next()
            [topic] = service.state["hub"]._owner_topics.values()  # pyright: ignore[reportPrivateUsage]
            service.state["switch"].feed.unsubscribe_owner(topic.owner, topic.hear)
            job_id = await service.submit()
            assert places(await events(stream, 1)) == [(job_id, 1)]

    async def test_nothing_is_left_when_all_have_gone(self, service: Service, port: int) -> None:
        hub = service.state["hub"]
        async with watching(port), watching(port), watching(port, who=BOB):
            await wait_until(lambda: hub.readers == 3)
            assert len(hub._owner_topics) == 2  # pyright: ignore[reportPrivateUsage]
        await wait_until(lambda: not hub._owner_topics)  # pyright: ignore[reportPrivateUsage]
        assert not cast("Any", service.state["switch"].feed)._owners
