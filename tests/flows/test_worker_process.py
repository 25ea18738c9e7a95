"""A worker's own port, asked while the process works, and while it drains."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.flows.person import Person
from tests.flows.waiting import awaited

if TYPE_CHECKING:
    import httpx

    from tests.flows.process import Host, Worker

pytestmark = pytest.mark.timeout(90)

TOKEN: Final = "the metrics token of these flows"


class Probe:
    """Whoever asks a worker how it is."""

    def __init__(self, http: httpx.AsyncClient, worker: Worker) -> None:
        self._http = http
        self._url = f"http://127.0.0.1:{worker.announced['healthPort']}"

    async def status(self, path: str, **headers: str) -> int:
        return (await self._http.get(f"{self._url}{path}", headers=headers)).status_code

    async def word(self, path: str) -> tuple[int, str]:
        answer = await self._http.get(f"{self._url}{path}")
        return answer.status_code, answer.json()["status"]

    async def sample(self, name: str, **labels: str) -> float | None:
        answer = await self._http.get(f"{self._url}/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200
        samples = (sample for family in text_string_to_metric_families(answer.text) for sample in family.samples)
        return next((one.value for one in samples if (one.name, one.labels) == (f"snapasset_{name}", labels)), None)


async def test_it_tells_what_it_did_and_lives_while_it_drains(host: Host, http: httpx.AsyncClient) -> None:
    worker = host.work(worker_port=0, metrics_token=TOKEN, drain_seconds=60)
    alice, probe = Person(http, host.start(fallback_worker="off")), Probe(http, worker)
    assert await probe.word("/health/live") == (200, "ok")
    assert await probe.word("/health/ready") == (200, "ready")
    assert await probe.status("/metrics") == 404

    await alice.has(await alice.submit("noop"), "completed")
    ended = {"kind": "noop", "outcome": "completed"}
    assert await awaited(lambda: probe.sample("attempt_seconds_count", **ended), "the attempt is counted") == 1
    assert await probe.sample("claims_total", queue="noop") == 1
    assert await probe.sample("up", part="database") == 1

    job_id = await alice.walk(1000, 0.1)
    await alice.has(job_id, "active")
    worker.terminate()
    await awaited(lambda: _drains(probe), "the worker says that it drains")
    assert await probe.word("/health/live") == (200, "ok")
    assert await probe.sample("claims_total", queue="walk") == 1
    await alice.act(job_id, "cancel", 202)
    assert await asyncio.to_thread(worker.wait) == 0
    assert await alice.has(job_id, "cancelled")


async def test_without_a_port_it_does_not_listen(host: Host) -> None:
    worker = host.work()
    assert "healthPort" not in worker.announced
    worker.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(worker.wait) == 0


async def test_an_api_tells_that_a_worker_was_lost_and_takes_its_place(host: Host, http: httpx.AsyncClient) -> None:
    worker = host.work()
    server = host.start()
    alice = Person(http, server)
    await awaited(lambda: _serving(alice, 1), "the API leaves the jobs to the worker")
    worker.kill()
    await awaited(lambda: _serving(alice, 1), "the API serves alone")
    await alice.has(await alice.submit("noop"), "completed")
    lost = server.logged("a worker was lost")
    assert (lost["level"], lost["workerId"]) == ("warning", worker.announced["workerId"])
    assert "noop" in server.logged("this process takes jobs itself")["queues"]


async def _drains(probe: Probe) -> bool:
    return await probe.word("/health/ready") == (503, "draining")


async def _serving(alice: Person, processes: int) -> bool:
    queues = (await alice.get("/health"))["services"]["queues"]
    return {queue["workers"] for queue in queues.values()} == {processes}
