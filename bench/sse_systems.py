"""What the measurements of streams know of a server, whichever it is: where it listens, how to follow and to publish.

A server runs on a core of its own. What it uses (time, memory, calls that write) is read from the system.
"""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bench.peers import NotHere
from bench.process import rss_mb

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from contextlib import AbstractContextManager

READY_SECONDS: Final = 20.0
_FULL: Final = 0.9
_DISTURBED: Final = 0.1
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_USER_AND_SYSTEM: Final = slice(11, 13)
"""Where /proc/PID/stat has the ticks of processor time, counted from behind the program's name."""


class Cores(NamedTuple):
    """Where programs run: the server alone on one, the client on another, what helps the server on whatever is left.

    Where nothing is left, helpers share the client's: a server that waits for its own core would be measured by that.
    """

    server: frozenset[int]
    client: frozenset[int]
    others: frozenset[int]

    @classmethod
    def here(cls) -> Cores:
        """Raises `NotHere` where there are not two."""
        ours = sorted(os.sched_getaffinity(0))
        if len(ours) < 2:
            raise NotHere("the server and the client need a core each")
        return cls(frozenset(ours[:1]), frozenset(ours[1:2]), frozenset(ours[2:] or ours[1:]))


class Usage(NamedTuple):
    """Until now: processor seconds of the server, of this process, of what helps the server; of the cores; writing calls.

    What helpers that belong on the client's core use is not counted to that core.
    """

    at: float
    server: float
    client: float
    helpers: float
    server_core: float
    client_core: float
    writes: float

    def since(self, before: Usage) -> Usage:
        return Usage(*(now - then for now, then in zip(self, before, strict=True)))

    def busy(self, done: float = 0) -> str:
        """The share of their cores, of a difference; what else may have held the server up; what it did in a second."""
        server, client = self.server / self.at, self.client / self.at
        words = [f"server {server:.0%}", f"client {client:.0%}"]
        if done and self.server:
            words[0] += f" ({done / self.server:,.0f} a processor second)"
        if client > _FULL > server:
            words.append("which is the limit")
        if self.helpers:
            words.append(f"who publishes and Redis {self.helpers / self.at:.0%}")
        for name, others in (
            ("server's", (self.server_core - self.server) / self.at),
            ("client's", (self.client_core - self.client) / self.at),
        ):
            if others > _DISTURBED:
                words.append(f"other work on the {name} core {others:.0%}")
        return ", ".join(words)


class Served(ABC):
    """One server that runs, and its topics. A publisher is told to publish; when it does is the server's own matter."""

    greeting: bytes = b'"type":"connected"'
    """What the first frame holds: by that a reader knows that it is followed."""

    def __init__(self, port: int, pid: int, topics: Sequence[str]) -> None:
        self.port = port
        self.pid = pid
        self.topics = topics
        self.helpers: list[int] = []
        """Processes beside the server that take part."""
        self._their_cores = min(os.sched_getaffinity(pid)), min(os.sched_getaffinity(0))

    @abstractmethod
    def request(self, topic: str, after: str | None = None) -> bytes:
        """The bytes of a request to follow a topic; `after`: the last id that was seen."""

    @abstractmethod
    def publish(self, topic: str) -> None:
        """Tell the publisher of a topic to publish one event; returns at once."""

    def usage(self) -> Usage:
        calls = re.search(r"syscw: (\d+)", Path(f"/proc/{self.pid}/io").read_text())
        server, client = self._their_cores
        helpers = {pid: _seconds(pid) for pid in self.helpers}
        beside = sum(seconds for pid, seconds in helpers.items() if os.sched_getaffinity(pid) == {client})
        return Usage(
            at=time.monotonic(),
            server=_seconds(self.pid),
            client=time.process_time(),
            helpers=sum(helpers.values()),
            server_core=_core_seconds(server),
            client_core=_core_seconds(client) - beside,
            writes=int(calls[1]) if calls else 0,
        )

    def rss_kb(self) -> float:
        return rss_mb(self.pid) * 1000


def _seconds(pid: int) -> float:
    """Processor seconds of a process."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, stat[_USER_AND_SYSTEM])) / _TICKS


def _core_seconds(core: int) -> float:
    """Seconds in which a core did something, whoever it was for."""
    row = re.search(rf"^cpu{core} (.*)$", Path("/proc/stat").read_text(), re.MULTILINE)
    user, nice, system, _idle, _waiting, *rest = map(int, row[1].split()) if row else (0,) * 8
    return (user + nice + system + sum(rest[:3])) / _TICKS


class Publishing(NamedTuple):
    """What is to be had: so many topics, each with a publisher that has so many events under way at once, so long each.

    Without `lanes` there are the topics, and nothing is ever published.
    """

    topics: int
    lanes: int = 0
    pad: int = 0


class System(ABC):
    """A way to serve streams. Every server that it starts is new and empty."""

    name: str

    @abstractmethod
    def serve(self, publishing: Publishing, cores: Cores) -> AbstractContextManager[Served]:
        """A server, its topics and their publishers, ready. Raises `NotHere`."""


def event_body(topic: str, seq: int, pad: int) -> str:
    """The JSON of an event, as long as one of ours of that kind."""
    told: dict[str, Any] = {
        "type": "update",
        "jobId": topic,
        "seq": seq,
        "run": 1,
        "attempt": 1,
        "status": "active",
        "step": f"1-0-{seq}",
        "progress": 0.0,
        "at": "2000-01-01T00:00:00.000Z",
        "state": "done",
    }
    return json.dumps(told | ({"pad": "x" * pad} if pad else {}), separators=(",", ":"))


@contextmanager
def program(
    command: Sequence[str], cores: frozenset[int], environment: Mapping[str, str], *, gently: bool = False
) -> Generator[subprocess.Popen[bytes]]:
    """A program on these cores as long as the block runs; with all the open files that it may have.

    It is killed, as nothing of it is to be kept, or told to end where it would leave children behind.
    """
    process = started(command, cores, environment)
    try:
        yield process
    finally:
        if gently:
            process.terminate()
        else:
            process.kill()
        process.wait(READY_SECONDS)


def started(command: Sequence[str], cores: frozenset[int], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program; it has its cores before its first instruction, as a child has those of its parent."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        return subprocess.Popen(command, env={**os.environ, **environment})
    finally:
        os.sched_setaffinity(0, mine)


def wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    """Return when somebody listens there. Raises `NotHere`."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotHere("the server does not listen") from error
            time.sleep(0.02)
        else:
            return


def raise_open_files() -> int:
    """Allow this process, and those that it starts, as many open files as may be had; says how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
