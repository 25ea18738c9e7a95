"""How the service is: for anybody, and in detail for whoever runs it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from server.answers.words import Count, Maybe, Seconds, Time
from snapasset.job_type import Wire

Mode = Literal["redis", "memory"]


class DatabaseHealth(Wire):
    """The record: without it nothing can be taken. `why`: what is to be mended where it answers and takes no changes."""

    status: Literal["ok", "down"]
    name: str
    why: Maybe[str]


class StorageHealth(Wire):
    """Where pictures are kept. full: it takes no more of them, and is well otherwise. `why`: what is to be mended."""

    status: Literal["ok", "full", "down"]
    name: str
    why: Maybe[str]


class RedisHealth(Wire):
    """What lets several processes share the work at once. `why`: the reason why it is not used though it is asked for."""

    status: Literal["ok", "down", "not configured"]
    why: Maybe[str]


class ProviderHealth(Wire):
    """Who makes the pictures, as the process that answers knows. unknown: it does not say how it is.

    down: what is sent to it now fails; `why` says what to mend: the key, the model, the quota, the way there.
    """

    status: Literal["ok", "unknown", "down"]
    name: str
    model: str
    why: Maybe[str]


class UsersHealth(Wire):
    """Whether who has signed in can be known; there where users can sign in. unknown: no keys to check them by were had yet.

    down: they cannot be had, and users are refused; `why` says what to mend.
    """

    status: Literal["ok", "unknown", "down"]
    why: Maybe[str]


class QueueHealth(Wire):
    """The jobs of a queue that have not ended, and how many live processes take them.

    `why`: the reason for which it has paused itself, and how it goes on.
    """

    waiting: Count
    active: Count
    delayed: Count
    blocked: Count
    workers: Count
    paused: bool
    why: Maybe[str]


class Services(Wire):
    """The parts of the service; no `queues` while nobody knows how many jobs there are, as the database is down or slow."""

    database: DatabaseHealth
    storage: StorageHealth
    provider: ProviderHealth
    redis: RedisHealth
    users: Maybe[UsersHealth]
    queues: dict[str, QueueHealth]


class Health(Wire):
    """How the service is. `uptime` in seconds.

    degraded: jobs are taken, but not all will succeed now, or nobody can tell: the storage, Redis, the provider or the users' keys are away, jobs are ready
    that no live process would take (it must serve the queue and know the kind) while the queue is not paused, or the
    database is too slow to count them, or a queue has paused itself. down: no job is taken. `unknownKinds`: by queue and kind, how many jobs wait for
    another version of the service than the one that answers.
    """

    status: Literal["ok", "degraded", "down"]
    uptime: Seconds
    version: str
    mode: Mode
    services: Services
    unknown_kinds: Maybe[dict[str, dict[str, Count]]]


class Liveness(Wire):
    """Whether all runs that must run in the process; while it drains, or without its database, it lives."""

    status: Literal["ok", "down"]


class Readiness(Wire):
    """Whether new requests are welcome here."""

    status: Literal["ready", "starting", "draining", "down"]


class QueueDetails(QueueHealth):
    """A queue with its limits. `room`: how many jobs may be claimed now; null where there is no bound.

    `oldestSeconds`: for how long the oldest ready job has waited, of those of kinds that are known here. `rings`: calls for workers that nobody has answered
    yet; null where that cannot be told.
    """

    name: str
    concurrency: Annotated[int, Field(ge=1)] | None
    rate_jobs: Annotated[int, Field(ge=1)] | None
    rate_seconds: Seconds | None
    room: Count | None
    oldest_seconds: Seconds | None
    rings: Count | None


class WorkerDetails(Wire):
    """A process that runs jobs, or has lately. `mode`: whether it uses Redis; `running`: the ids of the jobs that it holds."""

    id: str
    role: Literal["worker", "api"]
    host: str
    pid: Count
    version: str
    mode: Mode
    kinds: list[str]
    queues: list[str]
    started_at: Time
    seen_at: Time
    alive: bool
    running: list[str]


class ProcessDetails(Wire):
    """The process that answers; null where the system does not tell."""

    pid: Count
    uptime: Seconds
    resident_bytes: Count | None
    open_files: Count | None
    loop_lag_seconds: Seconds


class StreamDetails(Wire):
    """How many streams are being read here, and how many readers are behind or pieces of news wait for them."""

    readers: Count
    waiting: Count


class HealthDetails(Health):
    """All that whoever runs the service may want to know; no `queues` and no `workers` while they are not known."""

    mode_since: Time
    queues: dict[str, QueueDetails]
    workers: list[WorkerDetails] | None
    process: ProcessDetails
    streams: StreamDetails
    settings: dict[str, JsonValue]
