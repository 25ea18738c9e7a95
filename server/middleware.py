"""What surrounds every request: its id, the headers that keep browsers careful, and the last catch for errors.

One layer of plain ASGI: a layer made of request and response objects would cost more than all that is inside it, and
would stand in the way of streams.
"""

from __future__ import annotations

import logging
import random
import re
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from server.problems import internal_problem
from snapasset.logs import bind

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

REQUEST_ID: Final = b"x-request-id"
_GIVEN_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""What is taken over from a caller: it is logged and sent back, so it must not carry anything else."""

SECURITY_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Surroundings:
    """The layer around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["state"]["request_id"] = request_id
        bind(requestId=request_id)
        added = (*SECURITY_HEADERS, (REQUEST_ID, request_id.encode()))
        started = False

        async def surrounded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(header for header in added if header[0] not in own)]
            await send(message)

        try:
            await self._app(scope, receive, surrounded)
        except ClientDisconnect:
            pass  # nobody is left to be answered
        except Exception:
            log.exception("a request failed", extra={"method": scope["method"], "path": scope["path"]})
            if not started:
                await internal_problem(scope)(scope, receive, surrounded)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == REQUEST_ID and _GIVEN_ID.fullmatch(value):
            return value.decode()
    return f"{random.getrandbits(96):024x}"
