"""Writers that are killed in mid-write, again and again: the file stays whole, and what was acknowledged stays in it."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contracts.record_backends import Look, SqliteRecord

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUNDS = int(os.environ.get("SNAPASSET_TEST_KILLS", "20")) // 2
"""Each round kills two writers that share the file."""

WRITER = Path(__file__).with_name("record_writer.py")


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[SqliteRecord]:
    opened = SqliteRecord(tmp_path)
    yield opened
    await opened.close()


async def write_and_die(path: Path | str, lines: int) -> list[tuple[str, int, str]]:
    """Run a writer until it has said so many lines, and kill it. Returns all that it said."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, str(WRITER), str(path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    said = [await writer.stdout.readline() for _ in range(lines)]
    writer.kill()
    said += (await writer.stdout.read()).splitlines(keepends=True)
    assert await writer.wait() == -9
    whole = [line.decode().split() for line in said if line.endswith(b"\n")]
    return [(job_id, int(seq), status) for job_id, seq, status in whole]


@pytest.mark.timeout(60 + 5 * ROUNDS)
async def test_every_acknowledged_change_outlives_its_writer(record: SqliteRecord) -> None:
    await (await record.open()).close()
    chance = random.Random(20)
    acknowledged: dict[str, tuple[int, str]] = {}
    for _ in range(ROUNDS):
        said = await asyncio.gather(*(write_and_die(record.path, chance.randrange(1, 300)) for _ in range(2)))
        for job_id, seq, status in (line for lines in said for line in lines):
            acknowledged[job_id] = max(acknowledged.get(job_id, (0, "")), (seq, status))
        database = await record.open()
        assert await database.read(Look("PRAGMA integrity_check")) == [("ok",)]
        rows = await database.read(Look("SELECT id, seq, status FROM jobs"))
        there = {job_id: (seq, status) for job_id, seq, status in rows}
        assert all(there[job_id][0] >= seq for job_id, (seq, _) in acknowledged.items())
        assert all(there[job_id] == last for job_id, last in acknowledged.items() if last[1] == "completed")
        torn = Look(
            "SELECT id FROM jobs LEFT JOIN (SELECT job_id, count(*) AS events, min(seq) AS first, max(seq) AS last "
            "FROM job_events GROUP BY job_id) ON job_id = id WHERE events IS NOT seq OR first <> 1 OR last <> seq"
        )
        assert await database.read(torn) == []
        await database.close()
    assert len(acknowledged) > ROUNDS
