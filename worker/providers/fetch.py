"""The one way to fetch from an address that somebody else has written down: a provider's, in its answer.

Invariant: nothing is connected to but a public address, over https, or the one origin that this deployment has itself
configured, which may be a machine beside it. A name is resolved once, all its addresses are looked at, and the connection
goes to one of those: a name that means something else a moment later gains nothing. Each redirect goes through the same.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

import httpx2

from snapasset.errors import DownloadFailed, DownloadRefused

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

SECONDS: Final = 10.0
LARGEST: Final = 10_000_000
TYPES: Final = frozenset({"image/png", "image/jpeg", "image/webp"})

_REDIRECTS: Final = 3
_PORTS: Final = {"https": 443, "http": 80}
_LAST_PORT: Final = 65_535
_MOVED: Final = {301, 302, 303, 307, 308}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_V6: Final = ipaddress.ip_network("2000::/3")
"""All that has been given out for addresses of one machine; the older fec0::/10, of a site, lies outside."""

_NOBODYS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.0.0.0/24",  # for protocols: NAT's own, PCP, and a cloud's metadata at .192
            "192.88.99.0/24",  # relays of 6to4, long given up: whoever is near may say that he is one
            "168.63.129.16/32",  # the host beneath a machine of Azure, public in looks alone: metadata, certificates
            "3fff::/20",  # for examples
        ),
    )
)
"""Which `ipaddress` takes for anybody's, in the oldest Python that runs this or in all."""


class Origin(NamedTuple):
    """Scheme, host and port: whom an address belongs to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin | None:
        """The origin of an address; None when it is none that could be fetched from."""
        try:
            parts = httpx2.URL(url)
            host = parts.raw_host.decode("ascii").removesuffix(".").lower()
        except (httpx2.InvalidURL, ValueError):
            return None
        port = parts.port or _PORTS.get(parts.scheme, 0)
        return cls(parts.scheme, host, port) if parts.scheme in _PORTS and host and port <= _LAST_PORT else None


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as the system says. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Fetcher:
    """Fetches pictures. `trusted` may be plain http and private, because whoever set this up has named it."""

    def __init__(
        self,
        *,
        trusted: Origin | None = None,
        resolve: Resolve = resolve,
        transport: httpx2.AsyncBaseTransport | None = None,
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
        largest: int = LARGEST,
        types: frozenset[str] = TYPES,
    ) -> None:
        self._trusted = trusted
        self._resolve = resolve
        self._seconds = seconds
        self._largest = largest
        self._types = types
        # A proxy would look the names up itself, so none is asked, whatever the environment says.
        self._client = httpx2.AsyncClient(
            transport=transport,
            verify=context or True,
            trust_env=False,
            follow_redirects=False,
            timeout=seconds,
            limits=httpx2.Limits(max_keepalive_connections=0),
            headers={"accept": ", ".join(sorted(types)), "accept-encoding": "identity"},
        )

    async def fetch(self, url: str) -> bytes:
        """The bytes at an address, which say that they are a picture; look at them before you believe it.

        Raises `DownloadRefused` for an address that nothing is fetched from, and `DownloadFailed` for all else.
        """
        try:
            async with asyncio.timeout(self._seconds):
                return await self._follow(url)
        except TimeoutError:
            raise DownloadFailed(f"The finished picture could not be fetched within {self._seconds:g} s.") from None
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            raise DownloadFailed from error
        except (httpx2.InvalidURL, ValueError) as error:
            raise DownloadRefused("The finished picture has an address that is none.") from error

    async def close(self) -> None:
        """Close what is held; harmless when repeated."""
        await self._client.aclose()

    async def _follow(self, text: str) -> bytes:
        url, at_home = httpx2.URL(text), True
        for _ in range(_REDIRECTS + 1):
            origin = Origin.of(str(url))
            # Whoever is elsewhere cannot send us back to the machine beside us.
            at_home = at_home and origin is not None and origin == self._trusted
            request = await self._request(url, origin, at_home=at_home)
            response = await self._client.send(request, stream=True)
            try:
                if response.status_code not in _MOVED:
                    return await self._read(response)
                url = url.join(response.headers.get("location", ""))
            finally:
                await response.aclose()
        raise DownloadFailed("The finished picture was sent for from one address to the next.")

    async def _request(self, url: httpx2.URL, origin: Origin | None, *, at_home: bool) -> httpx2.Request:
        """A request to an address that was looked at, in the name of the host: for TLS as for HTTP."""
        if origin is None or url.userinfo or (origin.scheme != "https" and not at_home):
            raise DownloadRefused
        addresses = await self._resolve(origin.host, origin.port)
        if not addresses or not (at_home or all(map(is_public, addresses))):
            raise DownloadRefused
        return self._client.build_request(
            "GET",
            url.copy_with(host=addresses[0]),
            headers={"host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": origin.host},
        )

    async def _read(self, response: httpx2.Response) -> bytes:
        if response.status_code != HTTPStatus.OK:
            raise DownloadFailed(f"The finished picture could not be fetched: status {response.status_code}.")
        if response.headers.get("content-type", "").partition(";")[0].strip().lower() not in self._types:
            raise DownloadFailed("Where the finished picture should be there is something else.")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise DownloadFailed("The finished picture came packed, which nobody asked for.")
        data = bytearray()
        async for chunk in response.aiter_raw():
            data += chunk
            if len(data) > self._largest:
                raise DownloadFailed(f"The finished picture is larger than {self._largest} bytes.")
        return bytes(data)


def is_public(address: str) -> bool:
    """Whether anybody in the world means the same machine by this address, also by those that are wrapped up in it."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:  # with a zone, as in fe80::1%eth0: of this link and no other
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.scope_id:
            return False
        if wrapped := _wrapped(ip):
            return all(is_public(str(inner)) for inner in wrapped)
        if ip not in _GLOBAL_V6:
            return False
    of_nobody = any(ip.version == network.version and ip in network for network in _NOBODYS)
    return ip.is_global and not of_nobody and not ip.is_multicast and not ip.is_reserved


def _wrapped(ip: ipaddress.IPv6Address) -> Sequence[ipaddress.IPv4Address]:
    """The older addresses to which the way to this one leads; none when it is what it looks like."""
    if ip in _NAT64:
        return [ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)]
    one = ip.ipv4_mapped or ip.sixtofour
    return [one] if one is not None else ip.teredo or ()
