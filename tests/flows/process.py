"""Real processes, servers and workers: each with its data in a folder of the test, its log in a file.

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
from typing import TYPE_CHECKING, Any, ClassVar, Final

import httpx

from tests.flows.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT: Final = Path(__file__).parents[2]

_INHERITED: Final = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "SYSTEMROOT")
"""What a server gets of the environment of the tests: no setting that a developer may have there."""


SERVE: Final = "tests.flows.serve"
WORK: Final = "tests.flows.work"


def command(module: str = SERVE) -> list[str]:
    """What starts a server, or another of our modules, in the folder `ROOT`."""
    return [sys.executable, "-m", module]


def environment(**settings: object) -> dict[str, str]:
    """The environment of a process: any free port, JSON logs, and `settings` by their names in lower case."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    given = {"port": 0, "log_format": "json", **settings}
    return {**inherited, **{name.upper(): str(value) for name, value in given.items()}}


def launch(log: Path, module: str = SERVE, **settings: object) -> subprocess.Popen[bytes]:
    """Start a process and do not wait for anything."""
    with log.open("wb") as stream:
        return subprocess.Popen(
            command(module),
            cwd=ROOT,
            env=environment(**settings),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
        )


class Died(Exception):
    """A process ended before it was ready; its log says why."""


class Process:
    """A process that has been ready, as its own log says it with the words `READY`."""

    READY: ClassVar[str]

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path, log: Path) -> None:
        self.process = process
        self.data_dir = data_dir
        self._log = log
        self.announced: dict[str, Any] = wait_until(self._announced, "the process says that it is ready")

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def ready_at(self) -> datetime:
        """When it said that it was ready, by its own log."""
        return datetime.fromisoformat(self.announced["timestamp"])

    @property
    def log_bytes(self) -> int:
        """How much it has logged so far."""
        return self._log.stat().st_size

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

    def freeze(self) -> None:
        """SIGSTOP: it does nothing any more, and nobody is told."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self.process.send_signal(signal.SIGCONT)

    def wait(self) -> int:
        """Wait until it has ended by itself; its exit status."""
        return self.process.wait(PATIENCE)

    def memory(self) -> int:
        """Its resident memory in bytes, the most it ever had (Linux)."""
        status = Path(f"/proc/{self.pid}/status").read_text("utf-8")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def _announced(self) -> dict[str, Any]:
        alive, said = self.alive, self._log.read_text("utf-8")
        if self.READY in said:
            return self.logged(self.READY)
        if not alive:
            raise Died(said)  # which need not be JSON
        return {}


class Server(Process):
    """A server process that has been ready."""

    READY = "is ready at"

    def __init__(self, process: subprocess.Popen[bytes], data_dir: Path, log: Path) -> None:
        super().__init__(process, data_dir, log)
        self.url: str = self.announced["url"]
        self.port = int(self.url.rpartition(":")[2])
        wait_until(self._is_ready, "the server is ready")

    def _is_ready(self) -> bool:
        if not self.alive:
            raise Died(self._log.read_text("utf-8"))
        try:
            return httpx.get(f"{self.url}/health/ready", timeout=PATIENCE, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


class Worker(Process):
    """A worker process that has been ready to answer rings."""

    READY = "worker is ready"


class Host:
    """The folder of one deployment, and every process that is started on it."""

    def __init__(self, folder: Path, **settings: object) -> None:
        """`settings` hold for each of its processes."""
        self.data_dir = folder / "data"
        self.servers: list[Server] = []
        self.workers: list[Worker] = []
        self.expected: set[str] = set()
        """How messages of the level error begin that the test provokes; any other fails it."""
        self._folder = folder
        self._settings = settings
        self._numbers = itertools.count()
        self._launched: list[subprocess.Popen[bytes]] = []

    @property
    def processes(self) -> list[Process]:
        """All that were ever ready, in the order of their starts."""
        return [*self.servers, *self.workers]

    def start(self, module: str = SERVE, **settings: object) -> Server:
        """A new server on this folder, ready. Raises `Died`."""
        server = Server(*self._launch("server", module, settings))
        self.servers.append(server)
        return server

    def work(self, module: str = WORK, **settings: object) -> Worker:
        """A new worker process on this folder, ready. Raises `Died`."""
        worker = Worker(*self._launch("worker", module, settings))
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        """End what still runs, then look through the logs for what should not be there."""
        for process in self._launched:
            process.kill()
            process.wait(PATIENCE)
        for process in self.processes:
            troubles = [line for line in process.log() if self._is_trouble(line)]
            assert not troubles, troubles

    def _is_trouble(self, line: dict[str, Any]) -> bool:
        bad = line["level"] in ("error", "critical") or "exception" in line
        return bad and not line["message"].startswith(tuple(self.expected))

    def _launch(
        self, name: str, module: str, settings: dict[str, object]
    ) -> tuple[subprocess.Popen[bytes], Path, Path]:
        log = self._folder / f"{name}-{next(self._numbers)}.log"
        process = launch(log, module, data_dir=self.data_dir, **{**self._settings, **settings})
        self._launched.append(process)
        return process, self.data_dir, log


@contextmanager
def hosting(folder: Path, **settings: object) -> Generator[Host]:
    """A host, closed at the end."""
    host = Host(folder, **settings)
    try:
        yield host
    finally:
        host.close()
