"""Ours as it is measured: `python -m server` with its defaults and, where Redis is given, another process that publishes."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.load import Connection, post
from bench.peers import NotHere
from bench.sse_baton import Baton
from bench.sse_ours import KINDS
from bench.sse_systems import Cores, Publishing, Served, System, program, started, wait_for
from tests.servers.free_port import free_port

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator

    from tests.servers.redis import RedisServer

_BATCH: Final = 100
_OWNED: Final = 1_000
"""Jobs that one owner may have at once."""
_FAR: Final = 86_400.0
_MOST_AT_ONCE: Final = 256
_STREAMS: Final = 20_000


class Product(Served):
    """Our server. Its topics are jobs, each followed by the session that owns it."""

    def __init__(self, process: subprocess.Popen[bytes], environment: dict[str, str], cores: Cores) -> None:
        super().__init__(int(environment["PORT"]), process.pid, [])
        self.process = process
        self.baton: Baton | None = None
        self.by_source = False
        """Whether one process publishes for all jobs, none of which runs, instead of each for itself."""
        self._environment = environment
        self._cores = cores
        self._owners: dict[str, str] = {}
        self._numbers: dict[str, int] = {}

    def request(self, topic: str, after: str | None = None) -> bytes:
        resumed = f"last-event-id: {after}\r\n" if after else ""
        return (
            f"GET /api/jobs/{topic}/events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n"
            f"x-session-id: {self._owners[topic]}\r\n{resumed}\r\n"
        ).encode()

    def publish(self, topic: str) -> None:
        assert self.baton is not None
        if self.by_source:
            self.baton.tell(0, f"{topic}\n".encode())
        else:
            self.baton.tell(self._numbers[topic])

    def submit(self, publishing: Publishing) -> None:
        """Have the jobs made, in the manner of any client. Raises `NotHere`."""
        try:
            asyncio.run(self._submit(publishing))
        except (OSError, EOFError) as error:
            raise NotHere("the server ended instead of answering") from error
        self._numbers = {topic: number for number, topic in enumerate(self.topics)}

    def restart(self) -> None:
        """Kill the server and start it again, on the same record and port."""
        self.process.kill()
        self.process.wait()
        self.process = started(_COMMAND, self._cores.server, self._environment)
        self.pid = self.process.pid

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    async def _submit(self, publishing: Publishing) -> None:
        connection = await Connection.open(self.port)
        made: list[str] = []
        session = ""
        for first in range(0, publishing.topics, _BATCH):
            if first % _OWNED == 0:
                session = secrets.token_urlsafe(24)
            numbers = range(first, min(first + _BATCH, publishing.topics))
            body = json.dumps({"jobs": [self._wanted(number, publishing) for number in numbers]}).encode()
            answer = await connection.ask(post("/api/jobs/batch", body, session))
            if answer.status != 202:
                raise RuntimeError(f"the server answered {answer.status}: {answer.body[:200]!r}")
            ids = [job["jobId"] for job in json.loads(answer.body)["jobs"]]
            self._owners |= dict.fromkeys(ids, session)
            made += ids
        await connection.close()
        self.topics = made

    def _wanted(self, number: int, publishing: Publishing) -> dict[str, Any]:
        if self.baton is None or self.by_source:
            return {"kind": "noop", "data": {}, "options": {"delay": _FAR}}
        data = {"number": number, "baton": self.baton.path, "lanes": publishing.lanes, "pad": publishing.pad}
        return {"kind": KINDS[number % len(KINDS)], "data": data}


class Ours(System):
    """SQLite, `FULL`, as it comes; with Redis, the jobs run in a worker process of their own.

    `by_source`: none of them runs, and what a worker would publish comes from a process that does nothing else.
    """

    def __init__(self, redis: RedisServer | None = None, *, by_source: bool = False) -> None:
        self.name = "ours" if redis is None else "ours with Redis"
        self._redis = redis
        self._by_source = by_source

    @contextmanager
    def serve(self, publishing: Publishing, cores: Cores) -> Generator[Product]:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            environment = {
                "PORT": str(free_port()),
                "DATA_DIR": str(folder),
                "LOG_LEVEL": "error",
                "JOB_MAX_CONCURRENCY": str(_MOST_AT_ONCE),
                "STREAMS_PER_OWNER": str(_STREAMS),
                "REDIS_URL": "" if self._redis is None else f"redis://127.0.0.1:{self._redis.port}/0",
            }
            served = Product(started(_COMMAND, cores.server, environment), environment, cores)
            stack.callback(served.end)
            wait_for(served.process, served.port)
            if publishing.lanes:
                served.baton = Baton(folder)
                served.by_source = self._by_source
                stack.callback(served.baton.close)
                if self._redis is not None:
                    stack.callback(self._redis.command, "FLUSHALL", "SYNC")
                    command = [*_SOURCE, served.baton.path] if self._by_source else [*_COMMAND[:-1], "worker"]
                    publisher = stack.enter_context(program(command, cores.others, environment))
                    served.helpers = [publisher.pid, self._redis.command("INFO", "server")["process_id"]]
            served.submit(publishing)
            if served.baton is not None:
                served.baton.wait_for(1 if self._by_source else publishing.topics)
            yield served


_COMMAND: Final = (sys.executable, "-m", "bench.sse_ours", "server")
_SOURCE: Final = (sys.executable, "-m", "bench.sse_source")
