"""How it is: for people, for whoever restarts the process (live), for whoever sends it requests (ready)."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pydantic.alias_generators import to_camel
from starlette.responses import Response

from server.condition import glance, queue_names
from server.state import Stage
from snapasset import __version__
from snapasset.pauses import why_paused
from snapasset.vitals import record_works

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.condition import Condition, Known
    from server.state import State
    from snapasset.standing import Standing


async def overview(request: Request[State]) -> Response:
    """GET /health: ok; degraded, when jobs are taken but not all will succeed now; down (503), when none is taken."""
    condition = await glance(request.state)
    return answer(overview_body(request.state, condition), healthy=condition.works)


async def live(request: Request[State]) -> Response:
    """GET /health/live: 200 while all runs that must run in this process; it may drain, or miss the record."""
    lives = request.state["lives"]()
    return answer({"status": "ok" if lives else "down"}, healthy=lives)


async def ready(request: Request[State]) -> Response:
    """GET /health/ready: 200 while new requests are welcome here."""
    state = request.state
    stage = state["life"].stage
    if stage is not Stage.SERVING:
        return answer({"status": stage}, healthy=False)
    healthy = await record_works(state["database"], state["settings"].health_seconds)
    return answer({"status": "ready" if healthy else "down"}, healthy=healthy)


def overview_body(state: State, condition: Condition) -> dict[str, Any]:
    """What anybody may know: no host, no address, no secret."""
    known, switch = condition.known, state["switch"]
    body: dict[str, Any] = {
        "status": condition.status,
        "uptime": round(state["life"].uptime, 1),
        "version": __version__,
        "mode": switch.mode,
        "services": {
            "database": {
                "status": "ok" if condition.works else "down",
                "name": state["database"].name,
                **({} if condition.refuses is None else {"why": condition.refuses}),
            },
            "storage": {
                "status": condition.storage.word,
                "name": state["storage"].name,
                **({} if condition.storage.why is None else {"why": condition.storage.why}),
            },
            "provider": _provider(state, condition),
            "redis": {"status": condition.redis, **({} if switch.why is None else {"why": switch.why})},
            **({} if condition.users is None else {"users": _standing(condition.users)}),
            "queues": {} if known is None else _queues(state, known),
        },
    }
    if known is not None and (unknown := known.unknown):
        body["unknownKinds"] = {wire_name(queue): kinds for queue, kinds in unknown.items()}
    return body


def wire_name(queue: str) -> str:
    """The name of a queue as a field has it."""
    return to_camel(queue.replace("-", "_"))


def answer(body: dict[str, Any], *, healthy: bool) -> Response:
    """A state of health, that nobody may keep; 503 when it is not good enough."""
    status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(json.dumps(body), status, {"cache-control": "no-store"}, "application/json")


def queue_body(state: State, known: Known, name: str) -> dict[str, Any]:
    """A queue, as far as anybody may know it."""
    depth = known.depth(name)
    return {
        "waiting": depth.waiting,
        "active": depth.active,
        "delayed": depth.delayed,
        "blocked": depth.blocked,
        "workers": known.serving(name),
        "paused": known.room(name).paused,
        **_reason(state, known, name),
    }


def _provider(state: State, condition: Condition) -> dict[str, Any]:
    provider = state["provider"]
    return {**_standing(condition.provider), "name": provider.name, "model": provider.model}


def _standing(standing: Standing) -> dict[str, Any]:
    return {"status": standing.status, **({} if standing.why is None else {"why": standing.why})}


def _reason(state: State, known: Known, name: str) -> dict[str, str]:
    """Why a queue has paused itself, and how it goes on."""
    reason = known.room(name).reason
    return {} if reason is None else {"why": why_paused(state["settings"], name, reason)}


def _queues(state: State, known: Known) -> dict[str, dict[str, Any]]:
    return {wire_name(name): queue_body(state, known, name) for name in queue_names(state, known)}
