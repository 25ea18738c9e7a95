"""Examples that are true: each is held against its schema by a test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from server.openapi.kinds import pascal
from server.openapi.parts import GENERATION_ID, JOB_ID

if TYPE_CHECKING:
    from server.openapi.kinds import Schema, Schemas
    from snapasset.job_type import JobType

_AT: Final = f"/api/jobs/{JOB_ID}"
_LINKS: Final = {
    "self": _AT,
    "events": f"{_AT}/events",
    "timeline": f"{_AT}/timeline",
    "cancel": f"{_AT}/cancel",
    "retry": f"{_AT}/retry",
}

ACCEPTED: Final[dict[str, Any]] = {
    "jobId": JOB_ID,
    "status": "waiting",
    "streamToken": "q0pZ0PzQ3Qm8cB6wJ7v1n2s4x5y6z7A8B9C0D1E2F3g",
    "estimatedCost": 0.0,
    "links": _LINKS,
}

FORESEEN: Final[dict[str, Any]] = {"estimatedCost": 0.0412, "currency": "USD", "credits": 0, "refusal": None}

_FIRST: Final = {"jobId": JOB_ID, "seq": 1, "run": 1, "attempt": 0, "status": "waiting", "step": None, "progress": 0}
_SECOND: Final = {"jobId": JOB_ID, "seq": 2, "run": 1, "attempt": 1, "status": "active", "step": None, "progress": 0}

TOLD: Final[list[dict[str, Any]]] = [
    {"type": "update", **_FIRST, "at": "2026-01-31T12:00:00.000Z"},
    {"type": "update", **_SECOND, "at": "2026-01-31T12:00:00.120Z"},
    {"type": "final", **_SECOND, "seq": 3, "status": "cancelled", "at": "2026-01-31T12:00:01.500Z"},
]
"""The events of a job that was cancelled while it ran."""

FRAME: Final = {"id": "2", "data": json.dumps(TOLD[1], separators=(",", ":"))}
OWNER_FRAME: Final = {**FRAME, "id": "7f3a9c21-0-1042"}

_BY_NAME: Final[dict[str, Any]] = {
    "prompt": "a lighthouse at dusk",
    "generationId": GENERATION_ID,
    "background": "#f4f1ea",
}
"""What is said better than by the first value that would do."""


def example_of(schema: Schema, schemas: Schemas, name: str = "") -> Any:  # noqa: ANN401  whatever the schema says
    """The least that this schema allows: every field that must be there, and no other."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    if name in _BY_NAME:
        return _BY_NAME[name]
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    for choice in ("enum", "examples"):
        if choice in schema:
            return schema[choice][0]
    if choices := schema.get("oneOf", schema.get("anyOf")):
        return example_of(cast("Schema", choices[0]), schemas, name)
    return _of_type(schema, schemas)


def _of_type(schema: Schema, schemas: Schemas) -> Any:  # noqa: ANN401
    match schema.get("type"):
        case "object":
            told: Schemas = schema.get("properties", {})
            return {field: example_of(told[field], schemas, field) for field in schema.get("required", ())}
        case "array":
            return [example_of(schema["items"], schemas) for _ in range(schema.get("minItems", 0))]
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
        case "null":
            return None
        case _:
            return "text"


def waiting_job(job_type: JobType[Any, Any], schemas: Schemas) -> dict[str, Any]:
    """A job that has just been submitted, as it is looked at."""
    generation = {} if job_type.generation is None else {"generationId": GENERATION_ID}
    data = example_of(schemas[f"{pascal(job_type.kind)}Data"], schemas)
    return {
        "queuePosition": 1,
        "eta": {"startsIn": 4, "finishesIn": 12, "sampleSize": 50},
        "jobId": JOB_ID,
        "kind": job_type.kind,
        "queue": job_type.queue,
        "status": "waiting",
        "cancelRequested": False,
        "priority": 0,
        "run": 1,
        "attempt": 0,
        "attempts": job_type.attempts,
        "seq": 1,
        "step": None,
        "progress": 0.0,
        "createdAt": "2026-01-31T12:00:00.000Z",
        "startedAt": None,
        "finishedAt": None,
        "runAt": "2026-01-31T12:00:00.000Z",
        "expiresAt": None,
        "updatedAt": "2026-01-31T12:00:00.000Z",
        **generation,
        "data": data,
        "result": None,
        "error": None,
        "estimatedCost": 0.0,
        "cost": {"usd": 0.0, "calls": 0, "doubtfulCalls": 0, "unpricedCalls": 0},
        "dependsOn": [],
        "links": _LINKS,
    }
