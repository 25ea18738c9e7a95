"""Where Redis is, how this program talks to it, and whether it can be used.

Three manners of talking, one client each; a client is never shared between them, because what suits one harms another:

 - *patient*, for a worker that has something to say: it says it again for some ten seconds, and survives a restart.
 - *idle*, for a worker that waits for a ring: it fails at once, and whoever waits pauses by its own rule.
 - *hasty*, for the API: a ring is a convenience, and no caller waits for it.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    ConnectionPool,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff

from snapasset.errors import BadConfiguration

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from pathlib import Path

    from snapasset.settings import Settings

FAILURES: Final = (exceptions.RedisError, OSError, TimeoutError)
"""Whatever it means that Redis did not do what it was asked for."""

READ_SECONDS: Final = 10.0
"""Longest a patient or idle client waits for an answer; whoever blocks in Redis must ask for clearly less."""

_HASTY_SECONDS: Final = 0.5
_AT: Final = "REDIS_URL or REDIS_HOST"

REFUSED: Final = "Redis refuses commands that are needed"

_REFUSALS: Final[tuple[tuple[type[Exception], str], ...]] = (
    # The first that fits; NOAUTH and WRONGPASS are both kinds of ConnectionError in redis-py.
    (exceptions.AuthenticationError, "Redis refuses the user name or password (REDIS_URL or REDIS_PASSWORD)"),
    (exceptions.NoPermissionError, f"{REFUSED} (REDIS_URL or REDIS_USERNAME)"),
    (exceptions.BusyLoadingError, "Redis is loading its data"),
    (exceptions.OutOfMemoryError, "Redis is out of memory"),
    (exceptions.ReadOnlyError, "Redis is a read-only replica"),
    (exceptions.MaxConnectionsError, "Redis takes no more connections"),
    (TimeoutError, f"Redis does not answer in time ({_AT})"),
    (exceptions.TimeoutError, f"Redis does not answer in time ({_AT})"),
    (exceptions.ConnectionError, f"Redis cannot be reached ({_AT})"),
)
_OF_HOST: Final = frozenset(
    {"redis_port", "redis_username", "redis_password", "redis_db", "redis_tls", "redis_ca_file"}
)
_NO_SUCH_NUMBER: Final = "DB index is out of range"
_BAD_TLS: Final = "Redis's certificate or encryption does not suit (REDIS_URL, REDIS_TLS or REDIS_CA_FILE)"


@dataclass(frozen=True)
class RedisAddress:
    """One Redis server, as configured. Its `repr` shows no password."""

    host: str = "127.0.0.1"
    port: int = 6379
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: bool = False
    """With verification of certificate and host name, always."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    socket: str | None = None
    """Path of a Unix socket; host, port and TLS are not used then."""

    @classmethod
    def from_url(cls, url: str, *, ca_file: Path | None = None) -> RedisAddress:
        """Read `redis[s]://[user][:password]@host[:port][/database]` or `unix:///path[?db=n]`.

        Raises `BadConfiguration`, which names REDIS_URL and never shows it.
        """
        try:
            parts = urlsplit(url)
            username, password = (unquote(text) if text else None for text in (parts.username, parts.password))
            asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
            if parts.scheme == "unix" and parts.path:
                number = int(asked.pop("db", 0))
                if asked or number < 0:
                    raise ValueError
                return cls(username=username, password=password, database=number, socket=unquote(parts.path))
            if asked:
                raise ValueError  # a word that is not understood might have been meant to make it safer
            database = int(parts.path.strip("/") or 0)
            if parts.scheme not in ("redis", "rediss") or not parts.hostname or database < 0:
                raise ValueError
            return cls(
                host=parts.hostname,
                port=parts.port or 6379,
                username=username,
                password=password,
                database=database,
                tls=parts.scheme == "rediss",
                ca_file=ca_file,
            )
        except ValueError:
            raise BadConfiguration(
                "REDIS_URL is not of the form redis://[user:password@]host[:port][/number], rediss:// or unix:///path[?db=number]."
            ) from None

    @classmethod
    def from_settings(cls, settings: Settings) -> RedisAddress | None:
        """What the settings say; None when they name no Redis. REDIS_URL counts before REDIS_HOST and its kin.

        Raises `BadConfiguration`, which names the variable and never shows it.
        """
        ca_file = settings.redis_ca_file
        if ca_file is not None and not ca_file.is_file():
            raise BadConfiguration("REDIS_CA_FILE is no file that can be read.")
        if settings.redis_url is not None:
            return cls.from_url(settings.redis_url.get_secret_value(), ca_file=ca_file)
        if settings.redis_host is None:
            lonely = sorted(name.upper() for name in _OF_HOST & settings.model_fields_set)
            if lonely:
                raise BadConfiguration(f"REDIS_HOST is missing, and {lonely[0]} is set.")
            return None
        password = settings.redis_password
        return cls(
            host=settings.redis_host,
            port=settings.redis_port,
            username=settings.redis_username,
            password=None if password is None else password.get_secret_value(),
            database=settings.redis_db,
            tls=settings.redis_tls,
            ca_file=ca_file,
        )

    def patient(self) -> Redis:
        """A client that tries twelve times more, with growing pauses of at most a second."""
        return self._client(
            Retry(ExponentialWithJitterBackoff(cap=1, base=0.05), 12),
            connect_seconds=2.0,
            read_seconds=READ_SECONDS,
            ping_seconds=5,
        )

    def idle(self) -> Redis:
        """A client for commands that block; it does not try again."""
        return self._client(Retry(NoBackoff(), 0), connect_seconds=2.0, read_seconds=READ_SECONDS)

    def hasty(self) -> Redis:
        """A client that tries once more, at once, and waits half a second for an answer once it is connected."""
        return self._client(Retry(NoBackoff(), 1), connect_seconds=2.0, read_seconds=_HASTY_SECONDS)

    def strict(self, seconds: float) -> Redis:
        """A client that tries nothing twice, and waits `seconds` for a connection and for an answer."""
        return self._client(Retry(NoBackoff(), 0), connect_seconds=seconds, read_seconds=seconds)

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """A single connection, open as long as the block runs: nothing reconnects it behind its user's back.

        Raises redis-py's `ConnectionError` or `TimeoutError`.
        """
        made = cast("Connection", cast("Any", self._kind)(**self._words(Retry(NoBackoff(), 0), 2.0, READ_SECONDS)))
        try:
            await made.connect()
            yield made
        finally:
            await made.disconnect(nowait=True)

    @property
    def _kind(self) -> type[AbstractConnection]:
        return _SocketConnection if self.socket else _TlsConnection if self.tls else _TcpConnection

    def _words(self, retry: Retry, connect_seconds: float, read_seconds: float) -> dict[str, Any]:
        words: dict[str, Any] = {"username": self.username, "password": self.password, "db": self.database}
        words |= {"retry": retry, "socket_connect_timeout": connect_seconds, "socket_timeout": read_seconds}
        words["driver_info"] = None  # else each connection reads the packages' metadata from the disk, to say its name
        words["retry_on_error"] = [exceptions.ConnectionError, exceptions.TimeoutError, exceptions.BusyLoadingError]
        if self.socket:
            return words | {"path": self.socket}
        words |= {"host": self.host, "port": self.port, "socket_keepalive": True}
        if self.tls:
            words["trust"] = lambda: self._trust
        return words

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        """Whom to trust, read from the disk once: that takes some 20 ms, and many connections are made in one moment."""
        return ssl.create_default_context(cafile=self.ca_file)

    def _client(self, retry: Retry, *, connect_seconds: float, read_seconds: float, ping_seconds: int = 0) -> Redis:
        words = self._words(retry, connect_seconds, read_seconds)
        pool = ConnectionPool(self._kind, health_check_interval=ping_seconds, **words)
        return cast("Any", Redis).from_pool(pool)


class _Cancellable(AbstractConnection):
    """A connection on which being cancelled is never overheard.

    redis-py sends by `asyncio.wait_for`, and before Python 3.12 that forgets a cancellation which comes just as it is
    done: a worker that is told to stop would wait for the next ring, and its process for ever. And a connection
    that was reset, or closed by its other user, just before is named as such: uvloop calls it a `RuntimeError`, and redis-py
    finds no writer any more.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        try:
            await super().send_packed_command(command, check_health)
        except (RuntimeError, AttributeError) as error:
            await self.disconnect(nowait=True)
            raise exceptions.ConnectionError("The connection is closed.") from error
        if task.cancelling() > before:
            await self.disconnect(nowait=True)  # nobody will read the answer
            raise asyncio.CancelledError


class _TcpConnection(_Cancellable, Connection):
    pass


class _TlsConnection(_Cancellable, SSLConnection):
    """One that shares what it trusts: redis-py would read all certificates anew for each, with the loop held up meanwhile.

    A loop that is held up for longer than a connection may take breaks off all that are being opened, and uvloop then
    tells of the errors of those that nobody waits for.
    """

    def __init__(self, *, trust: Callable[[], ssl.SSLContext], **words: object) -> None:
        cast("Any", super()).__init__(**words)
        self._trust = trust

    async def _connect(self) -> None:
        self.ssl_context.context = self._trust()
        await super()._connect()


class _SocketConnection(_Cancellable, UnixDomainSocketConnection):
    pass


def reason(error: Exception) -> str:
    """Why Redis could not be used, as words for a log or a person: never with an address, a password or a key."""
    if any(isinstance(cause, ssl.SSLError) for cause in (error, error.__cause__, error.__context__)):
        return _BAD_TLS
    for kind, words in _REFUSALS:
        if isinstance(error, kind):
            return words
    if _NO_SUCH_NUMBER in str(error):
        return "Redis has no database of that number (REDIS_URL or REDIS_DB)"
    word = str(error).split(" ", 1)[0]  # Redis's own codes: MISCONF, NOREPLICAS, CLUSTERDOWN
    return f"Redis refuses to write ({word})" if word.isupper() and word.isalpha() else "Redis cannot be used"
