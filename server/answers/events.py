"""What streams and timelines tell."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from server.answers.gallery import File
from server.answers.jobs import Job
from server.answers.words import Code, Cost, Count, Free, Id, JobError, Maybe, Percent, Time
from snapasset.job import Status
from snapasset.job_type import Wire
from snapasset.records.steps import StepState


class _Told(Wire):
    job_id: Id
    seq: Annotated[int, Field(ge=1)]
    run: Annotated[int, Field(ge=1)]
    attempt: Count
    status: Status
    step: str | None
    progress: Percent
    at: Time
    cancel_requested: Maybe[Literal[True]]
    cost: Maybe[Cost]


class Preview(File):
    """An unfinished picture; the higher its `index`, the finer it is. Its address is good until the finished one is there."""

    index: Count


class ChangeEvent(_Told):
    """A job has changed. With `preview` it shows how far its picture is. With `state` it is news of the step `step`: `output` when it is done, `error` when it failed."""

    type: Literal["update"]
    kind: Maybe[str]
    state: Maybe[StepState]
    output: JsonValue = None
    error: Maybe[JobError]
    preview: Maybe[Preview]


class TickEvent(Wire):
    """Progress within a step. It has no seq and is in no timeline: the newest one replaces those before."""

    type: Literal["update"]
    tick: Literal[True]
    job_id: Id
    run: Annotated[int, Field(ge=1)]
    attempt: Count
    status: Literal["active"]
    step: str | None
    progress: Percent


class ErrorEvent(_Told):
    """An attempt has failed, and another follows at `nextAttemptAt`."""

    type: Literal["error"]
    code: Code
    message: str
    retryable: bool
    next_attempt_at: Time


class FinalEvent(_Told):
    """The run has ended: completed with `result`, failed with `error`, or cancelled, perhaps with what was done by then."""

    type: Literal["final"]
    status: Literal["completed", "failed", "cancelled"]  # pyright: ignore[reportIncompatibleVariableOverride]
    result: Maybe[Free]
    error: Maybe[JobError]


class SnapshotEvent(Job):
    """The first frame of a fresh stream: the job as it stands."""

    type: Literal["connected"]


class EventsToken(Wire):
    """Opens `GET /api/events` as `?token=`, for the caller's own news, until `expiresAt`."""

    token: str
    expires_at: Time


class OwnerConnectedEvent(Wire):
    """The first frame of a fresh stream of all jobs; whatever is committed after its id follows."""

    type: Literal["connected"]


class OwnerResumedEvent(Wire):
    """The first frame of a stream of all jobs that goes on after the frame with the id `resumedAfter`."""

    type: Literal["connected"]
    resumed_after: str


class ResumedEvent(Wire):
    """The first frame of a stream that goes on after the event `resumedAfter`."""

    type: Literal["connected"]
    job_id: Id
    resumed_after: Count
