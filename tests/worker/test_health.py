"""A worker's process tells probes and Prometheus how it is, on a port of its own."""

from __future__ import annotations

import asyncio
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from snapasset.errors import BadConfiguration, DatabaseUnavailable
from tests.worker.engine import Engine, engine, within
from worker.health import health_listener
from worker.processors.trial import NOOP

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

TOKEN = "the metrics token of these tests"
ADMIN_TOKEN = "the admin token of these tests, no other"
PATHS = ("/health/live", "/health/ready", "/metrics")


class Listening:
    """A worker's parts, what it says of itself, and a client at its door."""

    def __init__(self, worker: Engine) -> None:
        self.worker = worker
        self.live = self.ready = True
        self.port = 0
        self.http = httpx.AsyncClient()

    async def ask(self, path: str) -> tuple[int, Any]:
        answer = await self.http.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
        return answer.status_code, answer.json()

    async def status(self, path: str = "/metrics", **headers: str) -> int:
        return (await self.http.get(path, headers=headers)).status_code

    async def samples(self) -> dict[tuple[str, tuple[str, ...]], float]:
        answer = await self.http.get("/metrics")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        return {
            (sample.name, tuple(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


@asynccontextmanager
async def listening(folder: Path, **settings: Any) -> AsyncGenerator[Listening]:
    given: dict[str, Any] = {"worker_port": 0, "health_seconds": 0.1, **settings}
    async with engine(folder, NOOP, workers=0, **given) as worker:
        listening = Listening(worker)
        listener = health_listener(
            worker.settings,
            live=lambda: listening.live,
            ready=lambda: listening.ready,
            database=worker.database,
            metrics=worker.metrics,
        )
        async with listener as port:
            assert port is not None
            listening.port = port
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as listening.http:
                yield listening


async def test_it_lives_and_is_ready(tmp_path: Path) -> None:
    async with listening(tmp_path) as worker:
        assert await worker.ask("/health/live") == (200, {"status": "ok"})
        assert await worker.ask("/health/ready") == (200, {"status": "ready"})


async def test_a_part_that_has_ended_is_told_to_whoever_restarts_it(tmp_path: Path) -> None:
    async with listening(tmp_path) as worker:
        worker.live = False
        assert await worker.ask("/health/live") == (503, {"status": "down"})


async def test_one_that_takes_nothing_is_not_ready_and_lives(tmp_path: Path) -> None:
    async with listening(tmp_path) as worker:
        worker.ready = False
        assert await worker.ask("/health/ready") == (503, {"status": "draining"})
        assert await worker.ask("/health/live") == (200, {"status": "ok"})


async def _away(_operation: object) -> None:
    raise DatabaseUnavailable


async def _hangs(_operation: object) -> None:
    await asyncio.get_running_loop().create_future()


async def _breaks(_operation: object) -> None:
    raise RuntimeError("nobody foresaw this")


@pytest.mark.parametrize("guard", [_away, _hangs, _breaks])
async def test_without_the_record_it_is_not_ready_and_lives(tmp_path: Path, guard: Any) -> None:
    async with listening(tmp_path) as worker:
        worker.worker.database.guard = guard
        assert await within(worker.ask("/health/ready")) == (503, {"status": "down"})
        assert await worker.ask("/health/live") == (200, {"status": "ok"})
        assert (await worker.samples())["snapasset_up", ("database",)] == 0
        worker.worker.database.guard = None
        assert await worker.ask("/health/ready") == (200, {"status": "ready"})


async def test_the_runners_own_words_serve_it(tmp_path: Path) -> None:
    async with engine(tmp_path, NOOP, worker_port=0) as worker:
        (runner,) = worker.runners
        listener = health_listener(
            worker.settings,
            live=lambda: runner.lives,
            ready=lambda: bool(runner.accepts),
            database=worker.database,
            metrics=worker.metrics,
        )
        async with listener as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            assert [(await http.get(path)).status_code for path in PATHS] == [200, 200, 200]
            await runner.stop()
            assert [(await http.get(path)).status_code for path in PATHS] == [200, 503, 200]


async def test_what_it_has_counted_is_told(tmp_path: Path) -> None:
    async with listening(tmp_path) as worker:
        worker.worker.metrics.claimed("noop")
        samples = await worker.samples()
        assert samples["snapasset_claims_total", ("noop",)] == 1
        assert samples["snapasset_up", ("database",)] == 1
        assert samples["snapasset_mode", ("memory",)] == 1
        of_the_api = {"snapasset_jobs", "snapasset_streams", "snapasset_workers"}
        assert not of_the_api & {name for name, _ in samples}


async def test_the_metrics_are_nowhere_for_who_may_not_read_them(tmp_path: Path) -> None:
    async with listening(tmp_path, metrics_token=TOKEN, admin_token=ADMIN_TOKEN) as worker:
        missing = await worker.http.get("/nothing-here")
        for headers in ({}, {"authorization": "Bearer x"}, {"authorization": f"Basic {TOKEN}"}):
            refused = await worker.http.get("/metrics", headers=headers)
            assert (refused.status_code, refused.text) == (404, missing.text)
        for token in (TOKEN, ADMIN_TOKEN):
            assert await worker.status(authorization=f"Bearer {token}") == 200
        assert await worker.status("/health/ready") == 200, "probes bring no token"


async def test_without_a_token_they_are_for_this_machine_alone(tmp_path: Path) -> None:
    async with listening(tmp_path) as worker:
        assert await worker.status() == 200
        assert await worker.status(**{"x-forwarded-for": "127.0.0.1"}) == 404
    async with listening(tmp_path, worker_host="0.0.0.0") as worker:
        assert await worker.status() == 404
        assert await worker.status("/health/live") == 200


async def test_only_reading_is_known(tmp_path: Path) -> None:
    async with listening(tmp_path) as worker:
        for path in PATHS:
            head = await worker.http.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert (await worker.http.post(path)).status_code == 405
        for path in ("/", "/health", "/health/", "/api/jobs", "/openapi.json"):
            assert await worker.status(path) == 404


async def test_without_a_port_it_does_not_listen(tmp_path: Path) -> None:
    async with engine(tmp_path, NOOP, workers=0) as worker:
        listener = health_listener(
            worker.settings,
            live=lambda: True,
            ready=lambda: True,
            database=worker.database,
            metrics=worker.metrics,
        )
        async with listener as port:
            assert port is None


async def test_it_leaves_the_signals_alone_and_frees_its_port(tmp_path: Path) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    async with listening(tmp_path) as worker:
        assert [signal.getsignal(number) for number in numbers] == before
        port = worker.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)  # says nothing, and holds nothing up
    assert await within(reader.read()) == b""
    writer.close()
    with socket.create_server(("127.0.0.1", port)):
        pass


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadConfiguration, match="WORKER_PORT") as refused:
            await _listen(tmp_path, worker_port=port)
    assert str(port) not in str(refused.value)


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "a" * 300, "*"])
async def test_a_host_that_is_not_ours_is_named(tmp_path: Path, host: str) -> None:
    with pytest.raises(BadConfiguration, match="WORKER_HOST") as refused:
        await _listen(tmp_path, worker_host=host)
    assert host not in str(refused.value) or host == "*"


async def _listen(folder: Path, **settings: Any) -> None:
    async with listening(folder, **settings):
        pass


async def test_who_is_slow_is_sent_away(tmp_path: Path) -> None:
    async with listening(tmp_path, request_seconds=0.05) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(b"GET /health/live HTTP/1.1\r\nhost: a")
        assert await within(reader.read()) == b""
        writer.close()
