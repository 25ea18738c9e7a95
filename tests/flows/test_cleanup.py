"""A cleanup asked for over HTTP, at the real service: its report says what went, and it is gone."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.flows.person import Person
from tests.flows.process import hosting, launch
from tests.flows.waiting import PATIENCE, awaited

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx

    from tests.flows.process import Host

pytestmark = pytest.mark.timeout(60)

ADMIN = "an admin's token of thirty-two characters or more"
MARK = ".snapasset-record"
NOTHING: dict[str, Any] = {
    "files": 0, "bytes": 0, "generations": 0, "orphans": 0, "missing": 0, "lostMasters": 0, "leftovers": 0,
    "jobs": 0, "alreadyGone": 0, "failures": 0, "failed": [],
}  # fmt: skip


def stray(data_dir: Path, name: str, content: bytes) -> Path:
    """A file of the storage that was last written to two days ago."""
    path = data_dir / "files" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    then = time.time() - 2 * 86_400
    os.utime(path, (then, then))
    return path


def rows(data_dir: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(data_dir / "snapasset.db")) as connection:
        found = connection.execute(sql).fetchall()
        connection.commit()
        return found


async def cleaned(person: Person, **asked: Any) -> dict[str, Any]:
    """The report of a cleanup that has completed."""
    job_id = await person.submit("file-cleanup", asked)
    return (await person.has(job_id, "completed"))["result"]


async def test_a_cleanup_reports_what_has_gone(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start(admin_token=ADMIN)
    session, admin = Person(http, server), Person(http, server)
    admin.headers = {"authorization": f"Bearer {ADMIN}"}
    picture = {"prompt": "mountains at dusk", "platforms": ["linkedin-cover"]}
    kept, lost = [await session.submit("image-generation", picture) for _ in range(2)]
    generations = [(await session.has(job_id, "completed"))["generationId"] for job_id in (kept, lost)]
    rows(server.data_dir, f"UPDATE generations SET outcome = 'failed', ended_at = 1 WHERE id = '{generations[1]}'")
    sizes = [
        size for (size,) in rows(server.data_dir, f"SELECT size FROM files WHERE generation_id = '{generations[1]}'")
    ]
    orphan = stray(server.data_dir, "generations/nobodys/picture.png", b"an orphan")
    half = stray(server.data_dir, "generations/nobodys/.picture.png.0a1b2c3d.part", b"half a pic")

    assert await cleaned(session, type="temp-files") == {
        "type": "temp-files", "dryRun": False, "olderThanDays": None, **NOTHING
    }  # fmt: skip
    assert orphan.exists()
    expected: dict[str, Any] = {
        **NOTHING, "type": "all", "olderThanDays": None, "files": 1 + len(sizes), "bytes": 9 + sum(sizes),
        "generations": 1, "orphans": 1, "leftovers": 1,
    }  # fmt: skip
    assert await cleaned(admin, type="all", dryRun=True) == {**expected, "dryRun": True}
    assert orphan.exists()
    assert half.exists()
    assert await cleaned(admin, type="all") == {**expected, "dryRun": False}
    assert not orphan.parent.exists()
    assert not (server.data_dir / "files" / "generations" / generations[1]).exists()
    assert rows(server.data_dir, "SELECT id FROM generations") == [(generations[0],)]
    stored = {str(path.relative_to(server.data_dir / "files")) for path in _files(server.data_dir)} - {MARK}
    assert stored == {key for (key,) in rows(server.data_dir, "SELECT key FROM files")}
    assert await cleaned(admin, type="all", olderThanDays=0) == {
        **NOTHING, "type": "all", "dryRun": False, "olderThanDays": 0
    }  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Host]:
    """One server that is only asked for what it refuses."""
    with hosting(tmp_path_factory.mktemp("shared")) as host:
        host.start()
        yield host


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"type": "all", "olderThanDays": -1}, "olderThanDays"),
        ({"type": "all", "olderThanDays": -0.001}, "olderThanDays"),
        ({"type": "all", "olderThanDays": "7"}, "olderThanDays"),
        ({"type": "all", "olderThanDays": True}, "olderThanDays"),
        ({"type": "everything"}, "type"),
        ({}, "type"),
        ({"type": "all", "dryRun": 1}, "dryRun"),
        ({"type": "all", "older_than_days": 1}, "older_than_days"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    shared: Host, http: httpx.AsyncClient, body: dict[str, Any], field: str
) -> None:
    answer = await Person(http, shared.servers[0]).ask("POST", "/api/jobs/file-cleanup", json=body)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_the_daily_cleanup_fires_by_itself_and_is_no_session_s(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start(cleanup_cron="* * * * *")
    ((schedule, owner, cron),) = rows(server.data_dir, "SELECT id, owner, cron FROM schedules")
    assert (schedule, owner, cron) == ("system:file-cleanup:daily", "system", "* * * * *")
    orphan = stray(server.data_dir, "generations/nobodys/picture.png", b"an orphan")
    rows(server.data_dir, "UPDATE schedules SET next_run = 1")

    async def gone() -> bool:
        return not orphan.exists()

    await awaited(gone, "the schedule has fired and its job has removed the orphan")
    assert await Person(http, server).jobs() == []
    server.terminate()
    assert server.wait() == 0
    again = host.start(cleanup_cron="off")
    assert rows(again.data_dir, "SELECT id FROM schedules") == []


async def test_a_storage_that_is_not_mounted_costs_no_picture(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start(admin_token=ADMIN, retry_base_seconds=0)
    admin = Person(http, server)
    admin.headers = {"authorization": f"Bearer {ADMIN}"}
    made = await admin.submit("image-generation", {"prompt": "a lake", "platforms": ["linkedin-cover"]})
    await admin.has(made, "completed")
    files, away = server.data_dir / "files", server.data_dir / "away"
    recorded = rows(server.data_dir, "SELECT key FROM files")
    files.rename(away)
    files.mkdir()
    for _ in range(2):
        health = (await admin.ask("GET", "/health")).json()
        assert (health["status"], health["services"]["storage"]["status"]) == ("degraded", "down")
        assert (await admin.ask("GET", "/health/ready")).status_code == 200
        cleanup = await admin.submit("file-cleanup", {"type": "all", "olderThanDays": 0})
        assert (await admin.has(cleanup, "failed"))["error"]["code"] == "storage_unavailable"
    assert list(files.iterdir()) == []
    server.terminate()
    assert server.wait() == 0
    log = server.data_dir / "refused.log"
    assert launch(log, data_dir=server.data_dir).wait(PATIENCE) == 1
    assert "is the volume mounted" in log.read_text()
    assert list(files.iterdir()) == []
    files.rmdir()
    away.rename(files)
    host.start()
    assert rows(server.data_dir, "SELECT key FROM files") == recorded
    assert all((files / key).is_file() for (key,) in recorded)


async def test_a_removal_that_was_begun_is_finished_without_any_cleanup(host: Host, http: httpx.AsyncClient) -> None:
    server = host.start(cleanup_cron="off")
    person = Person(http, server)
    made = await person.submit("image-generation", {"prompt": "a lake", "platforms": ["linkedin-cover"]})
    await person.has(made, "completed")
    server.terminate()
    assert server.wait() == 0
    rows(server.data_dir, "UPDATE generations SET condemned_at = 1")
    again = host.start(cleanup_cron="off")

    async def gone() -> bool:
        return rows(again.data_dir, "SELECT id FROM generations") == []

    await awaited(gone, "the removal is finished")
    assert [path.name for path in _files(again.data_dir)] == [MARK]


def _files(data_dir: Path) -> list[Path]:
    return [path for path in (data_dir / "files").rglob("*") if path.is_file()]
