"""Who may read the metrics: the same rule in the server and in the worker.

METRICS_TOKEN opens them, and ADMIN_TOKEN too. Where METRICS_TOKEN is not set, a caller on this machine needs neither, as
long as the process can be reached from nowhere else and nothing stands before it that hands on requests of others.
A token that is not valid opens nothing, wherever it comes from.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import SecretStr

    from snapasset.settings import Settings

_FORWARDED: Final = frozenset(
    {
        "cdn-loop", "cf-connecting-ip", "client-ip", "fastly-client-ip", "fly-client-ip", "forwarded",
        "true-client-ip", "via", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for",
        "x-original-host", "x-real-ip",
    }
)  # fmt: skip
_FORWARDED_PREFIXES: Final = ("x-forwarded-", "x-envoy-")
"""What proxies add to a request that they hand on."""


def may_read_metrics(settings: Settings, headers: Iterable[tuple[str, str]], *, loopback: bool) -> bool:
    """Whether a request with these headers may. `loopback`: whether only this machine can reach the process."""
    authorization: list[str] = []
    forwarded = False
    for given, value in headers:
        name = given.lower()
        forwarded = forwarded or name in _FORWARDED or name.startswith(_FORWARDED_PREFIXES)
        if name == "authorization":
            authorization.append(value)
    if authorization:
        return len(authorization) == 1 and _opens(settings, authorization[0])
    return settings.metrics_token is None and loopback and not forwarded


def _opens(settings: Settings, authorization: str) -> bool:
    scheme, _, token = authorization.partition(" ")
    # Both are compared, so the time it takes tells neither which of them is set nor which was meant.
    opened = [_equal(expected, token.strip()) for expected in (settings.metrics_token, settings.admin_token)]
    return scheme.lower() == "bearer" and any(opened)


def _equal(expected: SecretStr | None, token: str) -> bool:
    secret = "" if expected is None else expected.get_secret_value()
    return hmac.compare_digest(token.encode(), secret.encode()) and secret != ""
