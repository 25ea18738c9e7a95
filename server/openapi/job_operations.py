"""What can be done with jobs that are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.openapi.building import ETAG, UNCHANGED, answer, operation
from server.openapi.examples import FRAME, OWNER_FRAME, TOLD, waiting_job
from server.openapi.kinds import ref
from server.openapi.parts import ASKING, CHANGING, JOB_ID, NEWS, OF_A_JOB, OWNER, PAYING, SOMEBODY, STREAM, refusals

if TYPE_CHECKING:
    from server.openapi.building import Operation, Paths
    from server.openapi.kinds import Schemas
    from snapasset.job_type import Catalogue


def job_operations(catalogue: Catalogue, schemas: Schemas) -> Paths:
    """Find, look at, follow and steer jobs."""
    job = waiting_job(next(iter(catalogue)), schemas)
    return {
        "/api/jobs": {"get": _list()},
        "/api/jobs/stats/overview": {"get": _overview()},
        "/api/jobs/{jobId}": {"get": _look(job), "delete": _cancel("deleteJob", "Cancel a job, as `cancelJob` does")},
        "/api/jobs/{jobId}/cancel": {"post": _cancel("cancelJob", "Cancel a job")},
        "/api/jobs/{jobId}/retry": {"post": _retry()},
        "/api/jobs/{jobId}/timeline": {"get": _timeline()},
        "/api/jobs/{jobId}/events": {"get": _follow()},
        "/api/events": {"get": _follow_all()},
        "/api/events/token": {"post": _events_token()},
    }


def _cancel(name: str, summary: str) -> Operation:
    answers = {
        "200": answer("It is cancelled.", ref("Job"), links=("Job", "Retry")),
        "202": answer("It runs, and will stop.", ref("Job"), links=("Job",)),
    }
    responses = {**answers, **refusals(*CHANGING, "not_found", "conflict")}
    return operation(name, "Jobs", summary, responses, ("JobId",), security=OWNER)


def _list() -> Operation:
    return operation(
        "listJobs",
        "Jobs",
        "The caller's jobs, newest first",
        {
            "200": answer("A page of them.", ref("JobList"), links=("FirstJob", "NextJobs")),
            **refusals(*ASKING),
        },
        ("Status", "Kind", "CreatedAfter", "CreatedBefore", "Limit", "Cursor"),
        security=SOMEBODY,
    )


def _look(job: dict[str, object]) -> Operation:
    return operation(
        "getJob",
        "Jobs",
        "A job as it stands",
        {
            "200": answer("The job.", ref("Job"), headers=ETAG, links=OF_A_JOB[1:], example=job),
            **UNCHANGED,
            **refusals(*ASKING, "not_found"),
        },
        ("JobId", "IfNoneMatch"),
        security=OWNER,
    )


def _retry() -> Operation:
    return operation(
        "retryJob",
        "Jobs",
        "Begin a new run of a job that failed or was cancelled",
        {
            "202": answer("The job at the start of its new run.", ref("Job"), links=("Job", "Cancel")),
            **refusals(*CHANGING, "not_found", "conflict", "dependency_failed", *PAYING, "unavailable"),
        },
        ("JobId", "Cascade"),
        security=OWNER,
    )


def _timeline() -> Operation:
    return operation(
        "getTimeline",
        "Jobs",
        "What has happened to a job",
        {
            "200": answer(
                "Its events in order.", ref("Timeline"), example={"jobId": JOB_ID, "events": TOLD, "nextAfter": None}
            ),
            **refusals(*ASKING, "not_found"),
        },
        ("JobId", "After", "EventsLimit"),
        security=OWNER,
    )


def _follow() -> Operation:
    return operation(
        "followJob",
        "Jobs",
        "A job's news as server-sent events",
        {
            "200": {
                "description": "One JobEvent in the data of each frame; the stream ends after the final one.",
                "content": {
                    "text/event-stream": {"schema": ref("JobFrame"), "x-event-data": ref("JobEvent"), "example": FRAME}
                },
            },
            "204": {"description": "All of it came already: do not connect again."},
            **refusals(*ASKING, "not_found"),
        },
        ("JobId", "LastEventId", "LeftOffAfter", "Named"),
        security=(*OWNER, STREAM),
    )


def _follow_all() -> Operation:
    return operation(
        "followAllJobs",
        "Jobs",
        "The news of all the caller's jobs, new ones among them, as server-sent events",
        {
            "200": {
                "description": "One OwnerEvent in the data of each frame; there is no last one. Who brings no identity "
                "gets a session with it, where sessions are taken.",
                "content": {
                    "text/event-stream": {
                        "schema": ref("OwnerFrame"),
                        "x-event-data": ref("OwnerEvent"),
                        "example": OWNER_FRAME,
                    }
                },
            },
            **refusals(*CHANGING),
        },
        ("LastEventId", "LeftOffAt", "Named"),
        security=(*SOMEBODY, NEWS),
    )


def _events_token() -> Operation:
    return operation(
        "makeEventsToken",
        "Jobs",
        "A token that opens the caller's own news for an hour",
        {"200": answer("The token.", ref("EventsToken")), **refusals(*CHANGING)},
        security=OWNER,
    )


def _overview() -> Operation:
    return operation(
        "getOverview",
        "Jobs",
        "How the caller's jobs are doing; everybody's, for an admin",
        {"200": answer("Counts, and the last 24 hours.", ref("Overview")), **refusals(*ASKING)},
        security=SOMEBODY,
    )
