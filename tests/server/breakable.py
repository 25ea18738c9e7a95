"""Parts that can be away, or hang."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from snapasset.database import Database, Read, Write
from snapasset.errors import DatabaseUnavailable, StorageQuotaExceeded, StorageUnavailable
from snapasset.storage.local import LocalStorage

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


class Breakable(Database):
    """A database that is `away`, or whose reads hang while it `hangs`, or raise its `error`; `slow` questions hang as well."""

    def __init__(self, real: Database) -> None:
        super().__init__()
        self.name = real.name
        self.away = self.hangs = False
        self.slow: tuple[type[Read[Any]], ...] = ()
        self.error: Exception | None = None
        self.asked: list[type[Read[Any]]] = []
        self.real = real

    @property
    def refuses(self) -> str | None:
        return self.real.refuses

    async def open(self) -> None:
        await self.real.open()

    async def close(self) -> None:
        await self.real.close()

    async def write(self, change: Write[T]) -> T:
        if self.away:
            raise DatabaseUnavailable
        return await self.real.write(change)

    async def read(self, question: Read[T]) -> T:
        self.asked.append(type(question))
        if self.away:
            raise DatabaseUnavailable
        while self.hangs or isinstance(question, self.slow):  # noqa: ASYNC110  a flag reads better in tests than an event
            await asyncio.sleep(0.002)
        if self.error is not None:
            raise self.error
        return await self.real.read(question)


class BreakableStorage(LocalStorage):
    """A storage whose check fails while it is `away`, or `full`, and hangs while it `hangs`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.away = self.full = self.hangs = False

    async def check(self) -> None:
        if self.away:
            raise StorageUnavailable
        if self.full:
            raise StorageQuotaExceeded
        while self.hangs:  # noqa: ASYNC110  a flag reads better in tests than an event
            await asyncio.sleep(0.002)
