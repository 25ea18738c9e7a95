"""A server in a process of its own, and what the system says of its memory."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.load import Connection, get

if TYPE_CHECKING:
    from collections.abc import Generator

_READY_SECONDS = 20.0


class Running(NamedTuple):
    """A server process and its port."""

    pid: int
    port: int


@contextmanager
def server(module: str, *, concurrency: int) -> Generator[Running]:
    """Run `python -m module PORT` with an empty record; `concurrency` jobs of a queue run at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = {**os.environ, "PORT": str(port), "DATA_DIR": folder, "LOG_LEVEL": "error"}
        environment["JOB_MAX_CONCURRENCY"] = str(concurrency)
        process = subprocess.Popen([sys.executable, "-m", module, str(port)], env=environment)
        try:
            _wait_until_it_listens(port)
            yield Running(process.pid, port)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def rss_mb(pid: int) -> float:
    """What the process holds in memory now."""
    return _status_mb(pid, "VmRSS")


def peak_rss_mb(pid: int) -> float:
    """The most that it has held since it began."""
    return _status_mb(pid, "VmHWM")


def _status_mb(pid: int, field: str) -> float:
    status = Path(f"/proc/{pid}/status")
    match = re.search(rf"{field}:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(match[1]) / 1000 if match else float("nan")


def _wait_until_it_listens(port: int) -> None:
    until = time.monotonic() + _READY_SECONDS
    while True:
        try:
            asyncio.run(_probe(port))
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return


async def _probe(port: int) -> None:
    connection = await Connection.open(port)
    await connection.ask(get("/health/live", secrets.token_urlsafe(24)))
    await connection.close()
