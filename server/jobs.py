"""Jobs over HTTP: find, look at, cancel, retry."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from server.auth import identify, identify_or_nobody
from server.conditional import etag_of, not_modified
from server.job_body import job_json, standing_fields
from server.paging import cursor_after, events_range, find_jobs, flag
from server.submission import refuse_while_stopping
from snapasset.records.standing import GetStanding

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State
    from snapasset.job import Job

MEDIA_TYPE: Final = "application/json"
_NO_STORE: Final = {"cache-control": "no-store"}


async def find(request: Request[State]) -> Response:
    """GET /api/jobs: the caller's jobs, newest first; without an identity there are none."""
    identity = await identify(request)
    asked, limit = find_jobs(request.query_params, identity.owner if identity else "")
    jobs = await request.state["client"].find(asked) if identity else []
    page = jobs[:limit]
    cursor = f'"{cursor_after(page[-1].created_at, page[-1].id)}"' if len(jobs) > limit else "null"
    urls = request.state["file_urls"]
    body = f'{{"jobs":[{",".join(job_json(job, urls) for job in page)}],"nextCursor":{cursor}}}'
    return Response(body, headers=_NO_STORE, media_type=MEDIA_TYPE)


async def look(request: Request[State]) -> Response:
    """GET /api/jobs/{job_id}: with its place in the queue; 304 when nothing has changed since the ETag was given."""
    identity = await identify_or_nobody(request)
    job = await request.state["client"].get(request.path_params["job_id"], owner=identity.owner)
    standing = standing_fields(await request.state["database"].read(GetStanding(job)))
    urls = request.state["file_urls"]
    # What is expected changes with each second that passes; that alone is no news.
    known = job_json(job, urls, {"queuePosition": standing["queuePosition"]})
    headers = {"etag": f"W/{etag_of(known.encode())}", "cache-control": "private, no-cache"}
    if not_modified(request, headers["etag"]):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(job_json(job, urls, standing), headers=headers, media_type=MEDIA_TYPE)


async def timeline(request: Request[State]) -> Response:
    """GET /api/jobs/{job_id}/timeline: its events in order, with `nextAfter` when there are more."""
    identity = await identify_or_nobody(request)
    job_id: str = request.path_params["job_id"]
    after, limit = events_range(request.query_params)
    events = await request.state["client"].timeline(job_id, owner=identity.owner, after=after, limit=limit + 1)
    page = events[:limit]
    more = page[-1].seq if len(events) > limit else "null"
    bodies = ",".join(request.state["file_urls"].sign(event.body) for event in page)
    body = f'{{"jobId":"{job_id}","events":[{bodies}],"nextAfter":{more}}}'
    return Response(body, headers=_NO_STORE, media_type=MEDIA_TYPE)


async def cancel(request: Request[State]) -> Response:
    """POST /api/jobs/{job_id}/cancel, DELETE /api/jobs/{job_id}: 200 when it has ended, 202 when that was asked for."""
    identity = await identify_or_nobody(request)
    job = await request.state["client"].cancel(request.path_params["job_id"], owner=identity.owner)
    return _answer(request, job, HTTPStatus.OK if job.ended else HTTPStatus.ACCEPTED)


async def retry(request: Request[State]) -> Response:
    """POST /api/jobs/{job_id}/retry: 202 with the job at the start of its new run; `?cascade=true`: others with it."""
    refuse_while_stopping(request.state)
    identity = await identify_or_nobody(request)
    job = await request.state["client"].retry(
        request.path_params["job_id"],
        owner=identity.owner,
        access=identity.access,
        cascade=flag(request.query_params, "cascade"),
    )
    return _answer(request, job, HTTPStatus.ACCEPTED)


def _answer(request: Request[State], job: Job, status: HTTPStatus) -> Response:
    return Response(job_json(job, request.state["file_urls"]), status, _NO_STORE, MEDIA_TYPE)
