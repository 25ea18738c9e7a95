"""Whether the environment has requests to an address go through a proxy: whoever makes them says so once, at the start."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass


def by_proxy(url: str) -> bool:
    """Whether the environment has calls to this address go through a proxy, which then learns the key if it is plain http."""
    parts, proxies = urlsplit(url), getproxies()
    return bool(proxies.get(parts.scheme) or proxies.get("all")) and not proxy_bypass(parts.netloc.rpartition("@")[2])
