"""A real pgbouncer in transaction mode before a server of the tests: each transaction may get another server connection.

The program is what is on the PATH, else Debian's when root. It refuses to run as root: then it runs as the server does.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.servers.free_port import free_port
from tests.servers.postgres import PASSWORD, START_SECONDS, aside, whom_to_be
from tests.servers.used import SAID
from tests.servers.wheels import NoServer, call, only_one

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.servers.postgres import PostgresServer

NAME = "pgbouncer"
SERVER_CONNECTIONS = 3
"""Fewer than the clients have, so that they share; taken in turns."""


def on_path() -> Path:
    # Debian has it where only root's PATH leads.
    if found := shutil.which(NAME) or shutil.which(NAME, path="/usr/sbin"):
        return Path(found)
    raise NoServer(f"{NAME} is not on the PATH")


def from_debian() -> Path:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoServer("not root on Debian")
    with only_one():
        if not shutil.which(NAME):
            # Run level 1: the package's own service is not started.
            quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
            call(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", NAME], quiet)
    return on_path()


@cache
def program() -> Path:
    """The program that this run uses; a test that needs it is skipped, with the reason, where there is none."""
    tried: list[str] = []
    for way in (on_path, from_debian):
        try:
            found = way()
        except NoServer as reason:
            tried.append(str(reason))
            continue
        version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[
            0
        ]
        SAID.add(f"pgbouncer: {found}, {version}")
        return found
    pytest.skip(f"no {NAME}: {'; '.join(tried)}")


@contextmanager
def pooled(server: PostgresServer, name: str) -> Generator[str]:
    """The address of the database `name` through a pgbouncer that lives as long as the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="snapasset-pgbouncer-"))
    port = free_port()
    settings = folder / "ini"
    settings.write_text(
        f"[databases]\n* = host={server.folder} port={server.port} user=snapasset\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n"
        f"pool_mode = transaction\ndefault_pool_size = {SERVER_CONNECTIONS}\nserver_round_robin = 1\n"
        f"server_reset_query =\n"
    )
    folder.chmod(0o755)
    settings.chmod(0o644)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program(), str(settings)], stdout=log, stderr=log, user=whom_to_be())
    try:
        url = f"postgresql://snapasset:{PASSWORD}@127.0.0.1:{port}/{name}"
        try:
            aside(_answers(url))
        except TimeoutError:
            raise AssertionError((folder / "log").read_text("utf-8")[-2000:]) from None
        yield url
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


async def _answers(url: str) -> None:
    async with asyncio.timeout(START_SECONDS):
        while True:
            try:
                connection = await asyncpg.connect(url, timeout=5)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.02)
            else:
                await connection.close()
                return
