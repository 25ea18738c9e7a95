"""How the caller's jobs are doing, and what can be asked for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from server.answers.words import Count, Free, Seconds
from snapasset.job_type import Wire


class StatusCounts(Wire):
    """How many jobs are in each status."""

    waiting: Count
    delayed: Count
    blocked: Count
    active: Count
    completed: Count
    failed: Count
    cancelled: Count


class LastDay(Wire):
    """The last 24 hours. `successRate` is 0 to 1; `errors` counts by code why jobs failed."""

    completed: Count
    failed: Count
    cancelled: Count
    retried: Count
    success_rate: Annotated[float, Field(ge=0, le=1)] | None
    mean_seconds: Seconds | None
    p95_seconds: Annotated[Seconds | None, Field(alias="p95Seconds")]
    per_hour: Seconds
    errors: dict[str, Count]


class Overview(Wire):
    """How the caller's jobs (`own`), or for an admin everybody's (`all`), are doing."""

    scope: Literal["own", "all"]
    total: Count
    by_status: StatusCounts
    by_kind: dict[str, StatusCounts]
    last_day: LastDay


class Kind(Wire):
    """A kind of job. `schema` is the JSON Schema of its data; its `platforms` may list sizes under `x-platforms`."""

    kind: str
    queue: str
    attempts: Annotated[int, Field(ge=1)]
    timeout_seconds: Seconds
    access: Literal["session", "user", "admin"]
    args_schema: Annotated[Free, Field(alias="schema")]


class QueueState(Wire):
    """Whether a queue is paused."""

    queue: str
    paused: bool


class Kinds(Wire):
    """Every kind of job that can be asked for."""

    kinds: list[Kind]
