"""The way into a project of Supabase: a client of the SDK over one HTTP client of ours, and a private bucket.

What is wrong is said at the start, by the name of the variable that is to be mended, and never with its value.
"""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import httpx
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, AsyncSupabaseException, acreate_client

from snapasset.errors import BadConfiguration, StorageUnavailable
from snapasset.storage.supabase.failures import FAMILIES, BucketMissing, KeyRefused, Passing, why

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable

    from storage3 import AsyncStorageClient
    from storage3.types import CreateOrUpdateBucketOptions

T = TypeVar("T")

_OPENING_SECONDS: Final = 4.0
"""A start that fails says so within five seconds."""

_CONNECTIONS: Final = 32
_READERS: Final = 256
"""Connections of their own, for whoever reads slowly keeps one; none of them keeps a picture from being stored."""

_KEY: Final = re.compile(r"[A-Za-z0-9._~+/=-]{20,8192}")
"""Of which a bearer token is made (RFC 6750, 2.1): a line end or a quotation mark got in with the copying."""

_NO_NAME: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

_PUBLISHABLE: Final = "sb_publishable_"
_PRIVATE: Final[CreateOrUpdateBucketOptions] = {"public": False}


class Patience(NamedTuple):
    """How long, in seconds, what is waited for.

    Attributes:
        connect: for a connection.
        silence: for the next bytes, in either direction; a long transfer may take longer.
        turn: for one of our own connections to be free.
        pauses: before what failed is asked for once more, as often as there are pauses.
        trouble: after so long it is not asked for again: whoever waits has waited enough.
        sure: how long a look at whose bucket it is holds for reading and writing.
    """

    connect: float = 3.0
    silence: float = 20.0
    turn: float = 30.0
    pauses: tuple[float, ...] = (0.2, 1.0)
    trouble: float = 10.0
    sure: float = 10.0


class Project(NamedTuple):
    """A project that was found.

    `at` is the address of its storage, ending in a slash; `headers` open it. `readers` is for those who may take their time.
    """

    storage: AsyncStorageClient
    http: httpx.AsyncClient
    readers: httpx.AsyncClient
    at: str
    headers: dict[str, str]

    async def close(self) -> None:
        await self.http.aclose()
        await self.readers.aclose()


async def open_project(url: str, key: str, bucket: str, patience: Patience) -> Project:
    """Connect, and have a private bucket. Raises `BadConfiguration`, or `StorageUnavailable` when nobody answers."""
    if not _KEY.fullmatch(key):
        raise BadConfiguration("SUPABASE_SERVICE_KEY is no key: it is too short, or holds a character that no key has.")
    if key.startswith(_PUBLISHABLE):
        raise BadConfiguration(
            "SUPABASE_SERVICE_KEY is a publishable key; what is needed is a secret one (sb_secret_…)."
        )
    context = httpx.create_ssl_context()
    http, readers = _client(patience, context, _CONNECTIONS), _client(patience, context, _READERS)
    try:
        async with asyncio.timeout(_OPENING_SECONDS):
            client = await _sdk(url, key, http)
            await _have_bucket(client.storage, bucket)
    except BaseException as error:
        await http.aclose()
        await readers.aclose()
        if isinstance(error, TimeoutError):
            raise StorageUnavailable("The file storage did not answer in time (SUPABASE_URL).") from error
        raise
    opening = {"apikey": key, "authorization": f"Bearer {key}"}
    return Project(client.storage, http, readers, f"{url.rstrip('/')}/storage/v1/", opening)


def _client(patience: Patience, context: ssl.SSLContext, connections: int) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=context,
        timeout=httpx.Timeout(patience.silence, connect=patience.connect, pool=patience.turn),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=_CONNECTIONS),
    )


async def _sdk(url: str, key: str, http: httpx.AsyncClient) -> AsyncClient:
    options = AsyncClientOptions(httpx_client=http, auto_refresh_token=False, persist_session=False)
    try:
        httpx.URL(url)
        return await acreate_client(url, key, options)
    except (AsyncSupabaseException, httpx.InvalidURL, ValueError) as error:
        raise BadConfiguration("SUPABASE_URL is no address of a project, as in https://abc.supabase.co.") from error


async def _have_bucket(storage: AsyncStorageClient, bucket: str) -> None:
    """See that the bucket is there and private; make it when it is missing."""
    try:
        found = await _asked(storage.get_bucket(bucket))
    except BucketMissing:
        with suppress(Passing):  # another process was quicker; if not, it is still missing
            await _asked(storage.create_bucket(bucket, options=_PRIVATE))
        found = await _asked(storage.get_bucket(bucket))
    if found.public:
        raise BadConfiguration(
            "SUPABASE_BUCKET is public: anybody could read every picture. Make it private, or name another."
        )


async def _asked(call: Awaitable[T]) -> T:
    """What the first questions are answered. Raises `BadConfiguration`, or what else is named."""
    try:
        return await call
    except FAMILIES as error:
        named = why(error)
        if isinstance(named, KeyRefused):
            raise BadConfiguration(
                "SUPABASE_SERVICE_KEY is refused: it is not a secret key (or the service_role key) of the project at "
                "SUPABASE_URL."
            ) from error
        if _unknown_host(error):
            raise BadConfiguration("SUPABASE_URL names a host that does not exist.") from error
        if not isinstance(error, httpx.HTTPError) and not isinstance(error, StorageApiError):
            raise BadConfiguration("SUPABASE_URL is not where a Supabase project answers.") from error
        if type(named) is StorageUnavailable:
            raise BadConfiguration(
                f"SUPABASE_URL is not where a Supabase project answers, or SUPABASE_BUCKET is no name for a bucket. "
                f"{named.detail}"
            ) from error
        raise named from error


def _unknown_host(error: BaseException | None) -> bool:
    """Whether a name was looked up and is not there; one that cannot be looked up just now may be."""
    while error is not None:
        if isinstance(error, socket.gaierror):
            return error.errno in _NO_NAME
        error = error.__cause__ or error.__context__
    return False
