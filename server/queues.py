"""Queues over HTTP, for admins: one that has paused itself, or that somebody has paused, goes on."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from starlette.responses import Response

from server.auth import identify_admin

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State

log = logging.getLogger(__name__)


async def resume(request: Request[State]) -> Response:
    """POST /api/queues/{queue}/resume: its jobs are run again, within its limits. Harmless when it is not paused."""
    await identify_admin(request)
    queue: str = request.path_params["queue"]
    await request.state["client"].resume(queue)
    log.info("an admin has resumed a queue", extra={"queue": queue})
    body = json.dumps({"queue": queue, "paused": False})
    return Response(body, headers={"cache-control": "no-store"}, media_type="application/json")
