"""Real server processes: each on a port of its own, with its data in a folder of the test, its log in a file.

Invariant: a process started here is gone when its test is, and it has logged nothing but JSON lines.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from tests.flows.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT: Final = Path(__file__).parents[2]

_INHERITED: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")
"""What a server gets of the environment of the tests: no setting that a developer may have there."""


def command() -> list[str]:
    """What starts a server, in the folder `ROOT`."""
    return [sys.executable, "-m", "tests.flows.serve"]


def environment(**settings: object) -> dict[str, str]:
    """The environment of a server: any free port, JSON logs, and `settings` by their names in lower case."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    given = {"port": 0, "log_format": "json", **settings}
    return {**inherited, **{name.upper(): str(value) for name, value in given.items()}}


def launch(log: Path, **settings: object) -> subprocess.Popen[bytes]:
    """Start a server and do not wait for anything."""
    with log.open("wb") as stream:
        return subprocess.Popen(
            command(),
            cwd=ROOT,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )


class Died(Exception):
    """A server ended before it was ready; its log says why."""


class Server:
    """A server process that has been ready."""

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path, log: Path) -> None:
        self.process = process
        self.data_dir = data_dir
        self._log = log
        self.url: str = wait_until(self._announced, "the server says where it listens")["url"]
        self.port = int(self.url.rpartition(":")[2])
        wait_until(self._is_ready, "the server is ready")

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def ready_at(self) -> datetime:
        """When it said that it was ready, by its own log."""
        return datetime.fromisoformat(self._announced()["timestamp"])

    def log(self) -> list[dict[str, Any]]:
        """What it has logged in whole lines so far. Fails on a line that is no JSON object."""
        text = self._log.read_text("utf-8")
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def logged(self, words: str) -> dict[str, Any]:
        """The first log line with these words in its message, empty when there is none."""
        lines = [line for line in self.log() if words in line["message"]]
        return lines[0] if lines else {}

    def kill(self) -> None:
        """End it as a power cut would end it; returns when it is gone."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until it has ended by itself; its exit status."""
        return self.process.wait(PATIENCE)

    def memory(self) -> int:
        """Its resident memory in bytes, the most it ever had (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def _announced(self) -> dict[str, Any]:
        alive = self.alive
        line = self.logged("is ready at")
        if not line and not alive:
            raise Died(self._log.read_text("utf-8"))
        return line

    def _is_ready(self) -> bool:
        if not self.alive:
            raise Died(self._log.read_text("utf-8"))
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=PATIENCE, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


class Host:
    """The folder of one deployment, and every server process that is started on it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        """`settings` hold for each of its servers."""
        self.data_dir = folder / "data"
        self._folder = folder
        self._settings = settings
        self._numbers = itertools.count()
        self._launched: list[subprocess.Popen[bytes]] = []
        self.servers: list[Server] = []

    def start(self, **settings: object) -> Server:
        """A new server on this folder, ready. Raises `Died`."""
        log = self._folder / f"server-{next(self._numbers)}.log"
        process = launch(log, data_dir=self.data_dir, **{**self._settings, **settings})
        self._launched.append(process)
        server = Server(process, self.data_dir, log)
        self.servers.append(server)
        return server

    def close(self) -> None:
        """End what still runs, then look through the logs for what should not be there."""
        for process in self._launched:
            process.kill()
            process.wait(PATIENCE)
        for server in self.servers:
            troubles = [line for line in server.log() if line["level"] in ("error", "critical") or "exception" in line]
            assert not troubles, troubles


@contextmanager
def hosting(folder: Path, **settings: object) -> Generator[Host]:
    """A host, closed at the end."""
    host = Host(folder, **settings)
    try:
        yield host
    finally:
        host.close()
