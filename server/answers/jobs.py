"""Jobs as they are answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from server.answers.words import Address, Cost, Count, Dollars, Free, Id, JobError, Maybe, Percent, Time
from snapasset.job import Status
from snapasset.job_type import Wire


class JobLinks(Wire):
    """Where a job is looked at, followed and steered."""

    self: Address
    events: Address
    timeline: Address
    cancel: Address
    retry: Address


class Eta(Wire):
    """When a job may start and end, in whole seconds from now, judged by `sampleSize` earlier ones of its kind."""

    starts_in: Count
    finishes_in: Count
    sample_size: Annotated[int, Field(ge=1)]


class Job(Wire):
    """A job as it stands.

    `run` counts the starts that somebody asked for, `attempt` those within the run. `seq` is the number of its newest
    event. `estimatedCost` is in US dollars, 0 for what is free, null when nobody knows. `queuePosition` (1 is next) and `eta` are there when one job is asked for, `streamToken` when a POST waited.
    """

    job_id: Id
    kind: str
    queue: str
    status: Status
    cancel_requested: bool
    priority: Annotated[int, Field(ge=-10, le=10)]
    run: Annotated[int, Field(ge=1)]
    attempt: Count
    attempts: Annotated[int, Field(ge=1)]
    seq: Annotated[int, Field(ge=1)]
    step: str | None
    progress: Percent
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    run_at: Time | None
    expires_at: Time | None
    updated_at: Time
    generation_id: Maybe[Id]
    data: Free
    result: Free | None
    error: JobError | None
    estimated_cost: Dollars | None
    cost: Cost
    depends_on: list[Id]
    links: JobLinks
    queue_position: Annotated[int, Field(ge=1)] | None = None
    eta: Eta | None = None
    stream_token: Maybe[str]


class JobAccepted(Wire):
    """A job that is safe in the record. `streamToken` opens its event stream where no cookie or header can be sent.

    `estimatedCost`: in US dollars; 0 when all of it is free, null when nobody knows.
    """

    job_id: Id
    generation_id: Maybe[Id]
    status: Status
    stream_token: str
    estimated_cost: Dollars | None
    links: JobLinks
    ref: Maybe[str]


class JobEstimate(Wire):
    """What a job would be told of its cost, were it sent now; nothing is made or set aside.

    `estimatedCost`: what `JobAccepted` would have; 0 when all of it is free, null when nobody knows. `credits`: those that would
    be set aside. `refusal`: why it would be refused for what the caller may have and spend, else null; what it depends on or
    adds to is not looked for.
    """

    estimated_cost: Dollars | None
    currency: Literal["USD"]
    credits: Count
    refusal: JobError | None


class BatchAccepted(Wire):
    """The jobs of a batch, in the order in which they were asked for."""

    jobs: Annotated[list[JobAccepted], Field(min_length=1)]
