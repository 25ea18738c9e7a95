"""POST /api/events/token: what opens the caller's own news where neither a cookie nor a header can be sent.

A user's own token never stands in an address: histories and proxies keep those. This one opens `GET /api/events`, which
only reads, for an hour; a stream that is open goes on until it has grown old, and then needs a fresh one.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from starlette.responses import Response

from server.auth import identify
from snapasset.errors import MissingUser
from snapasset.event import iso

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State


async def issue(request: Request[State]) -> Response:
    """A token for the caller's events, and until when it opens them; 401 for who brings no identity."""
    identity = await identify(request)
    if identity is None:
        raise MissingUser
    token, until_ms = request.state["stream_tokens"].make_for_owner(identity.owner, _now_ms())
    body = json.dumps({"token": token, "expiresAt": iso(until_ms)})
    return Response(body, headers={"cache-control": "no-store"}, media_type="application/json")


def owner_by_token(request: Request[State]) -> str:
    """Whose news the `?token=` of a request opens. Raises `MissingUser`."""
    return request.state["stream_tokens"].owner_of(request.query_params.get("token", ""), _now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
