"""Large pieces of a PostgreSQL record, on connections of their own: behind them nobody waits for a small answer.

A picture of 32 MiB takes minutes over a slow line. The writer takes what is small in a moment, all processes' feeds wait for
its transactions, and a job's row must not stay locked. So the bytes of a change go before it, in a transaction that holds
nothing but them, and that has no number at the server until they have all arrived; the change itself follows in its turn.
Should nobody come back for it, the bytes belong to nobody, and the clean-up finds them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from snapasset.database import BULK, postgres_connection
from snapasset.database.postgres_connection import FAILURES, named
from snapasset.database.postgres_line import Line
from snapasset.database.postgres_transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from snapasset.database import Ahead, Write

SMALL: Final = 64 * 1024
"""So many bytes are written with what they belong to."""

SLOWEST: Final = 128 * 1024
"""Bytes a second: over a line that is slower, or that is shared by more, the largest pictures do not get through."""


def seconds_for(size: int) -> float:
    """How long the answer to so many bytes, or with so many, is waited for."""
    return postgres_connection.STATEMENT_SECONDS + size / SLOWEST


def line_for_bulk(url: str) -> Line:
    """A connection for questions whose answers are large."""
    return Line(url, seconds=seconds_for(BULK))


class LargeWrites:
    """Sends what is large of changes, one after the other, and hands on the rest of each to the writer."""

    def __init__(
        self,
        url: str,
        settings: Callable[[], Mapping[str, str]],
        hand_on: Callable[[Write[Any], asyncio.Future[Any]], None],
    ) -> None:
        self._url = url
        self._settings = settings
        self._hand_on = hand_on
        self._one_by_one = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()

    def take(self, change: Write[Any], answer: asyncio.Future[Any]) -> bool:
        """See to a change, if it is large; else return False."""
        parts = change.ahead()
        if parts is None or parts.size < SMALL:
            return False
        task = asyncio.create_task(self._carry_out(parts, answer), name="record-large-write")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True

    async def finish(self) -> None:
        """Return when all that was taken has been sent and handed on."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _carry_out(self, parts: Ahead[Any], answer: asyncio.Future[Any]) -> None:
        async with self._one_by_one:
            if answer.cancelled():
                return
            try:
                await self._send(parts)
            except Exception as error:  # noqa: BLE001  whatever it is belongs to the caller
                if not answer.done():
                    answer.set_exception(error)
                return
        self._hand_on(parts.rest, answer)

    async def _send(self, parts: Ahead[Any]) -> None:
        """In one transaction. Raises `DatabaseUnavailable`, or a bug's error."""
        line = Line(self._url, seconds=seconds_for(parts.size))
        try:
            driver = await line.begin("READ COMMITTED", self._settings())
            for large in parts.large:
                await Transaction(line.texts, {}).run([large])
            await line.end(driver, "COMMIT")
        except FAILURES as error:
            raise named(error, lost=True) from error
        finally:
            line.drop()  # also one that is in the middle of it: the server undoes that
