"""A record that cannot be opened ends the start of either process with one sentence: no name of ours, no value of theirs."""

from __future__ import annotations

import asyncio
import subprocess
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.faults.patience import SLACK
from tests.flows.process import ROOT, command, environment
from tests.servers.free_port import free_port
from tests.servers.postgres import shared_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.timeout(60), pytest.mark.fault(seconds=1)]

SECONDS: Final = 5.0
SECRET: Final = "hunter2-hunter2"


class Case(NamedTuple):
    """An address that cannot be used, what of it must not be shown, and the exit status."""

    url: str
    hidden: tuple[str, ...]
    status: int


def cases() -> dict[str, Case]:
    server = shared_server()
    port = server.port
    return {
        "password": Case(server.tcp_url(password=SECRET), (SECRET,), 2),
        "no password": Case(f"postgresql://snapasset@127.0.0.1:{port}/postgres", (str(port),), 2),
        "user": Case(f"postgresql://nobody-else:{SECRET}@127.0.0.1:{port}/postgres", (SECRET, "nobody-else"), 2),
        "host": Case(f"postgresql://snapasset:{SECRET}@postgres.invalid/postgres", (SECRET, "postgres.invalid"), 1),
        "port": Case(
            f"postgresql://snapasset:{SECRET}@127.0.0.1:{(closed := free_port())}/x", (SECRET, str(closed)), 1
        ),
        "scheme": Case(f"mysql://snapasset:{SECRET}@127.0.0.1:{port}/postgres", (SECRET, "mysql"), 2),
        "database": Case(server.tcp_url("not_there_at_all"), ("not_there_at_all", "not-a-secret"), 2),
    }


@pytest.mark.parametrize("module", ["server", "worker"])
@pytest.mark.parametrize("name", ["password", "no password", "user", "host", "port", "scheme", "database"])
async def test_it_ends_with_a_sentence(tmp_path: Path, module: str, name: str) -> None:
    case = (await asyncio.to_thread(cases))[name]
    began = time.monotonic()
    done = await asyncio.to_thread(start, module, {"database_url": case.url, "data_dir": tmp_path / "data"})
    took = time.monotonic() - began
    print(f"measured: {module} with a wrong {name} ended after {took:.1f} s")
    assert took < SLACK * SECONDS
    said = done.stderr
    assert done.stdout == ""
    assert said.count("\n") == 1, "more than a sentence"
    assert said.startswith("snapasset: ")
    assert "DATABASE_URL" in said
    assert not [word for word in case.hidden if word in said], said
    assert done.returncode == case.status, said


def start(module: str, settings: dict[str, object]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(module),
        cwd=ROOT,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=SLACK * SECONDS,
        check=False,
    )
