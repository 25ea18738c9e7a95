"""GET /health/detailed: an admin is told everything but secrets, anybody else nothing."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from server.health_detailed import SETTINGS
from snapasset import __version__
from snapasset.records.jobs import QueueDepths
from snapasset.records.queues import LimitQueue, PauseQueue
from snapasset.settings import Settings
from tests.server.breakable import Breakable
from tests.server.described import Described
from tests.server.listener import following
from tests.server.service import ADMIN, ADMIN_TOKEN, ALICE, Service, opened, served, settings_for

if TYPE_CHECKING:
    from pathlib import Path

DETAILED = "/health/detailed"
KEPT_BACK = (
    # secrets, and what leads to them
    "admin_token", "metrics_token", "signing_secret", "database_url",
    "redis_url", "redis_host", "redis_port", "redis_username", "redis_password", "redis_db", "redis_tls", "redis_ca_file",
    "openai_api_key", "openai_base_url", "supabase_service_key", "supabase_jwt_secret", "supabase_url",
    # the bucket is told with the storage
    "supabase_bucket",
    # the model is told with the provider
    "openai_image_model",
    # where things are in the network and on the disk
    "openai_prices_file", "host", "port", "worker_host", "worker_port", "data_dir", "platforms_file", "cors_origins",
    # what a log line looks like shows in the log
    "log_format",
    # what a caller may ask: refusals and the documents say it
    "prompt_max_length", "body_max_bytes", "batch_max_bytes", "batch_max_jobs", "delay_max_seconds", "ttl_max_seconds",
    "wait_max_seconds", "request_seconds", "file_url_seconds",
)  # fmt: skip
"""Settings that /health/detailed does not tell."""

OPEN = {"concurrency": None, "rateJobs": None, "rateSeconds": None, "room": None, "oldestSeconds": None, "rings": 0}


async def _details(service: Service, status: int = 200) -> Any:
    answer = await service.http.get(DETAILED, headers=ADMIN)
    assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    described = Described((await service.http.get("/openapi.json")).json())
    return described.body(DETAILED, "get", status, answer.text)


@pytest.mark.parametrize(
    "who", [{}, ALICE, {"authorization": "Bearer another token that is as long as it"}, {"authorization": "Bearer "}]
)
async def test_nobody_else_is_told_anything(service: Service, who: dict[str, str]) -> None:
    answer = await service.http.get(DETAILED, headers=who)
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_user")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "workers" not in answer.text


async def test_without_the_setting_nobody_is_an_admin(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, admin_token=None)) as service:
        assert (await service.http.get(DETAILED, headers=ADMIN)).status_code == 401


async def test_it_holds_all_that_anybody_is_told(service: Service) -> None:
    await service.beat()
    await service.submit()
    body, told = await _details(service), (await service.http.get("/health")).json()
    for field in ("status", "version", "mode", "services"):
        assert body[field] == told[field]
    assert body["modeSince"].endswith("Z")


async def test_every_worker_is_told_with_what_it_runs(service: Service) -> None:
    await service.beat()
    await service.beat("noop", worker_id="the-api", role="api")
    await service.submit()
    job = await service.claim()
    first, second = (await _details(service))["workers"]
    assert first["startedAt"] <= first["seenAt"]
    kinds, queues = [job_type.kind for job_type in service.state["catalogue"]], service.state["catalogue"].queues
    assert {name: first[name] for name in first.keys() - {"startedAt", "seenAt"}} == {
        "id": "a-worker",
        "role": "worker",
        "host": "a-host",
        "pid": 17,
        "version": "0.0.1",
        "mode": "memory",
        "kinds": kinds,
        "queues": list(queues),
        "alive": True,
        "running": [job.id],
    }
    assert (second["id"], second["role"], second["queues"], second["running"]) == ("the-api", "api", ["noop"], [])


async def test_a_silent_worker_is_still_told_of_beside_one_that_lives(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, presence_seconds=0.2)) as service:
        await service.beat(worker_id="silent")
        until = time.monotonic() + 10
        alive = {"silent": True}
        while alive["silent"]:
            assert time.monotonic() < until
            await service.beat(worker_id="lively")
            alive = {worker["id"]: worker["alive"] for worker in (await _details(service))["workers"]}
        assert alive == {"silent": False, "lively": True}


async def test_queues_are_told_with_limits_rings_and_age(service: Service) -> None:
    await service.beat()
    database = service.state["database"]
    await database.write(LimitQueue("image-generation", 3, 10, 1500))
    await database.write(PauseQueue("walk"))
    for _ in range(2):
        await service.submit()
    await service.claim()
    queues = (await _details(service))["queues"]
    counts = {"waiting": 0, "active": 0, "delayed": 0, "blocked": 0, "workers": 1, "paused": False}
    assert queues["noop"] == {"name": "noop", **counts, **OPEN}
    assert queues["walk"] == {"name": "walk", **counts, **OPEN, "paused": True, "room": 0}
    assert queues["imageGeneration"].pop("oldestSeconds") >= 0
    assert queues["imageGeneration"] == {
        **counts,
        "name": "image-generation",
        "waiting": 1,
        "active": 1,
        "concurrency": 3,
        "rateJobs": 10,
        "rateSeconds": 1.5,
        "room": 2,
        "rings": 2,
    }


async def test_the_process_and_its_streams_are_told(service: Service) -> None:
    job_id = await service.submit()
    async with served(service) as port, following(port, job_id) as stream:
        await stream.next()
        body = await _details(service)
    assert body["streams"] == {"readers": 1, "waiting": 0}
    process = body["process"]
    assert (process["pid"], process["uptime"] >= 0, process["loopLagSeconds"] >= 0) == (os.getpid(), True, True)
    if sys.platform == "linux":
        assert process["residentBytes"] > 10_000_000
        assert process["openFiles"] > 3


async def test_without_the_record_it_tells_what_it_can(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, health_seconds=0.1), wrap=Breakable) as service:
        database = service.state["database"]
        assert isinstance(database, Breakable)
        for how in ("away", "hangs"):
            setattr(database, how, True)
            body = await _details(service, 503)
            assert (body["status"], body["workers"], body["queues"]) == ("down", None, {})
            assert body["version"] == __version__
            setattr(database, how, False)
        database.slow = (QueueDepths,)
        body = await _details(service)
        assert (body["status"], body["workers"], body["queues"]) == ("degraded", None, {})


async def test_its_settings_are_those_of_this_process_and_no_secret_among_them(tmp_path: Path) -> None:
    secrets = {"signing_secret": "canary-signing-canary-signing-canary", "metrics_token": "canary-metrics-canary"}
    settings = settings_for(tmp_path, job_max_concurrency=7, **secrets)
    async with opened(settings) as service:
        answer = await service.http.get(DETAILED, headers=ADMIN)
    told = answer.json()["settings"]
    assert (told["jobMaxConcurrency"], told["fallbackWorker"], told["leaseSeconds"]) == (7, "auto", 15)
    for secret in ("canary", ADMIN_TOKEN, str(tmp_path)):
        assert secret not in answer.text


def test_each_setting_is_told_or_kept_back_on_purpose() -> None:
    assert sorted([*SETTINGS, *KEPT_BACK]) == sorted(Settings.model_fields)


def test_no_setting_that_is_told_can_hold_a_secret_or_an_address() -> None:
    kinds = {name: str(field.annotation) for name, field in Settings.model_fields.items()}
    assert set(SETTINGS) <= kinds.keys()
    for name in SETTINGS:
        assert "Secret" not in kinds[name]
        assert "Path" not in kinds[name]
        assert not any(word in name for word in ("host", "url", "user", "token", "secret", "password"))
