"""One connection of a PostgreSQL record, from transaction to transaction, and what it knows of the statements it has sent."""

from __future__ import annotations

import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from snapasset.database.postgres_connection import FAILURES, begin, connect, is_direct, keep
from snapasset.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeAlias

    from asyncpg import Record
    from asyncpg.prepared_stmt import PreparedStatement

    from snapasset.database.postgres_connection import Driver

    Prepared: TypeAlias = PreparedStatement[Record]

KEPT: Final = 512
"""Most texts that a connection remembers. Claims of 1 to 256 jobs at once are a text each."""

OFTEN: Final = 8
"""How often a text is said before it gets a name at the server."""

PLAN_SECONDS: Final = 1.0
"""How long the server may use a plan: one that was made when a table was empty reads all of it when it is full."""

NAMED: Final = 64
"""Most texts of a connection that get a name: each takes some 50 KB of the server's memory."""


AHEAD_SECONDS: Final = 1.0
"""How long a transaction that was begun ahead may be used: whoever stood still meanwhile asks anew whether the server is there."""


class Texts:
    """Statements in one trip each, though nothing of them stays at the server, but what `fetch_often` says.

    What asyncpg's `fetch` does costs two trips: the first asks which types the parameters and columns have, and is made each
    time when the driver keeps no named statements. Here it is made once for a text and a connection. What is kept of its
    answer is on this side only: an unnamed statement of a connection whose `statement_cache_size` is 0 is sent again with
    every use, text and parameters in one trip, so a pooler may give each trip's transaction to another server connection.
    The server plans each anew, for the parameters and the tables as they are: a plan that was made when a table was empty
    is not used when it is full.
    """

    def __init__(self, driver: Driver, *, may_name: bool = False) -> None:
        """`may_name`: what is prepared on this connection stays there, for the server's end of it is always the same."""
        self._driver = driver
        self._kept: dict[str, Prepared] = {}
        self.may_name = may_name
        self._said: dict[str, int] = {}
        self._named: dict[str, Prepared] = {}
        self._plans_until = 0.0

    async def fetch_often(self, sql: str, *params: object) -> list[Record]:
        """As `fetch`, for what is said for each job and finds its rows by an index, however many there are.

        Where statements may have names, the server plans it no more after a while: half of what it costs. A name is made
        from the text, so whatever is found under it is this text.
        """
        named = self._named.get(sql)
        if named is None and self.may_name and len(self._named) < NAMED:
            said = self._said[sql] = self._said.get(sql, 0) + 1
            if said == OFTEN:
                name = f"snapasset_{blake2b(sql.encode(), digest_size=16).hexdigest()}"
                named = self._named[sql] = await self._driver.prepare(sql, name=name)
        return await (named or await self._known(sql)).fetch(*params)

    def due(self) -> tuple[str, ...]:
        """What to say with the next BEGIN: plans must not grow old."""
        if not self._named or time.monotonic() < self._plans_until:
            return ()
        self._plans_until = time.monotonic() + PLAN_SECONDS
        return ("DISCARD PLANS",)

    def name_nothing(self) -> None:
        """Give no more names, and use none: one was missed, or is somebody else's."""
        self.may_name = False
        self._named.clear()

    async def fetch(self, sql: str, *params: object) -> list[Record]:
        return await (await self._known(sql)).fetch(*params)

    async def fetchmany(self, sql: str, all_params: Sequence[Sequence[object]]) -> list[Record]:
        """The rows of all of them, one after another; in one trip."""
        return await (await self._known(sql)).fetchmany(all_params)

    async def executemany(self, sql: str, all_params: Sequence[Sequence[object]]) -> None:
        await (await self._known(sql)).executemany(all_params)

    async def parameter_types(self, sql: str) -> list[str]:
        return [one.name for one in (await self._known(sql)).get_parameters()]

    async def _known(self, sql: str) -> Prepared:
        known = self._kept.get(sql)
        if known is None:
            known = await self._driver.prepare(sql, name="")
            if len(self._kept) == KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[sql] = known
        return known


class Line:
    """One connection that is made when it is needed and made anew when it was lost."""

    def __init__(self, url: str, *, may_name: bool = False, seconds: float | None = None) -> None:
        """`may_name`: whether statements may be kept at the server, where no pooler is in between.

        `seconds`: how long answers are waited for, there as here, if not as usual.
        """
        self._url = url
        self._seconds = seconds
        self._may_name = may_name
        self._driver: Driver | None = None
        self._texts: Texts | None = None
        self._kept: Mapping[str, str] = {}
        """The settings that the connection has between transactions."""
        self._ahead: Mapping[str, str] | None = None
        self._ahead_until = 0.0

    async def begin(self, mode: str, settings: Mapping[str, str]) -> Driver:
        """A connection in a fresh transaction. Raises the driver's errors."""
        if self._seconds is not None:
            # While much is on its way, the server may take the statement for a slow one, or the client for idle.
            limit = str(round(self._seconds * 1000))
            settings = {**settings, "statement_timeout": limit, "idle_in_transaction_session_timeout": limit}
        driver = self._driver
        if driver is not None and not driver.is_closed():
            try:
                if await self._has_begun(settings):
                    return driver
                await begin(driver, mode, self._unlike_kept(settings), *self.texts.due())
            except FAILURES:
                self.drop()  # it has been idle, and was closed at the other end: nothing is lost by another try
            else:
                return driver
        self.drop()
        self._driver = driver = await connect(self._url, self._seconds)
        self._texts = Texts(driver, may_name=self._may_name and await is_direct(driver))
        # A setting of the transaction's own cannot be kept.
        lasting = {name: value for name, value in settings.items() if not name.startswith("transaction_")}
        self._kept = lasting if self._texts.may_name else {}
        await keep(driver, self._kept)
        await begin(driver, mode, self._unlike_kept(settings))
        return driver

    def _unlike_kept(self, settings: Mapping[str, str]) -> dict[str, str | None]:
        """What a transaction with these settings must be told of them; None: what the server has by itself."""
        if not self.texts.may_name:
            return dict(settings)
        if settings == self._kept:
            return {}
        names = {**self._kept, **settings}
        return {name: settings.get(name) for name in names if settings.get(name) != self._kept.get(name)}

    async def _has_begun(self, settings: Mapping[str, str]) -> bool:
        """Whether this transaction was begun ahead; one that is old, or not as it should be, is ended."""
        if self._ahead == settings and time.monotonic() < self._ahead_until:
            self._ahead = None
            return True
        await self.rest()
        return False

    async def rest(self) -> None:
        """Leave no transaction open: one that was begun ahead is not used. Whether the connection is lost shows later."""
        if self._ahead is not None and self._driver is not None:
            self._ahead = None
            await self.roll_back(self._driver)

    @property
    def texts(self) -> Texts:
        """How statements go over the connection that `begin` has given."""
        assert self._texts is not None
        return self._texts

    async def end(self, driver: Driver, word: str) -> None:
        """COMMIT or ROLLBACK. Raises the driver's errors."""
        said = await driver.execute(word)
        if said != word:
            raise DatabaseUnavailable("The database took the change back.")

    async def commit(self, driver: Driver, mode: str, ahead: Mapping[str, str] | None) -> None:
        """COMMIT; with `ahead`, the settings of another transaction, that one is begun in the same trip. Raises the driver's errors.

        Not through a pooler, which would have to keep a connection to the server for it. Until it is used or `rest` is
        called nothing is read in it, so it holds nobody up.
        """
        if ahead is None or not self.texts.may_name:
            await self.end(driver, "COMMIT")
            return
        await begin(driver, mode, self._unlike_kept(ahead), *self.texts.due(), after_commit=True)
        self._ahead, self._ahead_until = ahead, time.monotonic() + AHEAD_SECONDS

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
        self._ahead = None
        if self._driver is not None:
            self._driver.terminate()
            self._driver = None

    async def close(self) -> None:
        if self._driver is not None:
            try:
                await self._driver.close(timeout=1)
            except FAILURES:
                self.drop()
