"""How it is: for people, for whoever restarts the process (live), for whoever sends it requests (ready).

Each part is asked under a time limit and beside the others, so a part that hangs is called down and the answer comes.
"""

from __future__ import annotations

import asyncio
import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic.alias_generators import to_camel
from starlette.responses import Response

from server.state import Stage
from snapasset import __version__
from snapasset.errors import StorageQuotaExceeded, Unavailable
from snapasset.records.jobs import CountByQueue

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from starlette.requests import Request

    from server.state import State

log = logging.getLogger(__name__)

T = TypeVar("T")
Counts = dict[str, dict[str, int]]

_NONE: Final = {"waiting": 0, "active": 0, "delayed": 0, "blocked": 0}


async def overview(request: Request[State]) -> Response:
    """GET /health: ok; degraded, when jobs are taken but not all will succeed now; down (503), when none is taken."""
    state = request.state
    counts, stored = await asyncio.gather(_count(state), _look_into_storage(state))
    status = "down" if counts is None else "ok" if stored == _word(well=True) else "degraded"
    body = {
        "status": status,
        "uptime": round(state["life"].uptime, 1),
        "version": __version__,
        "mode": state["switch"].mode,
        "services": {
            "database": {"status": _word(counts is not None), "name": state["database"].name},
            "storage": {"status": stored, "name": state["storage"].name},
            "redis": {"status": "not configured"},
            "queues": _queues(state, counts or {}),
        },
    }
    return _answer(body, healthy=status != "down")


async def live(_request: Request[State]) -> Response:
    """GET /health/live: 200 while the process can answer at all."""
    return _answer({"status": "ok"}, healthy=True)


async def ready(request: Request[State]) -> Response:
    """GET /health/ready: 200 while new requests are welcome here."""
    state = request.state
    stage = state["life"].stage
    if stage is not Stage.SERVING:
        return _answer({"status": stage}, healthy=False)
    healthy = await _count(state) is not None
    return _answer({"status": "ready" if healthy else "down"}, healthy=healthy)


async def _count(state: State) -> Counts | None:
    """The jobs by queue and status, None when the database is down."""
    counts: Counts = {}

    async def count() -> None:
        counts.update(await state["database"].read(CountByQueue()))

    return counts if await _ask(count(), state) else None


async def _look_into_storage(state: State) -> str:
    """How the storage is: ok, down, or full when nothing else is wrong with it."""
    full = False

    async def look() -> None:
        nonlocal full
        try:
            await state["storage"].check()
        except StorageQuotaExceeded:
            full = True

    well = await _ask(look(), state)
    return "full" if full else _word(well)


async def _ask(question: Awaitable[None], state: State) -> bool:
    """Whether a part answers well, and in time."""
    try:
        async with asyncio.timeout(state["settings"].health_seconds):
            await question
    except (Unavailable, TimeoutError):
        return False
    except Exception:
        log.exception("a part of the service failed its health check")
        return False
    return True


def _queues(state: State, counts: Counts) -> dict[str, dict[str, int]]:
    """Every queue of the catalogue, and those that only the record knows: jobs of another version wait there."""
    names = dict.fromkeys((*state["catalogue"].queues, *counts))
    return {to_camel(name.replace("-", "_")): {**_NONE, **counts.get(name, {})} for name in names}


def _word(well: bool) -> str:
    return "ok" if well else "down"


def _answer(body: dict[str, Any], *, healthy: bool) -> Response:
    status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(json.dumps(body), status, {"cache-control": "no-store"}, "application/json")
