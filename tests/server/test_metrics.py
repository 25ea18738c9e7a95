"""GET /metrics: true figures for whoever may read them, and nothing at this address for anybody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from snapasset.event import tick
from snapasset.job import new_id
from snapasset.records.jobs import QueueDepths
from snapasset.records.queues import PauseQueue
from snapasset.records.submission import Submit
from tests.contracts.record_backends import Do
from tests.server.breakable import Breakable, BreakableStorage
from tests.server.listener import following
from tests.server.service import ADMIN, ALICE, Service, opened, served, settings_for, wait_until

if TYPE_CHECKING:
    from pathlib import Path

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]

TOKEN = "the metrics token of these tests"
SCRAPER = {"authorization": f"Bearer {TOKEN}"}
OF_THE_RECORD = ("jobs", "jobs_unknown_kind", "workers", "queue_workers", "queue_paused", "queue_oldest_seconds")
WRONG = [TOKEN[:-1], f"{TOKEN}x", TOKEN.upper(), "", "x", "x" * 4_000]
FORWARDING = [
    "forwarded", "x-forwarded-for", "X-Forwarded-Host", "x-forwarded-proto", "x-real-ip", "via", "cf-connecting-ip",
]  # fmt: skip


def _samples(answer: httpx.Response) -> Samples:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def _scrape(service: Service, headers: dict[str, str] | None = None) -> Samples:
    return _samples(await service.http.get("/metrics", headers=headers))


def _value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"snapasset_{name}", frozenset(labels.items())]


def _names(samples: Samples) -> set[str]:
    return {name for name, _ in samples}


async def _looks_like_nothing(service: Service, headers: Any) -> None:
    def seen(answer: httpx.Response) -> Any:
        problem = {name: value for name, value in answer.json().items() if name != "requestId"}
        return sorted(name for name, _ in answer.headers.items()), problem

    refused = await service.http.get("/metrics", headers=headers)
    assert refused.status_code == 404
    assert seen(refused) == seen(await service.http.get("/nothing-here", headers=headers))


# --- who may read them


async def test_on_this_machine_alone_anybody_may(service: Service) -> None:
    for who in ({}, ALICE, ADMIN, {"x-request-id": "abc"}):
        await _scrape(service, who)


@pytest.mark.parametrize("header", FORWARDING)
async def test_a_request_that_was_handed_on_needs_a_token(service: Service, header: str) -> None:
    await _looks_like_nothing(service, {header: "127.0.0.1"})
    await _scrape(service, {header: "127.0.0.1", **ADMIN})


async def test_beyond_this_machine_it_needs_a_token(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, host="0.0.0.0", allow_anonymous=True)) as service:
        for who in ({}, ALICE, SCRAPER):
            await _looks_like_nothing(service, who)
        await _scrape(service, ADMIN)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
async def test_with_a_token_set_only_that_opens_it_and_the_admins(tmp_path: Path, host: str) -> None:
    async with opened(settings_for(tmp_path, host=host, metrics_token=TOKEN)) as service:
        for token in WRONG:
            await _looks_like_nothing(service, {"authorization": f"Bearer {token}"})
        for who in ({}, ALICE, {"authorization": f"Basic {TOKEN}"}, {"authorization": TOKEN}):
            await _looks_like_nothing(service, who)
        for who in (SCRAPER, ADMIN, {"authorization": f"bearer {TOKEN} "}, {**SCRAPER, "x-forwarded-for": "::1"}):
            await _scrape(service, who)


async def test_a_wrong_token_opens_nothing_even_where_none_is_needed(service: Service) -> None:
    for authorization in (f"Bearer {TOKEN}", "Bearer ", "Bearer None", "Basic YTpi", ""):
        await _looks_like_nothing(service, {"authorization": authorization})
    two = [("authorization", ADMIN["authorization"]), ("authorization", "Bearer x")]
    await _looks_like_nothing(service, two)
    beyond_ascii = {b"authorization": "Bearer schl\xfcssel".encode("latin-1")}
    await _looks_like_nothing(service, beyond_ascii)


async def test_without_any_token_set_none_opens_it(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, host="0.0.0.0", allow_anonymous=True, admin_token=None)
    async with opened(settings) as service:
        for token in ("", "None", TOKEN):
            await _looks_like_nothing(service, {"authorization": f"Bearer {token}"})


async def test_the_metrics_token_opens_nothing_else(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, metrics_token=TOKEN)) as service:
        for path in ("/health/detailed", "/api/jobs"):
            assert (await service.http.get(path, headers=SCRAPER)).status_code == 401


async def test_a_head_has_no_body(service: Service) -> None:
    async with served(service) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        head = await http.head("/metrics")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


# --- what they say


async def test_what_the_record_says_is_told(service: Service) -> None:
    await service.beat()
    await service.beat("noop", worker_id="an-api", role="api")
    first = await service.submit()
    await service.claim()
    await service.submit("walk", {"steps": 1})
    await service.submit("noop", {"options": {"dependsOn": [first]}})
    samples = await _scrape(service)
    jobs = {labels: value for (name, labels), value in samples.items() if name == "snapasset_jobs" and value}
    assert jobs == {
        frozenset({("queue", queue), ("status", status)}): 1
        for queue, status in (("image-generation", "active"), ("walk", "waiting"), ("noop", "blocked"))
    }
    assert _value(samples, "queue_oldest_seconds", queue="walk") >= 0
    assert _value(samples, "queue_oldest_seconds", queue="noop") == 0
    assert (_value(samples, "workers", role="worker"), _value(samples, "workers", role="api")) == (1, 1)
    assert (_value(samples, "up", part="database"), _value(samples, "up", part="storage")) == (1, 1)
    assert (_value(samples, "mode", mode="memory"), _value(samples, "mode", mode="redis")) == (1, 0)
    assert "snapasset_redis_up" not in _names(samples)


async def test_queues_of_other_versions_are_one(service: Service) -> None:
    for number in range(40):
        await service.state["database"].write(Submit(new_id(), "newer", f"newer-{number}", "someone", "{}", 0, 1))
    samples = await _scrape(service)
    assert _value(samples, "jobs", queue="other", status="waiting") == 40
    queues = {dict(labels).get("queue") for _, labels in samples} - {None}
    assert queues == {*service.state["catalogue"].queues, "other"}


async def test_who_serves_a_queue_and_whether_it_is_paused_is_told(service: Service) -> None:
    await service.beat("walk")
    await service.beat("walk", "noop", worker_id="another", role="api")
    await service.state["database"].write(PauseQueue("noop"))
    samples = await _scrape(service)
    assert {name: _value(samples, "queue_workers", queue=name) for name in ("walk", "noop", "image-generation")} == {
        "walk": 2,
        "noop": 1,
        "image-generation": 0,
    }
    assert (_value(samples, "queue_paused", queue="noop"), _value(samples, "queue_paused", queue="walk")) == (1, 0)


async def test_jobs_of_unknown_kinds_are_told_apart_and_make_nobody_late(service: Service) -> None:
    database = service.state["database"]
    for queue in ("walk", "walk", "newer"):
        await database.write(Submit(new_id(), "newer", queue, "someone", "{}", 0, 1))
    await database.write(Do("UPDATE jobs SET updated_at = updated_at - $1", (3_600_000,)))
    await service.submit("walk", {"steps": 1})
    samples = await _scrape(service)
    unknown = {name: _value(samples, "jobs_unknown_kind", queue=name) for name in ("walk", "other", "noop")}
    assert unknown == {"walk": 2, "other": 1, "noop": 0}
    assert _value(samples, "jobs", queue="walk", status="waiting") == 3
    assert _value(samples, "queue_oldest_seconds", queue="walk") < 3_000
    assert _value(samples, "queue_oldest_seconds", queue="other") == 0
    await database.write(Do("UPDATE jobs SET updated_at = updated_at - $1", (7_200_000,)))
    assert _value(await _scrape(service), "queue_oldest_seconds", queue="walk") >= 7_200


async def test_with_too_many_jobs_to_count_the_database_is_up(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, health_seconds=0.1), wrap=Breakable) as service:
        database = service.state["database"]
        assert isinstance(database, Breakable)
        database.slow = (QueueDepths,)
        samples = await _scrape(service)
    assert _value(samples, "up", part="database") == 1
    assert "snapasset_jobs" not in _names(samples)


async def test_streams_and_what_they_carry_are_counted(service: Service) -> None:
    job_id = await service.submit()
    async with served(service) as port, following(port, job_id) as stream:
        await stream.next()
        assert _value(await _scrape(service), "streams") == 1
        assert _value(await _scrape(service), "deliveries_total") == 0
        job = await service.claim()
        await stream.next()
        service.state["switch"].feed.publish([tick(job, "generate", 12.5)])
        await stream.next()
    await wait_until(lambda: not service.state["hub"].readers)
    samples = await _scrape(service)
    assert (_value(samples, "streams"), _value(samples, "deliveries_total")) == (0, 2)


async def test_counters_are_those_of_this_process(service: Service) -> None:
    metrics = service.state["metrics"]
    metrics.claimed("walk")
    metrics.ended("walk", "retried", 1.5, "provider_timeout")
    samples = await _scrape(service)
    assert _value(samples, "claims_total", queue="walk") == 1
    assert _value(samples, "retries_total", kind="walk") == 1
    assert _value(samples, "failures_total", kind="walk", code="provider_timeout") == 1


async def test_redis_that_is_away_is_told(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, redis_url="redis://127.0.0.1:1")) as service:
        samples = await _scrape(service)
    assert (_value(samples, "redis_up"), _value(samples, "mode", mode="memory")) == (0, 1)


@pytest.mark.parametrize("how", ["away", "hangs"])
async def test_without_the_record_nothing_of_it_is_told_and_the_rest_is(tmp_path: Path, how: str) -> None:
    storage = BreakableStorage(tmp_path / "files")
    async with opened(settings_for(tmp_path, health_seconds=0.1), storage=storage, wrap=Breakable) as service:
        await service.submit()
        before = await _scrape(service)
        setattr(service.state["database"], how, True)
        service.state["metrics"].claimed("walk")
        samples = await _scrape(service)
        of_the_record = {f"snapasset_{name}" for name in OF_THE_RECORD}
        assert _names(before) - _names(samples) == of_the_record
        assert (_value(samples, "up", part="database"), _value(samples, "up", part="storage")) == (0, 1)
        assert _value(samples, "claims_total", queue="walk") == 1
        storage.away = True
        assert _value(await _scrape(service), "up", part="storage") == 0
