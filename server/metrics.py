"""GET /metrics: what this process counted, and what the record says, as Prometheus reads it."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from server.condition import glance
from server.problems import refusal
from snapasset.metrics import CONTENT_TYPE, Found, QueueFound
from snapasset.metrics_access import may_read_metrics

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.condition import Condition, Known
    from server.state import State

_HEADERS: Final = {"cache-control": "no-store", "content-type": CONTENT_TYPE}


async def scrape(request: Request[State]) -> Response:
    """The metrics; for who may not read them there is nothing at this address."""
    state = request.state
    settings = state["settings"]
    if not may_read_metrics(settings, request.headers.items(), loopback=settings.loopback):
        raise refusal(HTTPStatus.NOT_FOUND)
    found = _found(await glance(state), state["hub"].readers)
    return Response(state["metrics"].text(found), headers=_HEADERS)


def _found(condition: Condition, streams: int) -> Found:
    known = condition.known
    return Found(
        up={"database": condition.works, "storage": condition.storage.word != "down"},
        queues=None if known is None else _queues(known),
        workers=None if known is None else Counter(worker.role for worker in known.workers),
        streams=streams,
    )


def _queues(known: Known) -> dict[str, QueueFound]:
    served = {queue for worker in known.workers for queue in worker.queues}
    unknown = known.unknown
    return {
        queue: QueueFound(
            depth=known.depth(queue),
            paused=known.room(queue).paused,
            workers=known.serving(queue),
            unknown=sum(unknown.get(queue, {}).values()),
        )
        for queue in {*known.depths, *known.rooms, *served}
    }
