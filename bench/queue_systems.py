"""One queue of any system, as the measurements drive it; and the peers, which are programs that are asked in JSON."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from bench.peers import NotHere, node_with_bullmq

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from tests.servers.redis import RedisServer

_PATIENCE = 120.0
"""Seconds after which a program that says nothing is ended."""


class Lasting(NamedTuple):
    """Jobs that write down when they run (`bench.queue_log`), and last for some seconds each."""

    log: Path
    seconds: float


class System(ABC):
    """A queue on a Redis that nobody else uses. Its calls block; they may come from several threads."""

    name: str

    @abstractmethod
    def put(self, count: int, jobs: Lasting | None = None) -> None:
        """Have so many jobs accepted, with numbers from 0; without `jobs` they do nothing."""

    @abstractmethod
    def drain(self, count: int, concurrency: int) -> float:
        """Put in so many jobs that do nothing, then have one worker process run them: jobs a second, first start to last end."""

    @abstractmethod
    def add(self, per_second: float, seconds: float, jobs: Lasting, first: int = 0) -> dict[int, float | None]:
        """Add jobs at these times, whatever becomes of them; by number, when each was sent, None when it was not accepted."""

    @abstractmethod
    def working(self, concurrency: int) -> AbstractContextManager[None]:
        """One worker process, ready, as long as the block runs."""


class Peer(System):
    """A program of `bench/peers` that speaks as `bullmq.mjs` says."""

    def __init__(self, name: str, command: list[str], redis: RedisServer, database: int) -> None:
        self.name = name
        self.version = ""
        self._command = command
        self._redis = {"host": "127.0.0.1", "port": redis.port, "db": database}

    def put(self, count: int, jobs: Lasting | None = None) -> None:
        task = {"count": count} if jobs is None else {"count": count, "log": str(jobs.log), "seconds": jobs.seconds}
        self.version = self._ask({"act": "put", **task})["version"]

    def drain(self, count: int, concurrency: int) -> float:
        self.put(count)
        with self._program({"act": "work", "concurrency": concurrency, "until": count}) as answers:
            _answer(self.name, answers)
            return float(_answer(self.name, answers)["perSecond"])

    def add(self, per_second: float, seconds: float, jobs: Lasting, first: int = 0) -> dict[int, float | None]:
        task = {
            "perSecond": per_second,
            "seconds": seconds,
            "first": first,
            "log": str(jobs.log),
            "lasts": jobs.seconds,
        }
        return {int(number): sent for number, sent in self._ask({"act": "rate", **task}).items()}

    @contextmanager
    def working(self, concurrency: int) -> Generator[None]:
        with self._program({"act": "work", "concurrency": concurrency, "until": 0}) as answers:
            _answer(self.name, answers)
            yield

    def _ask(self, task: dict[str, Any]) -> dict[str, Any]:
        with self._program(task) as answers:
            return _answer(self.name, answers)

    @contextmanager
    def _program(self, task: dict[str, Any]) -> Generator[IO[str]]:
        """The program at work on a task; it is ended with the block, or when it takes too long."""
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(self._command, **pipes, text=True)
        too_long = threading.Timer(_PATIENCE, process.kill)
        too_long.start()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({**task, "redis": self._redis}) + "\n")
            process.stdin.flush()
            yield process.stdout
        finally:
            too_long.cancel()
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def _answer(name: str, answers: IO[str]) -> dict[str, Any]:
    line = answers.readline()
    if not line:
        raise NotHere(f"{name} ended without an answer")
    return json.loads(line)


def bullmq(redis: RedisServer, database: int = 0) -> Peer:
    """BullMQ under Node. Raises `NotHere`."""
    node, folder = node_with_bullmq()
    program = Path(__file__).parent / "peers" / "bullmq" / "bullmq.mjs"
    return Peer("BullMQ", [node, str(program), str(folder)], redis, database)


def plain_saq(redis: RedisServer, database: int = 0) -> Peer:
    """SAQ with its own RedisQueue and Worker."""
    return Peer("plain SAQ", [sys.executable, "-m", "bench.peers.plain_saq"], redis, database)
