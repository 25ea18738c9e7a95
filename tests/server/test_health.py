"""Health tells the truth, in time, whatever is broken."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from server.state import Stage
from snapasset import __version__
from snapasset.records.submission import Submit
from tests.server.breakable import Breakable, BreakableStorage
from tests.server.described import Described
from tests.server.service import GOOD, Service, opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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


async def test_all_is_well(service: Service) -> None:
    first = await service.submit()
    await service.claim()
    await service.submit()
    await service.submit(body={**GOOD, "options": {"dependsOn": [first]}})
    await service.submit("walk", {"steps": 1})
    delayed = {"prompt": "a", "platforms": ["instagram-post"], "options": {"delay": 60}}
    await service.submit(body=delayed)
    await service.state["database"].write(Submit("1", "old-kind", "old-queue", "someone", "{}", 0, 1))
    answer = await service.http.get("/health")
    body = answer.json()
    assert answer.status_code == 200
    assert body["uptime"] >= 0
    assert {name: body[name] for name in ("status", "version", "mode")} == {
        "status": "ok",
        "version": __version__,
        "mode": "memory",
    }
    services = body["services"]
    assert services["database"] == {"status": "ok", "name": service.state["database"].name}
    assert services["storage"] == {"status": "ok", "name": service.state["storage"].name}
    assert services["redis"] == {"status": "not configured"}
    assert services["queues"] == {
        "imageGeneration": {"waiting": 1, "active": 1, "delayed": 1, "blocked": 1},
        "imageRenditions": {"waiting": 0, "active": 0, "delayed": 0, "blocked": 0},
        "noop": {"waiting": 0, "active": 0, "delayed": 0, "blocked": 0},
        "walk": {"waiting": 1, "active": 0, "delayed": 0, "blocked": 0},
        "oldQueue": {"waiting": 1, "active": 0, "delayed": 0, "blocked": 0},
    }


@pytest.mark.parametrize("how", ["away", "hangs"])
async def test_without_its_database_it_is_down(broken: Broken, how: str) -> None:
    setattr(broken.database, how, True)
    status, body = await broken.ask()
    assert (status, body["status"], body["services"]["database"]["status"]) == (503, "down", "down")
    assert body["services"]["storage"]["status"] == "ok"
    assert await broken.ask("/health/ready") == (503, {"status": "down"})
    assert (await broken.ask("/health/live"))[0] == 200
    setattr(broken.database, how, False)
    assert (await broken.ask())[1]["status"] == "ok"
    assert await broken.ask("/health/ready") == (200, {"status": "ready"})


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


async def test_with_the_record_away_requests_are_told_to_come_back(broken: Broken) -> None:
    broken.database.away = True
    for method, path in (("POST", "/api/jobs/noop"), ("GET", "/api/jobs/x"), ("POST", "/api/jobs/x/cancel")):
        answer = await broken.service.http.request(method, path, json={})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["retryable"]) == (503, "database_unavailable", True)
        assert answer.headers["retry-after"]
