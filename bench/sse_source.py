"""`python -m bench.sse_source BATON`: a process that only publishes, through the product's own record and feed over Redis.

What a worker does besides is left out. An event is one change of the record all the same, a step and the job's seq, and is
on the disk before anybody hears of it.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from uvicorn.loops.auto import auto_loop_factory

from snapasset import process
from snapasset.database import Statement, Write
from snapasset.database.choose import existing_database
from snapasset.errors import BadConfiguration
from snapasset.event import UPDATE, tell
from snapasset.feed.redis import RedisFeed
from snapasset.queue.redis_address import RedisAddress
from snapasset.records.events import MissingEvents
from snapasset.records.jobs import COLUMNS, first_job

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from snapasset.database import Database, Steps
    from snapasset.event import Event
    from snapasset.records.events import Missing
    from snapasset.settings import Settings

_STEP: Final = "1-0-0"


@dataclass(frozen=True, slots=True)
class _MoveOn(Write[None]):
    """One event more of a job, whatever its state."""

    job_id: str

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[None]:
        rows = yield Statement(
            f"UPDATE jobs SET step = $2, seq = seq + 1, updated_at = now_ms() WHERE id = $1 RETURNING {COLUMNS}",  # noqa: S608
            (self.job_id, _STEP),
        )
        job = first_job(rows)
        assert job is not None, "the conductor names jobs that it has made"
        yield tell(job, UPDATE, {"state": "done"})


@asynccontextmanager
async def _record(settings: Settings) -> AsyncGenerator[Database]:
    """The record, whose events go out through Redis."""
    address = RedisAddress.from_settings(settings)
    if address is None:
        raise BadConfiguration("This publishes through Redis.")
    async with AsyncExitStack() as stack:
        database = existing_database(settings)
        await database.open()
        stack.push_async_callback(database.close)

        async def look_up(missing: Sequence[Missing]) -> list[Event]:
            return await database.read(MissingEvents(missing))

        feed = RedisFeed(address, database.record_id, look_up)
        await feed.open()
        stack.push_async_callback(feed.close)
        database.listen(feed.publish)
        yield database


async def _publish(settings: Settings, baton: str) -> None:
    """Publish an event of the job that each line names, until there are no more lines."""
    async with process.opened(_record(settings), process.told_to_stop()) as database:
        assert database is not None
        reader, writer = await asyncio.open_unix_connection(baton)
        writer.write(b"0\n")
        under_way: set[asyncio.Task[None]] = set()
        while line := await reader.readline():
            change = asyncio.create_task(database.write(_MoveOn(line.decode().strip())))
            under_way.add(change)
            change.add_done_callback(under_way.discard)
        await asyncio.gather(*under_way)
        writer.close()


if __name__ == "__main__":
    sys.exit(process.run(lambda settings: _publish(settings, sys.argv[1]), auto_loop_factory()))
