"""Jobs over HTTP: submit, find, look at, cancel, retry."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from server.auth import hand_out, identify, identify_or_mint, identify_or_nobody
from server.body import read_object
from server.conditional import etag_of, not_modified
from server.files import with_urls
from server.idempotency import REPLAYED, read_once
from server.job_body import accepted, job_json, read_submission
from server.paging import cursor_after, events_range, find_jobs
from server.state import Stage
from snapasset.errors import MissingUser, Unavailable
from snapasset.records.idempotency import Submitted

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State
    from snapasset.job import Job

MEDIA_TYPE: Final = "application/json"
_NO_STORE: Final = {"cache-control": "no-store"}


async def submit(request: Request[State]) -> Response:
    """POST /api/jobs/{kind}: 202 when the job is safe in the record; with an Idempotency-Key, one job for them all."""
    state = request.state
    _refuse_while_stopping(state)
    job_type = state["catalogue"].get(request.path_params["kind"])
    identity = identify_or_mint(request)
    if job_type.access > identity.access:
        raise MissingUser
    body = await read_object(request)
    args, options = read_submission(body, job_type, state["settings"], time.time_ns() // 1_000_000)
    once = read_once(request, identity, job_type.kind, args, options)
    client, kind, (owner, access, _) = state["client"], job_type.kind, identity
    if once is None:
        job = await client.submit(kind, args, owner=owner, access=access, options=options)
        submitted = Submitted(job, job.status, replayed=False)
    else:
        submitted = await client.submit_once(kind, args, owner=owner, access=access, once=once, options=options)
        job = submitted.job
    headers = {"location": f"/api/jobs/{job.id}", **_NO_STORE}
    if submitted.replayed:
        headers[REPLAYED] = "true"
    answer = accepted(job._replace(status=submitted.status), state["stream_tokens"].make(job.id, job.owner))
    response = Response(answer, HTTPStatus.ACCEPTED, headers, MEDIA_TYPE)
    hand_out(identity, request, response)
    return response


def _refuse_while_stopping(state: State) -> None:
    """Send new work elsewhere: here it would be safe, but wait for the next start. Raises `Unavailable`."""
    if state["life"].stage is Stage.DRAINING:
        raise Unavailable("This process is stopping; try again.")


async def find(request: Request[State]) -> Response:
    """GET /api/jobs: the caller's jobs, newest first; without an identity there are none."""
    identity = identify(request)
    asked, limit = find_jobs(request.query_params, identity.owner if identity else "")
    jobs = await request.state["client"].find(asked) if identity else []
    page = jobs[:limit]
    cursor = f'"{cursor_after(page[-1])}"' if len(jobs) > limit else "null"
    body = f'{{"jobs":[{",".join(map(job_json, page))}],"nextCursor":{cursor}}}'
    return Response(body, headers=_NO_STORE, media_type=MEDIA_TYPE)


async def look(request: Request[State]) -> Response:
    """GET /api/jobs/{job_id}: 304 when nothing has changed since the ETag was given."""
    identity = identify_or_nobody(request)
    job = await request.state["client"].get(request.path_params["job_id"], owner=identity.owner)
    body = job_json(job).encode()
    headers = {"etag": etag_of(body), "cache-control": "private, no-cache"}
    if not_modified(request, headers["etag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type=MEDIA_TYPE)


async def timeline(request: Request[State]) -> Response:
    """GET /api/jobs/{job_id}/timeline: its events in order, with `nextAfter` when there are more."""
    identity = identify_or_nobody(request)
    job_id: str = request.path_params["job_id"]
    after, limit = events_range(request.query_params)
    events = await request.state["client"].timeline(job_id, owner=identity.owner, after=after, limit=limit + 1)
    page = events[:limit]
    more = page[-1].seq if len(events) > limit else "null"
    bodies = ",".join(with_urls(event.body) for event in page)
    body = f'{{"jobId":"{job_id}","events":[{bodies}],"nextAfter":{more}}}'
    return Response(body, headers=_NO_STORE, media_type=MEDIA_TYPE)


async def cancel(request: Request[State]) -> Response:
    """POST /api/jobs/{job_id}/cancel, DELETE /api/jobs/{job_id}: 200 when it has ended, 202 when that was asked for."""
    identity = identify_or_nobody(request)
    job = await request.state["client"].cancel(request.path_params["job_id"], owner=identity.owner)
    return _answer(job, HTTPStatus.OK if job.ended else HTTPStatus.ACCEPTED)


async def retry(request: Request[State]) -> Response:
    """POST /api/jobs/{job_id}/retry: 202 with the job at the start of its new run."""
    _refuse_while_stopping(request.state)
    identity = identify_or_nobody(request)
    job = await request.state["client"].retry(request.path_params["job_id"], owner=identity.owner)
    return _answer(job, HTTPStatus.ACCEPTED)


def _answer(job: Job, status: HTTPStatus) -> Response:
    return Response(job_json(job), status, _NO_STORE, MEDIA_TYPE)
