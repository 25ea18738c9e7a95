"""The way into a project of Supabase: a client of the SDK over one HTTP client of ours, and a private bucket.

What is wrong is said by the name of the variable that is to be mended, and never with its value. What is no key and no
address is told without asking anybody; all else depends on the other side, and may be mended there.
"""

from __future__ import annotations

import logging
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import httpx
from storage3.exceptions import StorageApiError
from supabase import AsyncClient, AsyncClientOptions, AsyncSupabaseException, acreate_client

from snapasset.errors import BadConfiguration, StorageUnavailable, StorageUnusable
from snapasset.proxies import by_proxy
from snapasset.storage.supabase.failures import FAMILIES, BucketMissing, KeyRefused, Passing, why

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable

    from storage3 import AsyncStorageClient
    from storage3.types import CreateOrUpdateBucketOptions

log = logging.getLogger(__name__)

T = TypeVar("T")

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
    """The way into a project.

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


async def connect(url: str, key: str, patience: Patience) -> Project:
    """The way into a project, which nobody was asked about yet. Raises `BadConfiguration` for what is no key or address."""
    if not _KEY.fullmatch(key):
        raise BadConfiguration("SUPABASE_SERVICE_KEY is no key: it is too short, or holds a character that no key has.")
    if key.startswith(_PUBLISHABLE):
        raise BadConfiguration(
            "SUPABASE_SERVICE_KEY is a publishable key; what is needed is a secret one (sb_secret_…)."
        )
    context = httpx.create_ssl_context()
    http, readers = _client(patience, context, _CONNECTIONS), _client(patience, context, _READERS)
    try:
        client = await _sdk(url, key, http)
    except BaseException:
        await http.aclose()
        await readers.aclose()
        raise
    if by_proxy(url):
        log.info("the file storage is asked through the proxy that the environment names")
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
        if re.search(r"\s", url) or not httpx.URL(url).host:
            raise ValueError("no host")
        return await acreate_client(url, key, options)
    except (AsyncSupabaseException, httpx.InvalidURL, ValueError) as error:
        raise BadConfiguration("SUPABASE_URL is no address of a project, as in https://abc.supabase.co.") from error


async def have_bucket(storage: AsyncStorageClient, bucket: str) -> None:
    """See that the bucket is there and private; make it when it is missing.

    Raises `StorageUnusable` for what has to be mended here or there, `BadConfiguration` for a bucket that is public, and
    what else `failures.why` names.
    """
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
    """What the first questions are answered. Raises `StorageUnusable`, or what else is named."""
    try:
        return await call
    except FAMILIES as error:
        named = why(error)
        if isinstance(named, KeyRefused):
            raise StorageUnusable(
                "SUPABASE_SERVICE_KEY is refused: it is not a secret key (or the service_role key) of the project at "
                "SUPABASE_URL."
            ) from error
        if _unknown_host(error):
            raise StorageUnusable("SUPABASE_URL names a host that does not exist.") from error
        if not isinstance(error, httpx.HTTPError) and not isinstance(error, StorageApiError):
            raise StorageUnusable("SUPABASE_URL is not where a Supabase project answers.") from error
        if type(named) is StorageUnavailable:
            raise StorageUnusable(
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
