"""Processes start without the Redis that they were told of, say why once, and work; those that share it must agree."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.faults.cluster import SERVE, WORK, clustering
from tests.faults.invariants import all_ended, assert_ran_once, assert_told_once, warnings_of_redis
from tests.faults.patience import HEALS, SLACK
from tests.faults.vitals import Stretch
from tests.faults.witness import watching
from tests.flows.process import launch
from tests.servers.free_port import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Cluster
    from tests.servers.redis import RedisServer

pytestmark = pytest.mark.timeout(120)

SECRET: Final = "hunter2-hunter2"
REFUSED_SECONDS: Final = 5.0
UNUSABLE: Final = 2


@pytest.mark.fault(seconds=10)
async def test_absent_at_the_start_and_there_later(tmp_path: Path) -> None:
    async with clustering(tmp_path, serving=lambda redis: redis.kill()) as cluster:
        await cluster.started(apis=1, workers=1)
        assert [process.announced["mode"] for process in cluster.processes()] == ["memory", "memory"]
        alice = cluster.person()
        before = await works(cluster)
        async with watching(cluster.http, cluster.servers) as watch:
            await watch.tells("memory", "down", HEALS)
            await asyncio.to_thread(cluster.redis.start)
            await watch.tells("redis", "ok", HEALS)
        after = await alice.many(6, "errand", alice.errand())
        await all_ended(cluster)
        assert_ran_once(cluster, [*before, *after])
        assert_told_once(cluster)


def settings_of(case: str, cluster: Cluster, pem: Path) -> tuple[dict[str, object], str]:
    """Settings with which Redis cannot be used, and a word of the reason that has to be told."""
    port = cluster.proxy.port
    cases: dict[str, tuple[dict[str, object], str]] = {
        "no password": ({}, "password"),
        "password": ({"redis_url": f"redis://:{SECRET}@127.0.0.1:{port}"}, "password"),
        "parts": ({"redis_url": None, "redis_host": "127.0.0.1", "redis_port": port, "redis_password": SECRET}, "password"),
        "host": ({"redis_url": f"redis://:{SECRET}@redis.invalid:6379"}, "reached"),
        "port": ({"redis_url": f"redis://:{SECRET}@127.0.0.1:{free_port()}"}, "reached"),
        "scheme": ({"redis_url": f"http://:{SECRET}@127.0.0.1:{port}"}, "REDIS_URL"),
        "certificate": ({"redis_url": f"rediss://:{SECRET}@127.0.0.1:{port}"}, "certificate"),
        "another host's certificate": (
            {"redis_url": f"rediss://:{SECRET}@127.0.0.1:{port}", "redis_ca_file": pem},
            "certificate",
        ),
    }  # fmt: skip
    return cases[case]


CASES: Final = (
    "no password", "password", "parts", "host", "port", "scheme", "certificate", "another host's certificate",
)  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, marks=pytest.mark.fault(seconds=8)) for case in CASES])
async def test_a_redis_that_cannot_be_used_is_said_once_and_done_without(tmp_path: Path, case: str) -> None:
    def locked(redis: RedisServer) -> None:
        redis.change_password("another-one")

    pem = await asyncio.to_thread(certificate, tmp_path, "DNS:elsewhere.example")
    tls = pem if "certificate" in case else None
    async with clustering(tmp_path, serving=locked, certificate=tls) as cluster:
        settings, word = settings_of(case, cluster, pem)
        began = time.monotonic()
        await cluster.started(apis=1, workers=1, **settings)
        print(f"measured: two processes are ready after {time.monotonic() - began:.1f} s")
        stretch = Stretch(cluster.processes())
        await works(cluster)
        await asyncio.sleep(3)
        stretch.assert_quiet()
        assert warnings_of_redis(cluster) == [1, 1]
        for process in cluster.processes():
            line = process.logged("Redis not available")
            assert word in line["why"], line
            assert SECRET not in str(process.log())
        health = (await cluster.person().get("/health"))["services"]["redis"]
        assert health["status"] == "down"
        assert SECRET not in str(health)


@pytest.mark.fault(seconds=6)
async def test_with_the_right_certificate_it_is_used(tmp_path: Path) -> None:
    pem = await asyncio.to_thread(certificate, tmp_path, "IP:127.0.0.1")
    async with clustering(tmp_path, certificate=pem) as cluster:
        address = f"rediss://127.0.0.1:{cluster.proxy.port}"
        await cluster.started(apis=1, workers=1, redis_url=address, redis_ca_file=pem)
        assert [process.announced["mode"] for process in cluster.processes()] == ["redis", "redis"]
        await works(cluster)
        assert warnings_of_redis(cluster) == [0, 0]


@pytest.mark.fault(seconds=6)
@pytest.mark.parametrize("module", [SERVE, WORK])
async def test_whoever_has_another_record_is_refused(tmp_path: Path, module: str) -> None:
    async with clustering(tmp_path) as cluster:
        await cluster.started(apis=1, workers=1)
        log = tmp_path / "other.log"
        began = time.monotonic()
        other = launch(log, module, data_dir=tmp_path / "other", redis_url=cluster.redis_url)
        status = await ended(other)
        took = time.monotonic() - began
        print(f"measured: refused after {took:.1f} s")
        assert (status, took < SLACK * REFUSED_SECONDS) == (UNUSABLE, True), log.read_text("utf-8")
        said = log.read_text("utf-8").splitlines()[-1]
        assert said.startswith("snapasset: ")
        assert all(word in said for word in ("REDIS_URL", "record")), said
        await works(cluster)


async def ended(process: subprocess.Popen[bytes]) -> int:
    """The exit status of a process that should end by itself; it is killed when it does not."""
    try:
        return await asyncio.to_thread(process.wait, SLACK * REFUSED_SECONDS)
    finally:
        process.kill()
        process.wait()


async def works(cluster: Cluster) -> list[str]:
    """Jobs are taken and run, each once."""
    alice = cluster.person()
    job_ids = await alice.many(6, "errand", alice.errand(steps=2, seconds=0.02))
    cluster.follow(alice, *job_ids)
    await all_ended(cluster)
    assert_ran_once(cluster, job_ids)
    jobs: list[dict[str, Any]] = await alice.each(job_ids)
    assert {job["status"] for job in jobs} == {"completed"}
    return job_ids


def certificate(folder: Path, name: str) -> Path:
    """A key and a certificate of its own, in one file."""
    pem, key = folder / "redis.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=redis"]
    subprocess.run(
        [*words, "-addext", f"subjectAltName={name}", "-keyout", key, "-out", pem], check=True, capture_output=True
    )
    pem.write_text(key.read_text("utf-8") + pem.read_text("utf-8"), "utf-8")
    return pem
