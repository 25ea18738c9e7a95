"""Connections to PostgreSQL: how one is made, what its transactions begin with, its schema, and what its failures mean.

Nothing that is needed outlives a transaction on the server: no session lock, and settings and prepared statements only where
there is no pooler. So a pooler may give each transaction another server connection
(pgbouncer's transaction mode, Supabase's port 6543).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final

import asyncpg

from snapasset.database.migrations import load
from snapasset.database.setback import BROKEN, FULL, READ_ONLY
from snapasset.errors import BadConfiguration, DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from asyncpg.pool import PoolConnectionProxy

    Driver: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

SCHEMA: Final = "snapasset"
"""Where the tables are. Not `public`: Supabase's REST interface shows that one to the world."""

CONNECT_SECONDS: Final = 4.0
STATEMENT_SECONDS: Final = 10.0
"""How long an answer is waited for before the connection is given up."""

LOCK_MS: Final = 5_000
"""How long a change waits for a row that another process holds before it says `database_unavailable`."""

_IDLE_MS: Final = 15_000
"""A process that is stopped in mid-transaction holds its rows no longer than this."""

_OLDEST_SERVER: Final = 14
_MIGRATION_LOCK: Final = 0x5A4A7A55
"""One lock of the whole database, for as long as the schema is brought up to date."""

_REFUSED: Final = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ClientConfigurationError,
    ssl.SSLError,
    ValueError,
)
FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""All that the driver may raise, bugs of an operation included."""

_CROSSED: Final = (asyncpg.UniqueViolationError, asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_NAMELESS: Final = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidCachedStatementError,
    # Our tables and functions are not found: the search path is not there any more.
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
)
_OUTAGES: Final = ("08", "40", "53", "57", "58")
"""Classes of SQLSTATE that say something about the server or its load, and nothing about the statement."""

_OUTAGE_CODES: Final = ("55P03", "25P03", "25P04", "25006", "28000", "28P01", "3D000")
"""No lock in time, idle too long, transaction too long, read-only after a failover; refused, though it was let in before."""

_SETBACKS: Final = {"53100": FULL, "25006": READ_ONLY, "58030": BROKEN}


async def connect(url: str, seconds: float | None = None) -> Driver:
    """A fresh connection, whose answers are waited for that long. Raises whatever the driver does; see `refusal`, `named`."""
    return await asyncio.wait_for(
        asyncpg.connect(
            url,
            statement_cache_size=0,
            command_timeout=STATEMENT_SECONDS if seconds is None else seconds,
            server_settings={"application_name": "snapasset"},  # poolers let nothing else through
        ),
        CONNECT_SECONDS,
    )


async def is_direct(driver: Driver) -> bool:
    """Whether this is the server's own connection and no pooler's: those make up the process that they tell clients of."""
    return await driver.fetchval("SELECT pg_backend_pid()") == driver.get_server_pid()


async def keep(driver: Driver, settings: Mapping[str, str]) -> None:
    """Have these settings for as long as the connection lasts: on the server's own alone, never on a pooler's."""
    if settings:
        await driver.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()))


async def begin(
    driver: Driver, mode: str, settings: Mapping[str, str | None], *more: str, after_commit: bool = False
) -> None:
    """Begin a transaction, with `more` statements. Its settings are its own: a pooler's next client does not find them.

    A setting of None is what the server has by itself. `after_commit`: the one before is committed first, in the same trip.
    None of its statements may have failed: nobody would notice that it is undone.
    """
    lines = [
        f"SET LOCAL {name} TO DEFAULT" if value is None else f"SET LOCAL {name} = '{value}'"
        for name, value in settings.items()
    ]
    await driver.execute(
        "; ".join([*(["COMMIT"] if after_commit else []), f"BEGIN ISOLATION LEVEL {mode}", *lines, *more])
    )


def settings_for(lock_ms: int) -> dict[str, str]:
    """What holds in each transaction."""
    return {
        "search_path": SCHEMA,
        "lock_timeout": str(lock_ms),
        "idle_in_transaction_session_timeout": str(_IDLE_MS),
        "jit": "off",  # compiling costs more than any of these statements
    }


async def migrate(driver: Driver, settings: Mapping[str, str]) -> str:
    """Bring the schema up to date, under a lock; return the record's id. Raises `BadConfiguration`, or the driver's errors."""
    if driver.get_server_version().major < _OLDEST_SERVER:
        raise BadConfiguration(f"DATABASE_URL names a server older than PostgreSQL {_OLDEST_SERVER}.")
    await begin(driver, "READ COMMITTED", {**settings, "lock_timeout": "0"})
    try:
        await driver.fetch("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await _apply_missing(driver)
        await driver.execute("SELECT mend_horizons()")
        record_id = await driver.fetchval("SELECT record_id FROM record")
        await driver.execute("COMMIT")
    except BaseException:
        driver.terminate()
        raise
    return str(record_id)


async def _apply_missing(driver: Driver) -> None:
    migrations = load("postgres")
    # Asked for first: a role that may only use the schema need not be allowed to make one.
    if not await driver.fetchval("SELECT 1 FROM pg_namespace WHERE nspname = $1", SCHEMA):
        await driver.execute(f"CREATE SCHEMA {SCHEMA}")
    if await driver.fetchval("SELECT to_regclass('migrations')") is None:
        await driver.execute(
            "CREATE TABLE migrations (number bigint PRIMARY KEY, name text NOT NULL, min_compatible bigint NOT NULL)"
        )
    ((known, needed),) = await driver.fetch(
        "SELECT coalesce(max(number), 0), coalesce(max(min_compatible), 0) FROM migrations"
    )
    if needed > len(migrations):
        raise BadConfiguration(
            f"The database was made by a newer program (its schema needs migration {needed}, "
            f"this one knows {len(migrations)}): update this program."
        )
    for migration in migrations[known:]:
        await driver.execute(migration.sql)
        await driver.execute(
            "INSERT INTO migrations VALUES ($1, $2, $3)", migration.number, migration.name, migration.min_compatible
        )


async def was_committed(url: str, xid: str) -> bool:
    """Whether the transaction `xid`, whose COMMIT was not answered, has taken place. Raises `DatabaseUnavailable`."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            driver = await connect(url)
            try:
                status = "in progress"
                while status == "in progress":  # the server has not noticed yet that its client has gone
                    status = await driver.fetchval("SELECT pg_xact_status(CAST(CAST($1 AS text) AS xid8))", xid)
                    await asyncio.sleep(0.02)
            finally:
                driver.terminate()
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise DatabaseUnavailable("The database did not say whether the change was made.") from error
    return status == "committed"


def crossed(error: BaseException) -> bool:
    """Whether another process was in the way, so that the same operation may succeed, or answer otherwise, when run again."""
    return isinstance(error, _CROSSED) or nameless(error)


def nameless(error: BaseException) -> bool:
    """Whether what was left at the server is not there: a statement by its name, or the search path.

    Then it is not our own server connection, or somebody has emptied it; so nothing is to be left there any more.
    """
    return isinstance(error, _NAMELESS)


def refusal(error: BaseException) -> BaseException:
    """Why a first connection failed, as a sentence that names the variable and none of its value."""
    if isinstance(error, BadConfiguration | DatabaseUnavailable):
        return error
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return BadConfiguration("DATABASE_URL names a database that the server does not have.")
    if isinstance(error, asyncpg.InvalidPasswordError | asyncpg.InvalidAuthorizationSpecificationError):
        return BadConfiguration("DATABASE_URL: the server refuses this user or password.")
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return BadConfiguration(f"DATABASE_URL: this user may not make or use the schema {SCHEMA!r}.")
    if isinstance(error, ssl.SSLError):
        return BadConfiguration("DATABASE_URL: the server's certificate or encryption does not suit.")
    if isinstance(error, _REFUSED):
        return BadConfiguration("DATABASE_URL is no address of a PostgreSQL database.")
    if isinstance(error, OSError):  # time-outs, names that nobody knows
        return DatabaseUnavailable("The server that DATABASE_URL names does not answer.")
    return unavailable(error)


def named(error: BaseException, *, lost: bool) -> BaseException:
    """A driver's failure as the contract's; a bug in an operation stays what it is. `lost`: the connection is gone."""
    code = getattr(error, "sqlstate", None)
    if isinstance(code, str):
        outage = code[:2] in _OUTAGES or code in _OUTAGE_CODES
    else:
        outage = isinstance(error, OSError) or (lost and isinstance(error, asyncpg.InterfaceError))
    return unavailable(error) if outage else error


def setback_of(error: BaseException) -> str | None:
    """Why the next change will fail as well, though the server answers, if that is so."""
    return _SETBACKS.get(getattr(error, "sqlstate", None) or "")


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """What the driver's `error` means to callers. The driver's own words may quote the address: its type must do."""
    return DatabaseUnavailable(f"The database did not answer: {type(error).__name__}")
