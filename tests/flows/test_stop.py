"""Being told to stop: streams end in good order, jobs get the drain, and what is left goes on at the next start."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.flows.person import Person
from tests.flows.process import ROOT, SERVE, WORK, command, environment
from tests.flows.soundness import assert_sound
from tests.flows.sse import is_step
from tests.flows.waiting import PATIENCE, awaited, wait_until

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.flows.process import Host
    from tests.flows.sse import Stream

pytestmark = pytest.mark.timeout(90)

IN_A_NAMESPACE: Final = ("unshare", "--pid", "--fork", "--kill-child")
"""Runs a command as process 1 of a PID namespace, and ends as it does."""

ENDLESS: Final = (1000, 0.02)
"""The steps of a walk, and their seconds, that is under way until it is cancelled."""


def namespaces() -> bool:
    """Whether a PID namespace can be made here."""
    if shutil.which(IN_A_NAMESPACE[0]) is None:
        return False
    return subprocess.run([*IN_A_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


async def test_sigterm_with_running_jobs_and_open_streams(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start(job_max_concurrency=5, drain_seconds=2)
    alice = Person(http, server)
    long = [await alice.walk(*ENDLESS) for _ in range(3)]
    short = [await alice.walk(2, 0.1) for _ in range(2)]
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(alice.follow(job_id)) for job_id in [*long, *short] * 2]
        await asyncio.gather(*(alice.has(job_id, "active") for job_id in long))
        server.terminate()
        await asyncio.gather(*(stream.rest() for stream in streams))  # fails when one is cut
    assert await asyncio.to_thread(server.wait) == 0
    left = [path.name for path in host.data_dir.iterdir() if "wal" in path.name or "shm" in path.name]
    assert left == [], "the record was not closed"

    alice.server = host.start(job_max_concurrency=5)
    assert {job["status"] for job in await alice.each(short)} == {"completed"}
    for job_id in long:
        job = await alice.has(job_id, "active")
        assert (job["attempt"], job["run"]) == (1, 1), "the attempt that was broken off counted"
        await alice.act(job_id, "cancel", 202)
    await alice.all_end()
    for job_id in long:
        states = [event for event in await alice.timeline(job_id) if "state" not in event and not _wishes(event)]
        assert [(event["status"], event["attempt"]) for event in states] == [
            ("waiting", 0), ("active", 1), ("waiting", 0), ("active", 1), ("cancelled", 1),
        ]  # fmt: skip
    assert_sound(host.data_dir)


async def test_while_it_drains_it_says_so_and_a_second_sigterm_ends_it_at_once(
    host: Host, http: httpx.AsyncClient
) -> None:
    server = host.start()
    alice = Person(http, server)
    job_id = await alice.walk(*ENDLESS)
    async with alice.follow(job_id) as stream:
        await stream.until(is_step("walk:2", "done"))
        server.terminate()
        await stream.rest()
    # The streams end at once, not with the drain, which is 20 s: clients are to go elsewhere.
    assert server.alive
    # With connections of its own: the server closes the one of the stream after its answer, which may just be under way.
    async with httpx.AsyncClient(trust_env=False) as anew:
        bob = Person(anew, server)
        bob.headers = alice.headers
        assert await _refused(bob, "GET", "/health/ready")
        assert await _refused(bob, "POST", "/api/jobs/noop", json={})
        await _is_sent_away(bob, job_id)
    server.terminate()
    assert await asyncio.to_thread(server.wait) == 128 + signal.SIGTERM

    alice.server = host.start()
    # Until it is taken back it is active with the attempt that was cut short.
    await alice.has_told(job_id, lambda event: event["attempt"] == 2 and event["status"] == "active")
    await alice.act(job_id, "cancel", 202)
    await alice.all_end()
    assert len(await alice.jobs()) == 1, "what was refused was kept"
    assert_sound(host.data_dir)


async def test_sigkill_within_the_drain(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start()
    alice = Person(http, server)
    job_id = await alice.walk(60, 0.02)
    await alice.has(job_id, "active")
    server.terminate()
    wait_until(lambda: server.logged("stopping"), "the drain has begun")
    seq = (await alice.job(job_id))["seq"]
    await awaited(lambda: _has_gone_on(alice, job_id, seq), "the job goes on in the drain")
    server.kill()

    alice.server = host.start()
    final = (await alice.told(job_id))[-1]
    assert (final["status"], final["attempt"]) == ("completed", 2)
    attempts = [footprint["attempt"] for footprint in final["result"]["footprints"]]
    assert attempts == sorted(attempts)
    assert attempts[0] == 1
    assert_sound(host.data_dir)


async def test_ctrl_c_with_nothing_to_do(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start()
    alice = Person(http, server)
    assert (await alice.told(await alice.submit("noop")))[-1]["status"] == "completed"
    server.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(server.wait) == 0
    assert [line["level"] for line in server.log()] == ["info"] * len(server.log())


@pytest.fixture
def mute() -> Generator[socket.socket]:
    """A listener in the place of a database: it takes connections, and says nothing to anybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


@contextmanager
def opening(folder: Path, module: str, mute: socket.socket, *inside: str) -> Generator[subprocess.Popen[bytes]]:
    """A process that is opening its parts, and waits for its database. `inside`: the command that runs it."""
    url = f"postgresql://me@127.0.0.1:{mute.getsockname()[1]}/record"
    env = environment(data_dir=folder / "data", database_url=url)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*inside, *command(module)], cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        with mute.accept()[0]:
            yield process
    finally:
        process.kill()
        process.wait(PATIENCE)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("module", [SERVE, WORK])
def test_told_to_stop_before_it_is_ready_it_ends_at_once(
    tmp_path: Path, module: str, sent: signal.Signals, mute: socket.socket
) -> None:
    with opening(tmp_path, module, mute) as process:
        process.send_signal(sent)
        assert process.wait(PATIENCE) == 0
    said = [json.loads(line)["message"] for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    assert said == ["stopping: not all was open yet"]


@pytest.mark.skipif(not namespaces(), reason="needs the right to make a PID namespace")
@pytest.mark.parametrize("module", [SERVE, WORK])
def test_as_process_1_it_hears_a_stop_before_it_is_ready(tmp_path: Path, module: str, mute: socket.socket) -> None:
    """The kernel drops signals that process 1 of a container has no handler for."""
    with opening(tmp_path, module, mute, *IN_A_NAMESPACE) as unshare:
        (process_1,) = Path(f"/proc/{unshare.pid}/task/{unshare.pid}/children").read_text("utf-8").split()
        os.kill(int(process_1), signal.SIGTERM)
        assert unshare.wait(PATIENCE) == 0


def _wishes(event: dict[str, Any]) -> bool:
    return event.get("cancelRequested", False) and event["type"] == "update"


async def _refused(alice: Person, method: str, path: str, **more: Any) -> bool:
    """Whether the server says that it is not there for this, or is not to be reached any more."""
    try:
        answer = await alice.ask(method, path, **more)
    except httpx.ConnectError:
        return True
    return answer.status_code == 503


async def _is_sent_away(alice: Person, job_id: str) -> None:
    """A browser that comes back is told to do so again, elsewhere: any other status would end its EventSource for good."""
    stream: Stream
    try:
        async with alice.follow(job_id, last="1") as stream:
            assert (stream.status, await stream.rest()) == (200, [])
            assert stream.parser.retry is not None
            assert stream.headers["connection"] == "close"
    except httpx.ConnectError:
        return


async def _has_gone_on(alice: Person, job_id: str, seq: int) -> bool:
    return (await alice.job(job_id))["seq"] > seq + 2
