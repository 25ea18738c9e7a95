"""One job's events over a real connection: joined early, late or after the end, resumed anywhere, ended in good order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from uvicorn.server import Server

from snapasset.event import tick
from snapasset.records.steps import StartStep
from tests.server.breakable import Breakable
from tests.server.listener import Frame, following, listening
from tests.server.service import ALICE, BOB, Service, addressed, opened, served, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from snapasset.settings import Settings


@pytest.fixture(params=["wire", "plain"])
async def port(request: pytest.FixtureRequest, service: Service) -> AsyncGenerator[int]:
    """Everything is true on the way straight to the socket, and on the one through the server's `send`."""
    async with served(service, plain=request.param == "plain") as port:
        yield port


def seqs(frames: list[Frame]) -> list[int]:
    return [frame.data["seq"] for frame in frames]


async def test_a_fresh_reader_gets_the_job_then_every_event_once(service: Service, port: int) -> None:
    job_id = await service.submit()
    async with following(port, job_id) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store, no-transform"
        assert stream.headers["x-accel-buffering"] == "no"
        connected = await stream.next()
        assert (connected.id, connected.event) == ("1", None)
        whole = (await service.http.get(f"/api/jobs/{job_id}", headers=ALICE)).json()
        assert connected.data == {"type": "connected", **whole}
        await service.run(job_id, {"images": []})
        frames = await stream.rest()
    assert [frame.id for frame in frames] == ["2", "3", "4", "5"]
    assert seqs(frames) == [2, 3, 4, 5]
    assert [frame.data["type"] for frame in frames] == ["update", "update", "update", "final"]
    assert [frame.data.get("state") for frame in frames] == [None, "started", "done", None]
    assert frames[-1].data["result"] == {"images": []}
    assert {frame.event for frame in frames} == {None}


async def test_joined_in_the_middle(service: Service, port: int) -> None:
    job_id = await service.submit()
    job = await service.claim()
    await service.step(job)
    async with following(port, job_id) as stream:
        connected = await stream.next()
        assert (connected.id, connected.data["status"], connected.data["step"]) == ("4", "active", "generate")
        await service.complete(job)
        assert seqs(await stream.rest()) == [5]


async def test_joined_after_the_end(service: Service, port: int) -> None:
    job_id = await service.submit()
    await service.run(job_id, {"images": [1]})
    async with following(port, job_id) as stream:
        connected = await stream.next()
        assert connected.id is None  # a drop here must not hide the final
        assert (connected.data["type"], connected.data["status"]) == ("connected", "completed")
        (final,) = await stream.rest()
    assert (final.id, final.data["type"], final.data["result"]) == ("5", "final", {"images": [1]})


@pytest.mark.parametrize("by_header", [True, False], ids=["Last-Event-ID", "?after="])
async def test_resumed_after_any_event_nothing_is_missing_or_double(
    service: Service, port: int, by_header: bool
) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    for after in range(5):
        word, query = (str(after), "") if by_header else (None, f"?after={after}")
        async with following(port, job_id, query=query, last_event_id=word) as stream:
            connected = await stream.next()
            assert connected.id is None
            assert connected.data == {"type": "connected", "jobId": job_id, "resumedAfter": after}
            assert seqs(await stream.rest()) == list(range(after + 1, 6))


async def test_resumed_while_it_runs(service: Service, port: int) -> None:
    job_id = await service.submit()
    job = await service.claim()
    async with following(port, job_id, last_event_id="1") as stream:
        assert (await stream.next()).data["resumedAfter"] == 1
        assert (await stream.next()).id == "2"
        await service.step(job)
        await service.complete(job)
        assert seqs(await stream.rest()) == [3, 4, 5]


async def test_the_header_counts_more_than_the_query(service: Service, port: int) -> None:
    # A browser goes on with the URL it began with, and says in the header what it has had since.
    job_id = await service.submit()
    await service.claim()
    async with following(port, job_id, query="?after=0", last_event_id="2") as stream:
        assert (await stream.next()).data["resumedAfter"] == 2


async def test_resumed_after_the_final_of_an_ended_job_it_is_told_to_stop(service: Service, port: int) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    for after in ("5", "6", "999999999999999"):
        async with following(port, job_id, last_event_id=after) as stream:
            assert stream.status == 204
            assert "transfer-encoding" not in stream.headers


async def test_a_word_that_cannot_be_true_gets_a_fresh_snapshot(service: Service, port: int) -> None:
    job_id = await service.submit()
    for word in ("2", "77", "9" * 15, "9" * 4_000, "x", "-1", "1.5", "0x1", "\xb2", " ", "1 1"):
        async with following(port, job_id, last_event_id=word) as stream:
            connected = await stream.next()
        assert (connected.id, connected.data.get("status")) == ("1", "waiting"), word


async def test_an_absurd_word_about_an_ended_job_gets_snapshot_and_final(service: Service, port: int) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    async with following(port, job_id, query=f"?after={'9' * 400}") as stream:
        assert [frame.data["type"] for frame in await stream.rest()] == ["connected", "final"]


async def test_a_reader_that_asks_for_names_gets_them(service: Service, port: int) -> None:
    job_id = await service.submit()
    job = await service.claim()
    async with following(port, job_id, query="?named=1") as stream:
        assert (await stream.next()).event == "connected"
        service.state["switch"].feed.publish([tick(job, "generate", 12)])
        assert (await stream.next()).event == "update"
        await service.complete(job)
        assert [frame.event for frame in await stream.rest()] == ["final"]


async def test_ticks_have_no_id(service: Service, port: int) -> None:
    job_id = await service.submit()
    job = await service.claim()
    async with following(port, job_id) as stream:
        await stream.next()
        service.state["switch"].feed.publish([tick(job, "generate", 12.34)])
        ticked = await stream.next()
    assert ticked.id is None
    assert (ticked.data["tick"], ticked.data["progress"], ticked.data["step"]) == (True, 12.3, "generate")


async def test_files_in_events_get_addresses(service: Service, port: int) -> None:
    job_id = await service.submit()
    job = await service.claim()
    async with following(port, job_id, last_event_id="2") as stream:
        await service.step(job, output={"master": {"fileId": "0-1", "width": 1}})
        await service.complete(job, {"images": [{"fileId": "0-2"}]})
        frames = await stream.rest()
    master, (image,) = frames[2].data["output"]["master"], frames[3].data["result"]["images"]
    assert set(master) == {"fileId", "url", "urlExpiresAt", "width"}
    assert (addressed(master["url"]), addressed(image["url"])) == ("0-1", "0-2")


async def test_a_new_run_goes_on_where_the_first_one_ended(service: Service, port: int) -> None:
    job_id = await service.submit()
    async with following(port, job_id) as stream:
        await stream.next()
        await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
        (final,) = await stream.rest()
        assert (final.id, final.data["status"], final.data["run"]) == ("2", "cancelled", 1)
    await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    async with following(port, job_id, last_event_id="2") as stream:
        assert (await stream.next()).data["resumedAfter"] == 2
        job = await service.claim()
        await service.complete(job)
        frames = await stream.rest()
    assert seqs(frames) == [3, 4, 5]
    assert [frame.data["run"] for frame in frames] == [2, 2, 2]


async def test_a_reader_that_missed_the_first_end_is_told_it_first(service: Service, port: int) -> None:
    job_id = await service.submit()
    await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)
    await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    async with following(port, job_id, last_event_id="1") as stream:
        frames = await stream.rest()
    assert [frame.data["type"] for frame in frames] == ["connected", "final"]


async def test_a_silent_stream_is_kept_alive(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, heartbeat_seconds=0.05)) as service, served(service) as port:
        job_id = await service.submit()
        async with following(port, job_id) as stream:
            await stream.next()
            for _ in range(2):
                frame = await stream.frame()
                assert frame is not None
                assert frame.comment is not None


async def test_the_pause_before_coming_back_is_spread(service: Service, port: int) -> None:
    job_id = await service.submit()
    pauses: set[int | None] = set()
    for _ in range(12):
        async with listening(port, f"/api/jobs/{job_id}/events") as stream:
            frame = await stream.frame()
            assert frame is not None
            pauses.add(frame.retry)
    assert len(pauses) > 1
    assert all(pause is not None and 1_800 <= pause <= 2_200 for pause in pauses)


async def test_asking_for_the_head_only_does_not_hang(service: Service, port: int) -> None:
    job_id = await service.submit()
    async with listening(port, f"/api/jobs/{job_id}/events", method="HEAD", headers={"connection": "close"}) as stream:
        assert stream.status == 200
        async with asyncio.timeout(5):
            assert await stream.reader.read() == b""
    assert service.state["hub"].readers == 0


@pytest.mark.parametrize("who", [BOB, {"x-session-id": "0" * 22}], ids=["another", "nobody"])
async def test_a_strangers_stream_is_not_found(service: Service, port: int, who: dict[str, str]) -> None:
    job_id = await service.submit()
    async with listening(port, f"/api/jobs/{job_id}/events", headers=who) as stream:
        assert stream.status == 404
        assert stream.headers["content-type"] == "application/problem+json"


async def test_a_reader_that_leaves_is_forgotten(service: Service, port: int) -> None:
    job_id = await service.submit()
    hub = service.state["hub"]
    async with following(port, job_id) as stream:
        await stream.next()
        await wait_until(lambda: hub.readers == 1)
    await wait_until(lambda: hub.readers == 0)


async def test_nothing_but_the_hub_watches_for_the_end(service: Service, port: int) -> None:
    # The library would start a task that polls a flag of the process and the signal handler, and cancels every stream.
    job_id = await service.submit()
    async with following(port, job_id) as stream:
        await stream.next()
        assert not [task for task in asyncio.all_tasks() if "_shutdown_watcher" in str(task.get_coro())]


def test_the_library_has_left_the_servers_signals_alone() -> None:
    assert Server.handle_exit.__module__ == "uvicorn.server"


async def test_streams_end_in_good_order_when_the_server_goes_down(service: Service, port: int) -> None:
    job_id = await service.submit()
    async with following(port, job_id) as one, following(port, job_id) as other:
        for stream in (one, other):
            await stream.next()
        await service.state["drain"]()
        assert [await stream.rest() for stream in (one, other)] == [[], []]
    async with listening(port, f"/api/jobs/{job_id}/events") as stream:  # the successor is there soon, and elsewhere
        assert stream.status == 200
        assert stream.headers["connection"] == "close"
        frame = await stream.frame()
        assert frame is not None
        assert frame.retry is not None
        assert frame.retry < 5_000
        assert await stream.frame() is None


async def test_with_the_record_away_a_reader_is_told_to_come_back(settings: Settings) -> None:
    async with opened(settings, wrap=Breakable) as service, served(service) as port:
        database = service.state["database"]
        assert isinstance(database, Breakable)
        job_id = await service.submit()
        database.away = True
        async with listening(port, f"/api/jobs/{job_id}/events", headers={"last-event-id": "1"}) as stream:
            assert stream.status == 200
            frame = await stream.frame()
            assert frame is not None
            assert frame.retry is not None
            assert frame.retry > 5_000
            assert await stream.frame() is None


async def test_an_open_stream_outlives_the_record(settings: Settings) -> None:
    async with opened(settings, wrap=Breakable) as service, served(service) as port:
        database = service.state["database"]
        assert isinstance(database, Breakable)
        job_id = await service.submit()
        async with following(port, job_id) as stream:
            await stream.next()
            job = await service.claim()
            assert (await stream.next()).id == "2"
            real, database.away = database.real, True
            await real.write(StartStep(job.id, job.fence, "generate", paid=False, progress=10))
            assert (await stream.next()).id == "3"
            database.away = False
            await service.complete(job)
            assert seqs(await stream.rest()) == [4]
