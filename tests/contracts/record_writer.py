"""A process of the tests: it writes to a record as fast as it can, says what was acknowledged, and waits to be killed.

A line of what it says is a job's id, its seq and its status, as a change has just answered them.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from snapasset.database.postgres import PostgresDatabase
from snapasset.database.sqlite import SqliteDatabase
from snapasset.job import new_id
from snapasset.records.claims import Claim
from snapasset.records.endings import Complete
from snapasset.records.submission import Submit

if TYPE_CHECKING:
    from snapasset.database import Database
    from snapasset.job import Job


def say(job: Job | None) -> None:
    if job is not None:
        os.write(1, f"{job.id} {job.seq} {job.status}\n".encode())


async def write_on(database: Database) -> None:
    while True:
        say(await database.write(Submit(new_id(), "draw", "pictures", "anna", '"' + "x" * 300 + '"', 0, 3)))
        job = await database.write(Claim("pictures", ("draw",), "writer"))
        say(job)
        if job is not None:
            say(await database.write(Complete(job.id, job.fence, "{}")))


async def main() -> None:
    where = sys.argv[1]
    database = PostgresDatabase(where) if where.startswith("postgresql:") else SqliteDatabase(Path(where))
    await database.open()
    await asyncio.gather(*(write_on(database) for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(main())
