"""Every URL there is, and what stands around them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.routing import Route

from server import (
    events,
    events_token,
    files,
    generations,
    health,
    health_detailed,
    jobs,
    kinds,
    metrics,
    owner_events,
    page_files,
    queues,
    statistics,
    studio_files,
    submission,
    usage,
    zips,
)
from server.cross_origin import CrossOrigin
from server.middleware import Surroundings
from server.openapi import document
from server.problems import on_http_exception, on_named_error
from server.state import State
from snapasset.errors import SnapAssetError

if TYPE_CHECKING:
    from starlette.types import Lifespan, Receive, Scope, Send

ROUTES: Final = (
    # First, because nothing else is asked for so often at once: by all clients of a server that has just come back.
    Route("/api/jobs/{job_id}/events", events.follow, methods=["GET"]),
    Route("/api/jobs/batch", submission.batch, methods=["POST"]),
    Route("/api/jobs/{kind}", submission.one, methods=["POST"]),
    Route("/api/jobs/{kind}/estimate", submission.estimate, methods=["POST"]),
    Route("/api/jobs/stats/overview", statistics.overview),
    Route("/api/jobs", jobs.find),
    Route("/api/jobs/{job_id}", jobs.look),
    Route("/api/jobs/{job_id}", jobs.cancel, methods=["DELETE"]),
    Route("/api/jobs/{job_id}/cancel", jobs.cancel, methods=["POST"]),
    Route("/api/jobs/{job_id}/retry", jobs.retry, methods=["POST"]),
    Route("/api/jobs/{job_id}/timeline", jobs.timeline),
    Route("/api/events", owner_events.follow, methods=["GET"]),
    Route("/api/events/token", events_token.issue, methods=["POST"]),
    Route("/api/generations", generations.find),
    Route("/api/generations/{generation_id}", generations.look),
    Route("/api/generations/{generation_id}", generations.remove, methods=["DELETE"]),
    Route("/api/generations/{generation_id}/renditions", generations.render, methods=["POST"]),
    Route("/api/generations/{generation_id}/zip", zips.download),
    Route("/api/files/{file_id}", files.serve),
    Route("/api/usage", usage.look),
    Route("/api/usage/credits", usage.give, methods=["POST"]),
    Route("/api/queues/{queue}/resume", queues.resume, methods=["POST"]),
    Route("/api/kinds", kinds.describe),
    Route("/openapi.json", document.serve),
    Route("/health", health.overview),
    Route("/health/live", health.live),
    Route("/health/ready", health.ready),
    Route("/health/detailed", health_detailed.detailed),
    Route("/metrics", metrics.scrape),
    Route("/", studio_files.index),
    Route("/assets/{name:path}", studio_files.asset),
    Route("/page/{name:path}", page_files.asset),
)


def application(lifespan: Lifespan[Starlette], origins: frozenset[str] = frozenset()) -> Starlette:
    """The application; `lifespan` yields its `State`. `origins`: whose pages may use it besides our own."""
    app = Starlette(
        routes=ROUTES,
        middleware=[*([Middleware(CrossOrigin, origins)] if origins else []), Middleware(Surroundings)],
        exception_handlers={SnapAssetError: on_named_error, HTTPException: on_http_exception},
        lifespan=lifespan,
    )
    # A redirect to the address without its last slash would be one more answer that is no problem+json.
    app.router.redirect_slashes = False
    app.router.default = _elsewhere
    return app


_TAKEN: Final = frozenset(route.path.split("/")[1] for route in ROUTES)


async def _elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    """What no route knows: a view of the studio, if a browser is on its way there; else there is nothing."""
    answer = studio_files.any_view(Request[State](scope), _TAKEN)
    await answer(scope, receive, send)
