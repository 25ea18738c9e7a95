"""The process: how it starts, how it refuses to, and how it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from server.__main__ import FIRST_PORT, bind, check_reach
from snapasset.errors import BadConfiguration
from snapasset.settings import Settings
from tests.flows.process import hosting
from tests.server.listener import following
from tests.server.service import ALICE, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.flows.process import Server

ROOT = Path(__file__).parents[2]
PATIENCE = 20


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_named(taken: int) -> None:
    with pytest.raises(BadConfiguration, match="PORT") as refused:
        bind(Settings(port=taken))
    assert str(taken) not in str(refused.value)


def test_without_a_port_the_next_free_one_is_taken() -> None:
    with bind(Settings()) as first, bind(Settings()) as second:
        ports = [listener.getsockname()[1] for listener in (first, second)]
    assert FIRST_PORT <= ports[0] < ports[1] < FIRST_PORT + 10


def test_port_0_is_any() -> None:
    with bind(Settings(port=0)) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize("host", ["no such host", "203.0.113.7", "a" * 300, "*"])
def test_a_host_that_is_not_ours_is_named(host: str) -> None:
    with pytest.raises(BadConfiguration, match="HOST"):
        bind(Settings(host=host, port=0))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com"])
def test_strangers_are_let_in_only_when_that_is_said(host: str) -> None:
    with pytest.raises(BadConfiguration, match="ALLOW_ANONYMOUS"):
        check_reach(Settings(host=host))
    check_reach(Settings(host=host, allow_anonymous=True))
    check_reach(Settings(host=host, supabase_url="https://abc.supabase.co"))  # there users sign in


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.10"])
def test_this_machine_needs_no_leave(host: str) -> None:
    check_reach(Settings(host=host))


def _start(folder: Path, **settings: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server"]
    given = {"port": 0, "data_dir": folder, **settings}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    env = {**inherited, **{name.upper(): str(value) for name, value in given.items()}}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)


async def test_a_configuration_that_cannot_be_used_ends_it_with_one_sentence(tmp_path: Path, taken: int) -> None:
    (tmp_path / "file").write_text("")
    cases: dict[str, dict[str, Any]] = {
        "PORT": {"port": "ninety"},
        "PORT ": {"port": taken},
        "HOST": {"host": "0.0.0.0"},
        "SIGNING_SECRET": {"signing_secret": "canary"},
        "DATA_DIR": {"data_dir": tmp_path / "file" / "canary"},
        "LEASE_SECONDS": {"lease_seconds": "0.5"},
        "SQLITE_SYNCHRONOUS": {"sqlite_synchronous": "canary"},
    }
    runs = [asyncio.to_thread(_start, tmp_path / "data", **case) for case in cases.values()]
    for name, case, done in zip(cases, cases.values(), await asyncio.gather(*runs), strict=True):
        assert done.returncode == 2, (name, done.stderr)
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1, done.stderr
        assert name.strip() in done.stderr
        assert not any(str(value) in done.stderr for value in case.values()), done.stderr


async def test_a_record_that_cannot_be_opened_ends_it_with_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "snapasset.db").write_bytes(b"this is no database" * 100)
    done = await asyncio.to_thread(_start, tmp_path)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("snapasset: ")
    assert done.stderr.count("\n") == 1


async def _submit(server: Server, **walk: Any) -> str:
    async with httpx.AsyncClient(base_url=server.url, headers=ALICE, trust_env=False) as http:
        answer = await http.post("/api/jobs/walk", json=walk)
    return answer.json()["jobId"]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_told_to_stop_it_ends_its_streams_and_its_jobs(tmp_path: Path, sent: signal.Signals) -> None:
    with hosting(tmp_path) as host:
        server = host.start()
        told = server.logged("is ready at")
        assert {"mode", "database", "storage", "provider", "url", "version"} <= set(told)
        job_id = await _submit(server, steps=2, seconds=0.3)
        async with following(server.port, job_id) as one, following(server.port, job_id) as other:
            for stream in (one, other):
                while (await stream.next()).data.get("step") is None:
                    pass
            server.process.send_signal(sent)
            for stream in (one, other):
                assert "final" not in [frame.data["type"] for frame in await stream.rest()]
        assert await asyncio.to_thread(server.wait) == 0
        again = host.start()
        async with following(again.port, job_id) as stream:
            frames = await stream.rest()
        assert [frame.data["type"] for frame in frames] == ["connected", "final"]
        assert frames[0].data["attempt"] == 1


async def test_told_twice_it_ends_at_once(tmp_path: Path) -> None:
    with hosting(tmp_path, drain_seconds=600) as host:
        server = host.start()
        job_id = await _submit(server, steps=1, seconds=600)
        async with following(server.port, job_id) as stream:
            while (await stream.next()).data.get("step") is None:
                pass
        server.terminate()
        await wait_until(lambda: bool(server.logged("stopping")))
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
            assert (await http.get("/health/ready")).json() == {"status": "draining"}
        server.terminate()
        assert await asyncio.to_thread(server.wait) == 128 + signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
async def test_it_holds_no_more_than_it_should(tmp_path: Path) -> None:
    with hosting(tmp_path) as host:
        server = host.start()
        job_id = await _submit(server, steps=1)

        def held() -> int:
            return len(list(Path(f"/proc/{server.pid}/fd").iterdir()))

        async with following(server.port, job_id) as stream:
            await stream.rest()
        before = held()
        for _ in range(50):
            async with following(server.port, job_id) as stream:
                await stream.next()
        await wait_until(lambda: held() <= before + 1)
