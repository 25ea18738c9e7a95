"""Pages of other origins: which of them may read our answers (CORS, as the Fetch standard has it), and what they may send.

Only origins that `CORS_ORIGINS` lists are told anything. Where it lists none this layer is not there; where it lists any, all
answers say that they depend on `Origin`, so that no cache hands a page the answer that was meant for another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from starlette.responses import Response

from server.problems import methods_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

SENT: Final = (
    "authorization",
    "cache-control",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "prefer",
    "x-request-id",
    "x-session-id",
)
"""What a page may send besides what browsers let every page send."""

SHOWN: Final = (
    "content-disposition",
    "etag",
    "idempotent-replayed",
    "location",
    "preference-applied",
    "retry-after",
    "x-request-id",
)
"""What a page may read of an answer's head besides what browsers show to every page."""

MAX_AGE_SECONDS: Final = 7_200
"""How long a browser need not ask again what it may send; Chromium keeps it no longer."""

_FOR_ALL: Final = ((b"vary", b"origin"),)
_GRANT: Final = (
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-expose-headers", ", ".join(SHOWN).encode()),
)


def granted(headers: Iterable[tuple[bytes, bytes]], origins: frozenset[str]) -> Headers:
    """What an answer carries besides, to a request with these headers; nothing where no origin is listed."""
    if not origins:
        return ()
    for name, origin in headers:
        if name == b"origin" and origin.decode("latin-1") in origins:
            return (*_FOR_ALL, (b"access-control-allow-origin", origin), *_GRANT)
    return _FOR_ALL


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what the page may send, before it sends it."""
    return scope["method"] == "OPTIONS" and any(
        name == b"access-control-request-method" for name, _ in scope["headers"]
    )


class CrossOrigin:
    """The layer around all others: what they refuse must be readable too."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        more = granted(scope["headers"], self._origins)

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *more]
            await send(message)

        app = _answer_preflight if more is not _FOR_ALL and is_preflight(scope) else self._app
        await app(scope, receive, sent)


async def _answer_preflight(scope: Scope, receive: Receive, send: Send) -> None:
    routes = scope["app"].routes
    # Where there is nothing, every method may find that out: a page can read the 404, but not why it may not ask.
    methods = methods_of(routes, scope["path"]) or {method for route in routes for method in route.methods}
    headers = {
        "access-control-allow-methods": ", ".join(sorted(methods)),
        "access-control-allow-headers": ", ".join(SENT),
        "access-control-max-age": str(MAX_AGE_SECONDS),
    }
    await Response(status_code=204, headers=headers)(scope, receive, send)
