"""Health tells the truth, in time, whatever is broken."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from server.app import create_app
from server.state import Life, Stage
from snapasset import __version__
from snapasset.database import setback
from snapasset.errors import ProviderQuotaExceeded, ProviderRefused, wire_error
from snapasset.job import new_id
from snapasset.records.endings import Fail
from snapasset.records.jobs import QueueDepths, ReadyKinds
from snapasset.records.queues import PauseQueue, ResumeQueue
from snapasset.records.submission import Submit
from snapasset.records.workers import WorkerBeat, WorkerRow
from snapasset.standing import Standing
from tests.contracts.record_backends import Do
from tests.server.breakable import Breakable, BreakableStorage
from tests.server.described import Described
from tests.server.service import ADMIN, ALICE, GOOD, Artist, Service, opened, settings_for, stateful, wait_until
from tests.servers.free_port import free_port
from tests.servers.redis import running_redis
from tests.snapasset.lock_holder import living

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from server.state import State
    from snapasset.settings import Settings


class Broken:
    """A service whose parts can be broken."""

    def __init__(self, service: Service) -> None:
        database, storage = service.state["database"], service.state["storage"]
        assert isinstance(database, Breakable)
        assert isinstance(storage, BreakableStorage)
        self.service, self.database, self.storage = service, database, storage

    async def ask(self, path: str = "/health") -> tuple[int, Any]:
        began = time.monotonic()
        answer = await self.service.http.get(path)
        assert time.monotonic() - began < 2, "too late"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json()


@pytest.fixture
async def broken(settings: Settings) -> AsyncGenerator[Broken]:
    quick = settings.model_copy(update={"health_seconds": 0.1})
    storage = BreakableStorage(settings.data_dir / "files")
    async with opened(quick, storage=storage, wrap=Breakable) as service:
        yield Broken(service)


NONE = {"waiting": 0, "active": 0, "delayed": 0, "blocked": 0, "workers": 1, "paused": False}


async def _health(service: Service) -> Any:
    answer = await service.http.get("/health")
    body = answer.json()
    assert answer.status_code == 200
    Described((await service.http.get("/openapi.json")).json()).check_as("Health", body)
    return body


async def test_all_is_well(service: Service) -> None:
    await service.beat()
    await service.beat("image-generation", worker_id="another")
    first = await service.submit()
    await service.claim()
    await service.submit()
    await service.submit(body={**GOOD, "options": {"dependsOn": [first]}})
    await service.submit("walk", {"steps": 1})
    await service.submit(body={**GOOD, "options": {"delay": 60}})
    body = await _health(service)
    assert body.pop("uptime") >= 0
    database, storage = service.state["database"], service.state["storage"]
    assert body == {
        "status": "ok",
        "version": __version__,
        "mode": "memory",
        "services": {
            "database": {"status": "ok", "name": database.name},
            "storage": {"status": "ok", "name": storage.name},
            "provider": {"status": "ok", "name": "artist", "model": "artist-1"},
            "redis": {"status": "not configured"},
            "queues": {
                "imageGeneration": {**NONE, "waiting": 1, "active": 1, "delayed": 1, "blocked": 1, "workers": 2},
                "imageRenditions": NONE,
                "noop": NONE,
                "walk": {**NONE, "waiting": 1},
            },
        },
    }


async def _of_another_version(service: Service, kind: str, queue: str) -> None:
    await service.state["database"].write(Submit(new_id(), kind, queue, "someone", "{}", 0, 1))


async def test_jobs_of_unknown_kinds_are_seen(service: Service) -> None:
    await service.beat()
    for kind, queue in (("newer-kind", "walk"), ("newer-kind", "walk"), ("newest", "newer-queue")):
        await _of_another_version(service, kind, queue)
    body = await _health(service)
    assert body["unknownKinds"] == {"walk": {"newer-kind": 2}, "newerQueue": {"newest": 1}}
    assert body["services"]["queues"]["newerQueue"] == {**NONE, "waiting": 1, "workers": 0}
    assert body["status"] == "degraded"


async def test_jobs_that_no_live_process_knows_how_to_run_are_told_until_one_does(service: Service) -> None:
    await service.beat()
    await _of_another_version(service, "newer-kind", "walk")
    assert (await _health(service))["status"] == "degraded", "its queue is served, by processes that do not know it"
    newer = WorkerRow("newer", "worker", "a-host", 18, "9.9.9", ("newer-kind",), ("walk",))
    await service.state["database"].write(WorkerBeat(newer._replace(queues=("noop",))))
    assert (await _health(service))["status"] == "degraded", "one knows it and does not serve its queue"
    await service.state["database"].write(WorkerBeat(newer))
    assert (await _health(service))["status"] == "ok"
    await service.state["database"].write(WorkerBeat(newer._replace(queues=())))
    await service.state["database"].write(PauseQueue("walk"))
    assert (await _health(service))["status"] == "ok", "it waits because somebody wants it to"


async def test_a_kind_that_is_too_new_for_the_workers_is_told(service: Service) -> None:
    older = WorkerRow("older", "worker", "a-host", 18, "0.0.0", ("noop",), ("noop", "walk"))
    await service.state["database"].write(WorkerBeat(older))
    await service.submit("walk", {"steps": 1})
    body = await _health(service)
    assert (body["status"], "unknownKinds" in body) == ("degraded", False)
    await service.state["database"].write(WorkerBeat(older._replace(kinds=("noop", "walk"))))
    assert (await _health(service))["status"] == "ok"


async def test_a_queue_that_nobody_serves_is_told_while_jobs_wait_there(service: Service) -> None:
    await service.beat("noop")
    assert (await _health(service))["status"] == "ok", "nothing waits"
    await service.submit("walk", {"steps": 1})
    body = await _health(service)
    assert (body["status"], body["services"]["queues"]["walk"]["workers"]) == ("degraded", 0)
    await service.beat("noop", "walk", role="api")
    body = await _health(service)
    assert (body["status"], body["services"]["queues"]["walk"]["workers"]) == ("ok", 1)


async def test_a_paused_queue_is_shown_and_needs_nobody(service: Service) -> None:
    await service.submit("walk", {"steps": 1})
    await service.state["database"].write(PauseQueue("walk"))
    body = await _health(service)
    assert (body["status"], body["services"]["queues"]["walk"]["paused"]) == ("ok", True)
    assert body["services"]["queues"]["noop"]["paused"] is False
    await service.state["database"].write(ResumeQueue("walk"))
    body = await _health(service)
    assert (body["status"], body["services"]["queues"]["walk"]["paused"]) == ("degraded", False)


async def test_a_queue_that_has_paused_itself_says_why_and_an_admin_has_it_go_on(service: Service) -> None:
    described = Described((await service.http.get("/openapi.json")).json())
    await service.beat()
    await service.state["database"].write(PauseQueue("image-generation", ProviderQuotaExceeded.code))
    body = described.body("/health", "get", 200, (await service.http.get("/health")).text)
    queue = body["services"]["queues"]["imageGeneration"]
    assert (body["status"], queue["paused"]) == ("degraded", True)
    resume = "/api/queues/image-generation/resume"
    assert "quota is used up" in queue["why"]
    assert f"POST {resume} with ADMIN_TOKEN as bearer token." in queue["why"]
    assert body["services"]["provider"]["why"] == "The quota or budget at the picture provider is used up."
    assert (await service.http.post(resume, headers=ALICE)).status_code == 401
    answer = await service.http.post(resume, headers=ADMIN)
    assert described.body("/api/queues/{queue}/resume", "post", 200, answer.text) == {
        "queue": "image-generation", "paused": False,
    }  # fmt: skip
    body = await _health(service)
    assert (body["status"], "why" in body["services"]["queues"]["imageGeneration"]) == ("ok", False)
    assert body["services"]["provider"] == {"status": "ok", "name": "artist", "model": "artist-1"}
    assert (await service.http.post("/api/queues/no-such-queue/resume", headers=ADMIN)).status_code == 404


NOBODY_YET = "set ADMIN_TOKEN, as nobody is an admin here yet, start again, and resume by POST"
SUPABASE = {"supabase_url": "http://127.0.0.1:1", "supabase_service_key": "sb_secret_of_nothing"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"admin_token": None}, NOBODY_YET),
        (SUPABASE, "with ADMIN_TOKEN as bearer token, or as a user whose app_metadata.role is admin."),
        ({**SUPABASE, "admin_token": None, "admin_claim": "role"}, "/resume as a user whose role is admin (ADMIN_TOKEN is"),
    ],
)  # fmt: skip
async def test_a_queue_that_has_paused_itself_says_who_may_have_it_go_on(
    tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    async with opened(settings_for(tmp_path, **settings)) as service:
        await service.state["database"].write(PauseQueue("image-generation", ProviderQuotaExceeded.code))
        why = (await _health(service))["services"]["queues"]["imageGeneration"]["why"]
        assert told in why
        assert "POST /api/queues/image-generation/resume" in why
        if "admin_token" not in settings:
            detailed = (await service.get("/health/detailed", ADMIN))["queues"]["imageGeneration"]
            assert detailed["why"] == why


async def test_painters_that_cost_nothing_have_no_quota(tmp_path: Path) -> None:
    free = Artist()
    free.paid = False
    async with opened(settings_for(tmp_path), provider=free) as service:
        await service.state["database"].write(PauseQueue("image-generation", ProviderQuotaExceeded.code))
        body = await _health(service)
        assert (body["status"], body["services"]["provider"]["status"]) == ("degraded", "ok")


async def test_a_worker_that_has_fallen_silent_counts_no_more(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, presence_seconds=0.1)) as service:
        await service.submit("walk", {"steps": 1})
        await service.beat()
        until = time.monotonic() + 10
        while (await _health(service))["services"]["queues"]["walk"]["workers"]:
            assert time.monotonic() < until
        assert (await _health(service))["status"] == "degraded"


@pytest.mark.skipif(sys.platform == "win32", reason="lock files tell nothing there")
async def test_a_worker_that_was_killed_here_counts_no_more_at_once(service: Service, settings: Settings) -> None:
    await service.beat(worker_id="w-1")
    with living(settings.data_dir / "snapasset.db-workers", "w-1") as process:
        assert (await _health(service))["services"]["queues"]["walk"]["workers"] == 1
        process.kill()
        await asyncio.to_thread(process.wait, 10)
        assert (await _health(service))["services"]["queues"]["walk"]["workers"] == 0


@pytest.mark.parametrize(
    ("status", "overall"), [("ok", "ok"), ("unknown", "ok"), ("down", "degraded")]
)  # fmt: skip
async def test_who_makes_the_pictures_is_told_and_what_is_wrong_with_him(
    tmp_path: Path, status: str, overall: str
) -> None:
    async with opened(settings_for(tmp_path), provider=Artist(status, "OPENAI_API_KEY is not accepted.")) as service:
        await service.beat()
        body = await _health(service)
    assert body["status"] == overall
    assert body["services"]["provider"] == {
        "status": status, "name": "artist", "model": "artist-1", "why": "OPENAI_API_KEY is not accepted.",
    }  # fmt: skip


async def test_a_call_that_failed_in_another_process_has_the_provider_looked_at_anew(tmp_path: Path) -> None:
    class Distant(Artist):
        def heard(self, failed_at: int) -> bool:
            self.standing = Standing("down", f"It failed at {failed_at}.")
            return True

    async with opened(settings_for(tmp_path), provider=Distant()) as service:
        await service.beat()
        assert (await _health(service))["services"]["provider"]["status"] == "ok"
        await service.submit()
        job = await service.claim()
        failure = wire_error(ProviderRefused())
        ended = await service.state["database"].write(Fail(job.id, job.fence, failure, retryable=False, delay_ms=0))
        assert ended is not None
        told = (await _health(service))["services"]["provider"]
        assert (told["status"], told["why"]) == ("down", f"It failed at {ended.finished_at}.")


async def test_a_provider_that_says_nothing_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    class Silent(Artist):
        async def look(self) -> Standing:
            await asyncio.Event().wait()
            return self.standing

    async with opened(settings_for(tmp_path, health_seconds=0.05), provider=Silent()) as service:
        await service.beat()
        assert (await _health(service))["services"]["provider"]["status"] == "unknown"


async def test_redis_that_is_away_is_told_with_the_reason_and_no_address(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://someone:canary@localhost:{port}/3"
    async with opened(settings_for(tmp_path, redis_url=url)) as service:
        await service.beat()
        answer = await service.http.get("/health")
        body = await _health(service)
        assert (body["status"], body["mode"]) == ("degraded", "memory")
        assert body["services"]["redis"] == {"status": "down", "why": service.state["switch"].why}
        assert "REDIS_URL" in body["services"]["redis"]["why"]
        for secret in ("canary", "someone", "localhost", str(port)):
            assert secret not in answer.text
        assert (await service.http.get("/health/ready")).status_code == 200


async def test_the_mode_follows_redis(tmp_path: Path) -> None:
    with running_redis() as redis:
        url = f"redis://127.0.0.1:{redis.address.port}"
        quick = {"redis_url": url, "redis_probe_seconds": 0.1, "redis_return_seconds": 0.2}
        async with opened(settings_for(tmp_path, **quick)) as service:
            service.state["life"] = Life(shared_seconds=60)  # what is known without asking is told at once all the same
            await service.beat()
            assert await _mode(service) == ("ok", "redis", {"status": "ok"})
            await asyncio.to_thread(redis.kill)
            await wait_until(lambda: service.state["switch"].mode == "memory")
            status, mode, told = await _mode(service)
            assert (status, mode) == ("degraded", "memory")
            assert (told["status"], told["why"]) == ("down", service.state["switch"].why)
            await asyncio.to_thread(redis.restart)
            await wait_until(lambda: service.state["switch"].mode == "redis")
            assert await _mode(service) == ("ok", "redis", {"status": "ok"})


async def test_a_storm_of_probes_is_one_question_to_the_record(settings: Settings) -> None:
    async with opened(settings, wrap=Breakable) as service:
        service.state["life"] = Life(shared_seconds=60)
        database = service.state["database"]
        assert isinstance(database, Breakable)
        for _ in range(3):
            answers = await asyncio.gather(*(service.http.get("/health") for _ in range(20)))
            assert {answer.status_code for answer in answers} == {200}
        assert database.asked.count(ReadyKinds) == 1


async def _mode(service: Service) -> tuple[str, str, Any]:
    body = await _health(service)
    return body["status"], body["mode"], body["services"]["redis"]


@pytest.mark.parametrize("how", ["away", "hangs"])
async def test_without_its_database_it_is_down(broken: Broken, how: str) -> None:
    setattr(broken.database, how, True)
    status, body = await broken.ask()
    assert (status, body["status"], body["services"]["database"]["status"]) == (503, "down", "down")
    assert body["services"]["storage"]["status"] == "ok"
    assert body["services"]["queues"] == {}, "nobody knows how many jobs there are"
    assert "unknownKinds" not in body
    Described((await broken.service.http.get("/openapi.json")).json()).check_as("Health", body)
    assert await broken.ask("/health/ready") == (503, {"status": "down"})
    assert (await broken.ask("/health/live"))[0] == 200
    setattr(broken.database, how, False)
    assert (await broken.ask())[1]["status"] == "ok"
    assert await broken.ask("/health/ready") == (200, {"status": "ready"})


async def test_with_too_many_jobs_to_count_the_database_is_well_and_their_number_unknown(broken: Broken) -> None:
    broken.database.slow = (QueueDepths, ReadyKinds)
    status, body = await broken.ask()
    assert (status, body["status"], body["services"]["database"]["status"]) == (200, "degraded", "ok")
    assert body["services"]["queues"] == {}
    Described((await broken.service.http.get("/openapi.json")).json()).check_as("Health", body)
    assert await broken.ask("/health/ready") == (200, {"status": "ready"})
    broken.database.slow = ()
    assert (await broken.ask())[1]["status"] == "ok"


@pytest.mark.parametrize(("how", "word"), [("away", "down"), ("hangs", "down"), ("full", "full")])
async def test_without_its_storage_it_is_degraded(broken: Broken, how: str, word: str) -> None:
    setattr(broken.storage, how, True)
    status, body = await broken.ask()
    assert (status, body["status"], body["services"]["storage"]["status"]) == (200, "degraded", word)
    Described((await broken.service.http.get("/openapi.json")).json()).check_as("Health", body)


async def test_with_all_hanging_the_answer_still_comes(broken: Broken) -> None:
    broken.database.hangs = broken.storage.hangs = True
    assert (await broken.ask())[0] == 503


@pytest.mark.parametrize("stage", [Stage.STARTING, Stage.DRAINING])
async def test_it_is_ready_only_while_it_serves(service: Service, stage: Stage) -> None:
    service.state["life"].stage = stage
    answer = await service.http.get("/health/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": stage})
    assert (await service.http.get("/health/live")).status_code == 200


async def test_a_part_that_has_ended_is_told_to_whoever_restarts_it(service: Service) -> None:
    service.state["lives"] = lambda: False
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stateful(service.app, service.state))) as http:
        answer = await http.get("http://test/health/live")
        described = Described((await http.get("http://test/openapi.json")).json())
    assert (answer.status_code, answer.json()) == (503, {"status": "down"})
    described.body("/health/live", "get", 503, answer.text)


async def test_the_real_application_lives_for_as_long_as_its_runner_does(tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path, drain_seconds=0))
    async with app.router.lifespan_context(app) as parts:
        state = cast("State", parts)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(stateful(app, state))) as http:

            async def status() -> int:
                return (await http.get("http://test/health/live")).status_code

            assert await status() == 200
            await state["drain"]()
            assert await status() == 200, "to be killed for it would break off the drain"


async def test_the_real_application_lives_no_more_when_its_runner_has_ended(tmp_path: Path) -> None:
    app = create_app(settings_for(tmp_path, drain_seconds=0))
    async with app.router.lifespan_context(app) as parts:
        state = cast("State", parts)
        assert state["lives"]()
        for task in asyncio.all_tasks():
            if task.get_name() == "presence":
                task.cancel()
        await wait_until(lambda: not state["lives"]())


async def test_with_the_record_away_requests_are_told_to_come_back(broken: Broken) -> None:
    broken.database.away = True
    for method, path in (("POST", "/api/jobs/noop"), ("GET", "/api/jobs/x"), ("POST", "/api/jobs/x/cancel")):
        answer = await broken.service.http.request(method, path, json={})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["retryable"]) == (503, "database_unavailable", True)
        assert answer.headers["retry-after"]


async def test_a_record_that_takes_no_changes_is_down_and_says_why_and_heals_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setback, "DOUBT_SECONDS", 0.0)
    app = create_app(settings_for(tmp_path, drain_seconds=0, presence_seconds=0.05, fallback_worker="off"))
    async with app.router.lifespan_context(app) as parts:
        state = cast("State", parts)
        database = state["database"]
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(stateful(app, state)), base_url="http://test"
        ) as http:
            ((pages,),) = await database.write(Do("PRAGMA page_count"))
            await database.write(Do("CREATE TABLE ballast (bytes BLOB)"))
            heavy = "BEGIN INSERT INTO ballast VALUES (zeroblob(999999)); END"
            await database.write(Do(f"CREATE TRIGGER heavy BEFORE UPDATE ON workers {heavy}"))
            await database.write(Do(f"PRAGMA max_page_count = {pages + 50}"))
            await wait_until(lambda: database.refuses is not None)  # nobody has asked for anything
            state["life"].condition = Life().condition
            answer = await http.get("/health")
            body = answer.json()
            assert (answer.status_code, body["status"]) == (503, "down")
            told = body["services"]["database"]
            assert (told["status"], told["why"]) == ("down", setback.FULL)
            Described((await http.get("/openapi.json")).json()).check_as("Health", body)
            ready = await http.get("/health/ready")
            assert (ready.status_code, ready.json()) == (503, {"status": "down"})
            assert (await http.get("/health/live")).status_code == 200
            await database.write(Do("PRAGMA max_page_count = 1000000"))
            await wait_until(lambda: database.refuses is None)
            assert (await http.get("/health/ready")).status_code == 200
