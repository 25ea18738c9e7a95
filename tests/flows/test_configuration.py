"""A configuration that cannot be used ends the start with one sentence: it names the variable, and never its value."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.fakes.supabase import KEY
from tests.flows.process import ROOT, SERVE, WORK, command, environment
from tests.flows.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)

UNUSABLE: Final = 2
BROKEN: Final = 1


class Case(NamedTuple):
    """Settings that cannot be used; what the sentence must name; what it must not show; the exit status; what is started."""

    settings: dict[str, object]
    named: tuple[str, ...]
    secret: str = "\0"
    status: int = UNUSABLE
    module: str = SERVE


SETTINGS: Final = {
    "open to all": Case({"host": "0.0.0.0"}, ("HOST", "ALLOW_ANONYMOUS")),
    "no address": Case({"host": "not an address", "allow_anonymous": 1}, ("HOST",), "not an address"),
    "another's address": Case({"host": "203.0.113.77", "allow_anonymous": 1}, ("HOST",), "203.0.113.77"),
    "no number": Case({"port": "eighty-eighty"}, ("PORT",), "eighty-eighty"),
    "no port": Case({"port": 70_123}, ("PORT",), "70123"),
    "no such mode": Case({"sqlite_synchronous": "sometimes"}, ("SQLITE_SYNCHRONOUS",), "sometimes"),
    "another database": Case({"database_url": "mysql://me:hunter2@db/record"}, ("DATABASE_URL",), "hunter2"),
    "no jobs": Case({"job_max_concurrency": -7331}, ("JOB_MAX_CONCURRENCY",), "7331"),
    "impatient": Case({"lease_seconds": 4.321}, ("LEASE_SECONDS", "BEAT_SECONDS"), "4.321"),
    "weak secret": Case({"signing_secret": "hunter2-hunter2"}, ("SIGNING_SECRET",), "hunter2"),
    "no such time": Case({"cleanup_cron": "at-tea-time"}, ("CLEANUP_CRON",), "at-tea-time"),
    "a day that never comes": Case({"cleanup_cron": "0 2 30 2 *"}, ("CLEANUP_CRON",), "30 2"),
    "no such zone": Case({"cleanup_zone": "Atlantis/Poseidonis"}, ("CLEANUP_ZONE",), "Atlantis"),
    "half a storage": Case(
        {"supabase_url": "https://hunter2.supabase.co"}, ("SUPABASE_URL", "SUPABASE_SERVICE_KEY"), "hunter2"
    ),
    "the other half": Case(
        {"supabase_service_key": "sb_secret_hunter2"}, ("SUPABASE_URL", "SUPABASE_SERVICE_KEY"), "hunter2"
    ),
    "no project": Case(
        {"supabase_url": "hunter2.supabase.co", "supabase_service_key": KEY}, ("SUPABASE_URL",), "hunter2"
    ),
    "no bucket": Case(
        {"supabase_url": "https://a.supabase.co", "supabase_service_key": KEY, "supabase_bucket": "Hunter 2"},
        ("SUPABASE_BUCKET",),
        "Hunter 2",
    ),
    "no provider's address": Case({"openai_base_url": "http://[::x"}, ("OPENAI_BASE_URL",), "::x"),
    "no provider": Case({"openai_base_url": "http://"}, ("OPENAI_BASE_URL",)),
    "a provider's password": Case(
        {"openai_base_url": "http://me:hunter2@127.0.0.1/v1"}, ("OPENAI_BASE_URL", "OPENAI_API_KEY"), "hunter2"
    ),
    "a worker's provider": Case({"openai_base_url": "http://[::x"}, ("OPENAI_BASE_URL",), "::x", module=WORK),
    "two at once": Case({"port": "a-bad-port", "log_level": "shouting"}, ("PORT", "LOG_LEVEL"), "shouting"),
}


def a_file(folder: Path) -> Case:
    (folder / "notes.txt").write_text("not a folder")
    return Case({"data_dir": folder / "notes.txt"}, ("DATA_DIR",), "notes.txt")


def below_a_file(folder: Path) -> Case:
    (folder / "notes.txt").write_text("not a folder")
    return Case({"data_dir": folder / "notes.txt" / "data"}, ("DATA_DIR",), "notes.txt")


def not_to_be_written(_folder: Path) -> Case:
    return Case({"data_dir": "/proc"}, ("DATA_DIR",), "/proc")  # where not even root may make a file


def no_database(folder: Path) -> Case:
    (folder / "snapasset.db").write_bytes(b"These are my holiday notes. " * 1000)
    return Case({"data_dir": folder}, ("snapasset.db",), str(folder), BROKEN)


def a_folder_in_its_place(folder: Path) -> Case:
    (folder / "snapasset.db").mkdir()
    return Case({"data_dir": folder}, ("snapasset.db",), str(folder), BROKEN)


def a_server_that_is_not_there(folder: Path) -> Case:
    url = "postgresql://me:hunter2@127.0.0.1:1/record"
    return Case({"data_dir": folder, "database_url": url}, ("DATABASE_URL",), "hunter2", BROKEN)


def a_host_that_nobody_knows(folder: Path) -> Case:
    url = "postgresql://me:hunter2@db.invalid/record"
    return Case({"data_dir": folder, "database_url": url}, ("DATABASE_URL",), "hunter2", BROKEN)


def a_newer_schema(folder: Path) -> Case:
    with closing(sqlite3.connect(folder / "snapasset.db")) as connection:
        connection.execute(
            "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, min_compatible INTEGER NOT NULL)"
        )
        connection.execute("INSERT INTO migrations VALUES (4711, 'from the future', 4711)")
        connection.commit()
    return Case({"data_dir": folder}, ("newer program",), str(folder))


def no_key(folder: Path) -> Case:
    settings = {"supabase_url": "https://a.supabase.co", "supabase_service_key": "hunter2"}
    return Case({"data_dir": folder, **settings}, ("SUPABASE_SERVICE_KEY",), "hunter2")


def no_project(folder: Path) -> Case:
    settings = {"supabase_url": "https://hunter 2.supabase.co", "supabase_service_key": KEY}
    return Case({"data_dir": folder, **settings}, ("SUPABASE_URL",), "hunter")


def a_taken_port(_folder: Path) -> Case:
    taken = socket.create_server(("127.0.0.1", 0))
    _HELD.append(taken)
    return Case({"port": taken.getsockname()[1]}, ("PORT",), str(taken.getsockname()[1]))


_HELD: Final[list[socket.socket]] = []

FOLDERS: Final = {
    made.__name__: made
    for made in (
        a_file, below_a_file, not_to_be_written, no_database, a_folder_in_its_place, a_newer_schema, a_taken_port,
        a_server_that_is_not_there, a_host_that_nobody_knows, no_key, no_project,
    )
}  # fmt: skip

Starts = dict[str, tuple[Case, "Future[subprocess.CompletedProcess[str]]"]]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Generator[Starts]:
    """Every start there is, two at a time."""

    def start(case: Case) -> subprocess.CompletedProcess[str]:
        settings = {"data_dir": tmp_path_factory.getbasetemp() / "never-made", **case.settings}
        return subprocess.run(
            command(case.module),
            cwd=ROOT,
            env=environment(**settings),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    cases: dict[str, Case] = dict(SETTINGS)
    for name, make in FOLDERS.items():
        cases[name] = make(tmp_path_factory.mktemp(name))
    with ThreadPoolExecutor(2) as pool:
        yield {name: (case, pool.submit(start, case)) for name, case in cases.items()}
    while _HELD:
        _HELD.pop().close()


@pytest.mark.parametrize("name", [*SETTINGS, *FOLDERS])
def test_it_names_the_variable_and_not_its_value(starts: Starts, name: str) -> None:
    case, future = starts[name]
    done = future.result(PATIENCE)
    said = done.stderr
    assert done.returncode == case.status, said
    assert said.startswith("snapasset: ")
    assert said.count("\n") == 1, "more than a sentence"
    assert all(word in said for word in case.named), said
    assert case.secret not in said
    assert done.stdout == ""


def test_a_bad_start_leaves_nothing_behind(starts: Starts, tmp_path_factory: pytest.TempPathFactory) -> None:
    for _, future in starts.values():
        future.result(PATIENCE)
    assert not (tmp_path_factory.getbasetemp() / "never-made").exists()
