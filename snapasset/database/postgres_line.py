"""One connection of a PostgreSQL record, from transaction to transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.database.postgres_connection import FAILURES, begin, connect
from snapasset.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.database.postgres_connection import Driver


class Line:
    """One connection that is made when it is needed and made anew when it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._driver: Driver | None = None

    async def begin(self, mode: str, settings: Mapping[str, str]) -> Driver:
        """A connection in a fresh transaction. Raises the driver's errors."""
        driver = self._driver
        if driver is not None and not driver.is_closed():
            try:
                await begin(driver, mode, settings)
            except FAILURES:
                self.drop()  # it has been idle, and was closed at the other end: nothing is lost by another try
            else:
                return driver
        self._driver = driver = await connect(self._url)
        await begin(driver, mode, settings)
        return driver

    async def end(self, driver: Driver, word: str) -> None:
        """COMMIT or ROLLBACK. Raises the driver's errors."""
        said = await driver.execute(word)
        if said != word:
            raise DatabaseUnavailable("The database took the change back.")

    async def roll_back(self, driver: Driver) -> bool:
        """End a transaction without a trace; whether the connection had been lost."""
        if not driver.is_closed():
            try:
                await self.end(driver, "ROLLBACK")
            except FAILURES:
                self.drop()
        lost = driver.is_closed()
        if lost:
            self.drop()
        return lost

    def drop(self) -> None:
        if self._driver is not None:
            self._driver.terminate()
            self._driver = None

    async def close(self) -> None:
        if self._driver is not None:
            try:
                await self._driver.close(timeout=1)
            except FAILURES:
                self.drop()
