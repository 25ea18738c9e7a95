"""A process of the tests: it says `ready`, waits for a line, opens a record and says the record's id."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from snapasset.database.sqlite import SqliteDatabase


async def main() -> None:
    database = SqliteDatabase(Path(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    await database.open()
    print(database.record_id, flush=True)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main())
