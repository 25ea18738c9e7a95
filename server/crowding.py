"""What those are told who connect when there are too many connections already."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.responses import Response

from server.problems import problem_of
from server.streams.frames import retry
from server.streams.response import COME_BACK
from snapasset.errors import Unavailable

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from server.state import State


async def turn_away(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in place of the application, and close: 503, but an EventSource is told in its own way to come back.

    Any status but 200 would end it for good.
    """
    if scope["method"] == "GET" and scope["path"].endswith("/events"):
        pause = cast("State", scope["state"])["settings"].stream_retry_ms
        response = Response(
            retry(COME_BACK * pause), headers={"cache-control": "no-store"}, media_type="text/event-stream"
        )
    else:
        response = problem_of(scope, Unavailable())
    response.headers["connection"] = "close"
    await response(scope, receive, send)
