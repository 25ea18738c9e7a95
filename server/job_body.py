"""A job as the API shows it, and what a submission says.

Texts that are JSON already (data, result, error) are put in as they are, never parsed and written again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from server.body import validate
from snapasset.client import SubmitOptions
from snapasset.errors import InvalidInput, wire_error
from snapasset.event import iso
from snapasset.job import Priority
from snapasset.job_type import Wire
from snapasset.records.costs import cost_json, usd
from snapasset.records.dependencies import PARENTS_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.file_urls import FileUrls
    from snapasset.job import Job
    from snapasset.job_type import JobType
    from snapasset.records.idempotency import Submitted
    from snapasset.records.standing import Standing
    from snapasset.records.submission import Foreseen
    from snapasset.settings import Settings

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

NAME: Final = r"^[A-Za-z0-9_-]{1,64}$"
"""What names a job: its id or, within a batch, a reference of the caller's choice."""

_NO_COST: Final = cost_json(0, 0, 0, 0)

_PRIORITIES: Final = {priority.name.lower(): priority.value for priority in Priority}


def _named_priority(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value not in _PRIORITIES:
        raise PydanticCustomError(
            "priority", "Priority is a whole number or one of {names}", {"names": ", ".join(_PRIORITIES)}
        )
    return _PRIORITIES[value]


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("repeated", "Each job may be named once.")
    return names


class Options(Wire):
    """The `options` of a submission, beside the kind's own data."""

    priority: Annotated[int, BeforeValidator(_named_priority), Field(ge=-10, le=10)] = Priority.NORMAL.value
    delay: Annotated[float, Field(ge=0)] = 0.0
    run_at: AwareDatetime | None = None
    attempts: Annotated[int, Field(ge=1, le=100)] | None = None
    ttl: Annotated[float, Field(gt=0)] | None = None
    depends_on: Annotated[
        tuple[Annotated[str, Field(pattern=NAME)], ...], Field(max_length=PARENTS_LIMIT), AfterValidator(_distinct)
    ] = ()


_NO_OPTIONS: Final = SubmitOptions()


def read_submission(
    body: dict[str, Any], job_type: JobType[Any, Any], settings: Settings, now_ms: int
) -> tuple[Wire, SubmitOptions]:
    """A kind's data and how the job is to be run, from the body of a POST. Raises `InvalidInput`."""
    if "options" not in body:
        return validate(job_type.args, body), _NO_OPTIONS
    options = read_options(validate(Options, body.pop("options"), prefix="options"), settings, now_ms, "options")
    return validate(job_type.args, body), options


def read_options(options: Options, settings: Settings, now_ms: int, at: str) -> SubmitOptions:
    """How a job is to be run, held against this deployment's limits. Raises `InvalidInput`; `at` is where they stand."""
    run_at = None if options.run_at is None else round(options.run_at.timestamp() * 1000)
    furthest = settings.delay_max_seconds
    if options.delay > furthest:
        raise InvalidInput(fields={f"{at}.delay": f"must be at most {furthest} seconds"})
    if run_at is not None and run_at - now_ms > furthest * 1000:
        raise InvalidInput(fields={f"{at}.runAt": f"must be at most {furthest} seconds from now"})
    if options.delay and run_at is not None:
        raise InvalidInput(fields={f"{at}.runAt": "give either delay or runAt, not both"})
    if options.ttl is not None and options.ttl > settings.ttl_max_seconds:
        raise InvalidInput(fields={f"{at}.ttl": f"must be at most {settings.ttl_max_seconds} seconds"})
    return SubmitOptions(
        options.priority, options.attempts, options.delay, run_at, options.ttl, tuple(options.depends_on)
    )


def links(job_id: str) -> str:
    """The addresses of a job, as JSON."""
    at = f"/api/jobs/{job_id}"
    return (
        f'{{"self":"{at}","events":"{at}/events","timeline":"{at}/timeline",'
        f'"cancel":"{at}/cancel","retry":"{at}/retry"}}'
    )


def estimate_of(job: Job | Foreseen | None) -> float | None:
    """What a job is expected to cost, in US dollars; None when nobody knows."""
    return None if job is None or job.estimate is None else usd(job.estimate)


def foreseen_json(foreseen: Foreseen) -> str:
    """What a POST would be told of the cost, as JSON."""
    refusal = foreseen.refusal and wire_error(foreseen.refusal)
    told = {"estimatedCost": estimate_of(foreseen), "currency": "USD", "credits": foreseen.credits, "refusal": refusal}
    return _encode(told)


def accepted(made: Submitted, stream_token: str, ref: str | None = None) -> str:
    """What a POST answers, as JSON; `ref` is what a batch calls the job."""
    generation = f'"generationId":"{made.generation_id}",' if made.generation_id is not None else ""
    name = f'"ref":"{ref}",' if ref is not None else ""
    estimate = _encode(estimate_of(made.job))
    return (
        f'{{{name}"jobId":"{made.job_id}",{generation}"status":"{made.status}","streamToken":"{stream_token}",'
        f'"estimatedCost":{estimate},"links":{links(made.job_id)}}}'
    )


def standing_fields(standing: Standing) -> dict[str, Any]:
    """Where a job stands, as fields of its JSON; times in whole seconds from now."""
    estimate = standing.estimate
    return {
        "queuePosition": standing.position,
        "eta": estimate
        and {
            "startsIn": round(estimate.starts_in / 1000),
            "finishesIn": round(estimate.finishes_in / 1000),
            "sampleSize": estimate.sample_size,
        },
    }


def job_json(job: Job, urls: FileUrls, before: Mapping[str, Any] | None = None) -> str:
    """A job as JSON; the fields of `before` stand in front."""
    fields = {
        **(before or {}),
        "jobId": job.id,
        "kind": job.kind,
        "queue": job.queue,
        "status": job.status,
        "cancelRequested": bool(job.cancel_requested),
        "priority": job.priority,
        "run": job.run,
        "attempt": job.attempt,
        "attempts": job.attempts,
        "seq": job.seq,
        "step": job.step,
        "progress": job.progress,
        "createdAt": iso(job.created_at),
        "startedAt": _iso(job.started_at),
        "finishedAt": _iso(job.finished_at),
        "runAt": _iso(job.due_at),
        "expiresAt": _iso(job.expires_at),
        "updatedAt": iso(job.updated_at),
        "estimatedCost": estimate_of(job),
    }
    if job.generation_id is not None:
        fields["generationId"] = job.generation_id
    return (
        f'{_encode(fields)[:-1]},"data":{urls.sign(job.data)},"result":{urls.sign(job.result or "null")},'
        f'"error":{job.error or "null"},"cost":{job.cost or _NO_COST},"dependsOn":{job.depends_on or "[]"},"links":{links(job.id)}}}'
    )


def _iso(millis: int | None) -> str | None:
    return None if millis is None else iso(millis)
