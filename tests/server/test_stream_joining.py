"""What it takes to join a stream: who may, how many may, and how seldom the record is asked."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

from server.events import JobStream
from server.streams.job_topic import FRESH_SECONDS
from server.streams.wire import EXTENSION
from snapasset.records.events import EventsAfter
from snapasset.records.watched import GetWatched
from tests.server.breakable import Breakable
from tests.server.listener import Listener, following, listening
from tests.server.service import ALICE, BOB, Service, opened, served, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from starlette.types import Scope

    from server.streams.response import Joined
    from snapasset.database import Read

T = TypeVar("T")


class Asked(Breakable):
    """Keeps the questions that streams ask."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.questions: list[Read[Any]] = []
        self.answers_late = False

    async def read(self, question: Read[T]) -> T:
        if type(question) in (GetWatched, EventsAfter):
            self.questions.append(question)
        answer = await super().read(question)
        while self.answers_late:  # noqa: ASYNC110  a flag reads better in tests than an event
            await asyncio.sleep(0.002)
        return answer


@asynccontextmanager
async def asked(folder: Path, **changes: Any) -> AsyncGenerator[tuple[Service, int, Asked]]:
    settings = settings_for(folder, **{"sweep_seconds": 600, **changes})
    async with opened(settings, wrap=Asked) as service, served(service) as port:
        yield service, port, cast("Asked", service.state["database"])


async def come_back(stream: Listener) -> bool:
    """Whether it was told to come back much later, and that is all."""
    assert stream.status == 200
    first = await stream.frame()
    assert first is not None
    assert first.retry is not None
    return first.retry > 5_000 and await stream.frame() is None


async def test_many_who_come_at_once_cost_one_look(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database), AsyncExitStack() as stack:
        job_id = await service.submit()
        streams = await asyncio.gather(*(stack.enter_async_context(following(port, job_id)) for _ in range(30)))
        for stream in streams:
            assert (await stream.next()).id == "1"
        assert len(database.questions) == 1


async def test_who_joins_a_watched_job_asks_the_record_nothing(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()
        async with following(port, job_id) as first:
            await first.next()
            database.away = True
            async with following(port, job_id) as second, following(port, job_id, last_event_id="1") as third:
                assert (await second.next()).data["seq"] == 1
                assert (await third.next()).data["resumedAfter"] == 1
        assert len(database.questions) == 1


async def test_who_resumes_a_little_behind_asks_the_record_nothing(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()
        async with following(port, job_id) as first:
            await first.next()
            job = await service.claim()
            await service.step(job)
            while (await first.next()).id != "4":
                pass
            database.away = True
            async with following(port, job_id, last_event_id="2") as second:
                assert (await second.next()).data["resumedAfter"] == 2
                assert [(await second.next()).id for _ in range(2)] == ["3", "4"]


async def test_a_fresh_reader_of_a_job_that_has_moved_gets_it_as_it_is(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()
        async with following(port, job_id) as first:
            await first.next()
            await service.claim()
            assert (await first.next()).id == "2"
            async with following(port, job_id) as second:
                connected = await second.next()
                assert (connected.id, connected.data["status"]) == ("2", "active")
        assert len(database.questions) == 2


async def test_a_place_in_the_queue_is_not_older_than_a_second(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, _):
        before, job_id = await service.submit(), await service.submit()
        async with following(port, job_id) as first:
            assert (await first.next()).data["queuePosition"] == 2
            topic = service.state["hub"].job(job_id)
            await service.http.post(f"/api/jobs/{before}/cancel", headers=ALICE)
            topic._fresh_until -= FRESH_SECONDS  # pyright: ignore[reportPrivateUsage]
            async with following(port, job_id) as second:
                assert (await second.next()).data["queuePosition"] == 1


async def test_an_id_that_this_process_has_not_heard_of_is_looked_up(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()
        async with following(port, job_id) as first:
            await first.next()
            # Another process tells its readers, and this one hears nothing.
            database.real._listeners.clear()  # pyright: ignore[reportPrivateUsage]
            job = await service.claim()
            await service.step(job)
            async with following(port, job_id, last_event_id="3") as second:
                assert (await second.next()).data["resumedAfter"] == 3
                assert (await second.next()).id == "4"
                assert [(await first.next()).id for _ in range(3)] == ["2", "3", "4"]
            await service.complete(job)
            async with following(port, job_id, last_event_id="5") as third:
                assert third.status == 204
            assert [frame.id for frame in await first.rest()] == ["5"]


async def test_an_id_is_not_held_against_a_look_that_is_older(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()

        async def joined(last_event_id: str | None) -> dict[str, Any]:
            async with following(port, job_id, last_event_id=last_event_id) as stream:
                return (await stream.next()).data

        async with following(port, job_id) as first:
            await first.next()
            database.real._listeners.clear()  # pyright: ignore[reportPrivateUsage]
            service.state["hub"].job(job_id)._fresh_until = 0.0  # pyright: ignore[reportPrivateUsage]
            database.answers_late = True
            before = len(database.questions)
            fresh = asyncio.create_task(joined(None))
            await wait_until(lambda: len(database.questions) > before)
            await database.real.read(GetWatched(job_id))  # in its turn: the one before has its answer now
            await service.claim()
            resuming = asyncio.create_task(joined("2"))
            await asyncio.sleep(0.05)
            database.answers_late = False
            assert (await fresh)["seq"] == 1
            assert (await resuming)["resumedAfter"] == 2


async def test_a_watched_job_is_as_closed_to_strangers_as_any(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, _):
        job_id = await service.submit()
        path = f"/api/jobs/{job_id}/events"
        async with following(port, job_id) as first:
            await first.next()
            for query in ("", "?token=x", "?after=1", "?after=0"):
                async with listening(port, f"{path}{query}", headers=BOB) as stream:
                    assert stream.status == 404
            token = service.state["stream_tokens"].make(job_id, (await _owner(service, job_id)))
            async with listening(port, f"{path}?token={token}", headers=BOB) as stream:
                assert (await stream.next()).data["jobId"] == job_id


async def test_a_stranger_waits_as_long_for_a_watched_job_as_for_none(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()
        async with following(port, job_id) as first:
            await first.next()
            for path in (f"/api/jobs/{job_id}/events", f"/api/jobs/{job_id}/events?after=1", "/api/jobs/x/events"):
                database.questions.clear()
                async with listening(port, path, headers=BOB) as stream:
                    assert stream.status == 404
                assert len(database.questions) == 1


async def _owner(service: Service, job_id: str) -> str:
    watched = await service.state["database"].read(GetWatched(job_id))
    assert watched is not None
    return watched.job.owner


async def test_who_is_refused_leaves_nothing_behind(tmp_path: Path) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()
        for path in (f"/api/jobs/{job_id}/events", "/api/jobs/none/events", f"/api/jobs/{'x' * 3000}/events"):
            async with listening(port, path, headers=BOB) as stream:
                assert stream.status == 404
        database.away = True
        async with listening(port, f"/api/jobs/{job_id}/events") as stream:
            assert await come_back(stream)
        assert not service.state["hub"]._jobs  # pyright: ignore[reportPrivateUsage]
        assert not service.state["switch"].feed._receivers  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


async def test_one_owner_may_have_so_many_streams(tmp_path: Path) -> None:
    async with asked(tmp_path, streams_per_owner=2) as (service, port, _), AsyncExitStack() as stack:
        job_id, other = await service.submit(), await service.submit(who=BOB)
        streams = [await stack.enter_async_context(following(port, job_id)) for _ in range(2)]
        for stream in streams:
            await stream.next()
        async with listening(port, f"/api/jobs/{job_id}/events") as refused:
            assert await come_back(refused)
        async with listening(port, f"/api/jobs/{other}/events", headers=BOB) as stream:
            assert (await stream.next()).id == "1"
        streams[0].tear()
        await wait_until(lambda: service.state["hub"].has_room((service.state["hub"].job(job_id)).owner))
        async with following(port, job_id) as again:
            assert (await again.next()).id == "1"


async def test_a_token_does_not_take_its_owners_streams_away(tmp_path: Path) -> None:
    async with asked(tmp_path, streams_per_owner=2) as (service, port, _), AsyncExitStack() as stack:
        job_id = await service.submit()
        token = service.state["stream_tokens"].make(job_id, (await _owner(service, job_id)))
        query = f"?token={token}"
        for _ in range(2):
            await (await stack.enter_async_context(following(port, job_id, query=query))).next()
        async with listening(port, f"/api/jobs/{job_id}/events{query}") as refused:
            assert await come_back(refused)
        async with following(port, job_id) as own:
            assert (await own.next()).id == "1"


async def test_a_process_has_so_many_streams(tmp_path: Path) -> None:
    async with asked(tmp_path, streams_max=1) as (service, port, database):
        job_id, other = await service.submit(), await service.submit(who=BOB)
        async with following(port, job_id) as first:
            await first.next()
            asked_before = len(database.questions)
            async with listening(port, f"/api/jobs/{other}/events", headers=BOB) as refused:
                assert await come_back(refused)
            assert len(database.questions) == asked_before
            async with listening(port, f"/api/jobs/{other}/events", headers=BOB, method="HEAD") as refused:
                assert refused.status == 200


@pytest.mark.parametrize("plain", [False, True], ids=["wire", "plain"])
async def test_who_comes_while_the_job_ends_gets_its_end(tmp_path: Path, plain: bool) -> None:
    async with opened(settings_for(tmp_path, sweep_seconds=600)) as service, served(service, plain=plain) as port:

        async def told(job_id: str, pause: float) -> list[str]:
            await asyncio.sleep(pause)
            async with following(port, job_id) as stream:
                return [frame.data["type"] for frame in await stream.rest()]

        for _ in range(5):
            job_id = await service.submit()
            readers = [asyncio.create_task(told(job_id, 0.002 * number)) for number in range(12)]
            await service.run(job_id)
            for types in await asyncio.gather(*readers):
                assert (types[0], types[-1], types.count("final")) == ("connected", "final", 1)


@pytest.mark.parametrize("goes", ["resets", "hangs up"])
async def test_who_leaves_while_the_record_is_asked_is_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, goes: str
) -> None:
    async with asked(tmp_path) as (service, port, database):
        job_id = await service.submit()
        database.hangs = True
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nhost: x\r\n".encode())
        writer.write(f"x-session-id: {ALICE['x-session-id']}\r\n\r\n".encode())
        await wait_until(lambda: bool(database.questions))
        if goes == "resets":
            writer.transport.abort()
        else:
            writer.close()
        for _ in range(2):  # who is answered now came after it had left
            async with listening(port, "/health/live"):
                pass
        database.hangs = False
        async with following(port, job_id) as next_one:
            assert await next_one.frame() is not None
            assert service.state["hub"].readers == 1
        assert not caplog.records


async def test_who_is_turned_out_before_the_first_frame_is_forgotten(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = JobStream.join

    async def join_and_be_turned_out(self: JobStream, scope: Scope) -> Joined:
        joined = await join(self, scope)
        scope["extensions"][EXTENSION].evict()  # another needs its place; it is lost only a turn of the loop later
        return joined

    async with asked(tmp_path) as (service, port, _):
        job_id = await service.submit()
        with monkeypatch.context() as patched:
            patched.setattr(JobStream, "join", join_and_be_turned_out)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /api/jobs/{job_id}/events HTTP/1.1\r\nhost: x\r\n".encode())
            writer.write(f"x-session-id: {ALICE['x-session-id']}\r\n\r\n".encode())
            with suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        async with following(port, job_id) as next_one:
            assert await next_one.frame() is not None
            assert service.state["hub"].readers == 1
        assert not caplog.records
