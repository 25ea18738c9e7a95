"""Every schema of the document: answers and events by their models, bodies by the models that check them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pydantic.json_schema import models_json_schema

from server.answers import events, gallery, health, jobs, service, usage, words
from server.job_body import Options
from server.openapi.kinds import NULL, REF, Plainly, add_kind, one_of, pascal, ref
from server.submission import Batch
from server.usage import Gift
from snapasset.job import Priority

if TYPE_CHECKING:
    from server.openapi.kinds import Schema, Schemas
    from snapasset.job_type import Catalogue, Wire

OPTIONS: Final = "JobOptions"
STATUS: Final = "JobStatus"

_RENAMED: Final = {"Options": OPTIONS, "Status": STATUS, "Batch": "NewBatch"}
"""Names that say enough among the server's modules, and too little to a client."""

_MODELS: Final[tuple[type[Wire], ...]] = (
    words.Problem,
    jobs.Job,
    jobs.BatchAccepted,
    jobs.JobEstimate,
    events.ChangeEvent,
    events.TickEvent,
    events.ErrorEvent,
    events.FinalEvent,
    events.SnapshotEvent,
    events.ResumedEvent,
    events.EventsToken,
    events.OwnerConnectedEvent,
    events.OwnerResumedEvent,
    gallery.GenerationList,
    gallery.Removal,
    service.Overview,
    service.Kinds,
    service.QueueState,
    usage.Usage,
    usage.CreditsLeft,
    health.Health,
    health.HealthDetails,
    health.Liveness,
    health.Readiness,
    Options,
    Batch,
    Gift,
)


class Limits(NamedTuple):
    """What this deployment refuses beyond what the models do; times in seconds."""

    delay: int
    ttl: int
    batch_jobs: int


def all_schemas(catalogue: Catalogue, limits: Limits) -> Schemas:
    """Every schema by its name, with this deployment's kinds and limits."""
    schemas = _of_models()
    _limit(schemas, limits)
    for job_type in catalogue:
        add_kind(schemas, job_type, OPTIONS)
    _join_kinds(schemas, catalogue)
    _join_events(schemas)
    schemas["JobList"] = _closed(
        "Jobs, newest first. `nextCursor` asks for the page after this one; null on the last.",
        jobs={"type": "array", "items": ref("Job")},
        nextCursor={"anyOf": [{"type": "string"}, NULL]},
    )
    schemas["Timeline"] = _closed(
        "A job's events in order. `nextAfter` asks for the events after these; null when there are none.",
        jobId={"type": "string", "format": "uuid"},
        events={"type": "array", "items": ref("TimelineEvent")},
        nextAfter={"anyOf": [{"type": "integer", "minimum": 1}, NULL]},
    )
    return dict(sorted(schemas.items()))


def _of_models() -> Schemas:
    _, found = models_json_schema(
        [(model, "validation") for model in _MODELS], by_alias=True, ref_template=REF, schema_generator=Plainly
    )
    text = json.dumps(found["$defs"])
    for old, new in _RENAMED.items():
        text = text.replace(f'"{REF.format(model=old)}"', f'"{REF.format(model=new)}"')
    parts: Schemas = json.loads(text)
    return {
        _RENAMED.get(name, name): {key: value for key, value in schema.items() if key != "title"}
        for name, schema in parts.items()
    }


def _limit(schemas: Schemas, limits: Limits) -> None:
    options = schemas[OPTIONS]["properties"]
    options["priority"] = {
        "default": Priority.NORMAL.value,
        "anyOf": [{"type": "integer", "minimum": -10, "maximum": 10}, {"enum": [one.name.lower() for one in Priority]}],
        "description": "The higher runs first; brought down to what the caller may ask for.",
    }
    options["delay"] |= {"maximum": limits.delay, "description": "Seconds; not beside `runAt`."}
    options["runAt"] |= {"description": f"At most {limits.delay} seconds from now."}
    options["ttl"] |= {"description": "Seconds; a job that has not started by then fails."}
    for member in options["ttl"]["anyOf"]:
        if member["type"] == "number":
            member["maximum"] = limits.ttl
    options["dependsOn"] |= {
        "uniqueItems": True,
        "description": "Jobs of the caller's, in a batch also its references, that must complete first.",
    }
    schemas["NewBatch"]["properties"]["jobs"]["maxItems"] = limits.batch_jobs


def _join_kinds(schemas: Schemas, catalogue: Catalogue) -> None:
    """Make what differs by kind one of them all."""
    names = {job_type.kind: pascal(job_type.kind) for job_type in catalogue}
    for name, suffix in (("Job", "Job"), ("SnapshotEvent", "Snapshot"), ("BatchJob", "BatchJob")):
        description = schemas[name]["description"]
        members = {kind: f"{kind_name}{suffix}" for kind, kind_name in names.items()}
        schemas[name] = {"description": description, **one_of("kind", members)}
    schemas["JobResult"] = {
        "description": "What a job has left, by its kind.",
        "anyOf": [ref(f"{name}Result") for name in names.values()],
    }
    schemas["FinalEvent"]["properties"]["result"] = ref("JobResult")
    makers = [names[job_type.kind] for job_type in catalogue if job_type.generation == "new"]
    if makers:
        schemas["Generation"]["properties"]["request"] = {"anyOf": [ref(f"{name}Data") for name in makers]}


def _join_events(schemas: Schemas) -> None:
    schemas["UpdateEvent"] = {
        "description": "News of a job that goes on: a change of it, or a tick of progress, which alone has `tick`.",
        "oneOf": [ref("ChangeEvent"), ref("TickEvent")],
    }
    schemas["ConnectedEvent"] = {
        "description": "The first frame of a stream: the job as it stands, or where the stream goes on.",
        "oneOf": [ref("SnapshotEvent"), ref("ResumedEvent")],
    }
    ends = {"error": "ErrorEvent", "final": "FinalEvent"}
    goes_on = ("ChangeEvent", "TickEvent", *ends.values())
    schemas["JobEvent"] = {
        "description": "The data of one frame of a job's stream.",
        # Two of them have two forms each, so the property `type` alone does not tell which: no discriminator.
        "oneOf": [ref(name) for name in ("SnapshotEvent", "ResumedEvent", *goes_on)],
    }
    schemas["OwnerEvent"] = {
        "description": "The data of one frame of the stream of all jobs.",
        "oneOf": [ref(name) for name in ("OwnerConnectedEvent", "OwnerResumedEvent", *goes_on)],
    }
    schemas["JobFrame"] = _frame("JobEvent", "`id` is the seq", {"type": "string", "pattern": "^[0-9]+$"})
    schemas["OwnerFrame"] = _frame("OwnerEvent", "`id` means something to the server alone", {"type": "string"})
    schemas["TimelineEvent"] = {
        "description": "One event of a job, as it is kept.",
        **one_of("type", {"update": "ChangeEvent", **ends}),
    }


def _frame(data: str, what: str, id_: Schema) -> Schema:
    frame = _closed(
        f"One frame of a stream: its fields as they are read. {what}; a frame that can be missed has none.",
        data={"type": "string", "contentMediaType": "application/json", "contentSchema": ref(data)},
        id=id_,
        event={"type": "string"},
        retry={"type": "integer", "minimum": 0},
    )
    return {**frame, "required": ["data"]}


def _closed(description: str, **properties: Any) -> Schema:  # noqa: ANN401  parts of a schema
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
