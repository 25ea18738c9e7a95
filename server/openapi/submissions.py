"""The addresses that take new jobs: one for each kind, one for batches, one for more pictures from a master.

Beside each kind's is the one that tells beforehand what a job of it would cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.generations import RENDITIONS
from server.openapi.building import TEXT, answer, body, operation
from server.openapi.examples import ACCEPTED, FORESEEN, example_of
from server.openapi.kinds import pascal, ref
from server.openapi.parts import CHANGING, OF_A_JOB, SOMEBODY, SUBMITTING, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.openapi.building import Operation, Paths
    from server.openapi.kinds import Schema, Schemas
    from snapasset.job_type import Catalogue, JobType


def submissions(catalogue: Catalogue, schemas: Schemas) -> Paths:
    """What takes new jobs, or tells what they would cost. Adds the schema `NewRenditions`."""
    cut = next((job_type for job_type in catalogue if job_type.kind == RENDITIONS), None)
    kinds = {f"/api/jobs/{job_type.kind}": {"post": _submission(job_type, schemas)} for job_type in catalogue}
    estimates = {
        f"/api/jobs/{job_type.kind}/estimate": {"post": _estimate(job_type, schemas)} for job_type in catalogue
    }
    return {
        "/api/jobs/batch": {"post": _batch(catalogue, schemas)},
        **kinds,
        **estimates,
        "/api/generations/{generationId}/renditions": {"post": _renditions(cut, schemas)},
    }


_REPLAYED: Final = {
    "idempotent-replayed": {
        "description": "`true`: the key was known, and this is what it made before.",
        "schema": {"type": "string", "const": "true"},
    },
}
_COOKIE: Final = {"set-cookie": {"description": "The session that was made for this request.", "schema": TEXT}}
_LOCATION: Final = {
    "location": {"description": "The job.", "required": True, "schema": {"type": "string", "format": "uri-reference"}}
}
_APPLIED: Final = {
    "preference-applied": {"description": "How long it would have waited.", "required": True, "schema": TEXT}
}


def _submit(
    name: str,
    summary: str,
    request: dict[str, Any],
    codes: Sequence[str],
    links: Sequence[str],
    parameters: Sequence[str] = (),
) -> Operation:
    headers = {**_LOCATION, **_REPLAYED, **_COOKIE}
    return operation(
        name,
        "Jobs",
        summary,
        {
            "202": answer("The job is safe.", ref("JobAccepted"), headers=headers, links=links, example=ACCEPTED),
            "200": answer(
                "It ended while this waited, as `prefer` asked.",
                ref("Job"),
                headers={**headers, **_APPLIED},
                links=links,
            ),
            **refusals(*SUBMITTING, *codes),
        },
        (*parameters, "IdempotencyKey", "Prefer"),
        security=SOMEBODY,
        requestBody=request,
    )


def _codes_of(schema: Schema) -> list[str]:
    """The refusals with a code of their own that what is asked for can meet."""
    own = {"prompt": "invalid_prompt", "platforms": "unknown_platform"}
    return [code for field, code in own.items() if field in schema["properties"]]


def _submission(job_type: JobType[Any, Any], schemas: Schemas) -> Operation:
    name = f"New{pascal(job_type.kind)}"
    links = (*OF_A_JOB, *(("Generation", "Renditions", "Zip", "Removal") if job_type.generation else ()))
    request = body(ref(name), example_of(schemas[name], schemas))
    summary = f"Have a job of the kind {job_type.kind} done"
    return _submit(f"submit{pascal(job_type.kind)}", summary, request, _codes_of(schemas[name]), links)


def _estimate(job_type: JobType[Any, Any], schemas: Schemas) -> Operation:
    name = f"New{pascal(job_type.kind)}"
    return operation(
        f"estimate{pascal(job_type.kind)}",
        "Jobs",
        f"Ask what a job of the kind {job_type.kind} would cost",
        {
            "200": answer("As it would be now; nothing is made.", ref("JobEstimate"), example=FORESEEN),
            **refusals(*CHANGING, "body_too_large", "unsupported_media_type", *_codes_of(schemas[name])),
        },
        security=SOMEBODY,
        requestBody=body(ref(name), example_of(schemas[name], schemas)),
    )


def _renditions(job_type: JobType[Any, Any] | None, schemas: Schemas) -> Operation:
    base: Schema = {"type": "object", "properties": {}}
    if job_type is not None:
        base = schemas[f"New{pascal(job_type.kind)}"]
    properties = {name: told for name, told in base["properties"].items() if name != "generationId"}
    required = [name for name in base.get("required", ()) if name != "generationId"]
    schemas["NewRenditions"] = {**base, "properties": properties, "required": required}
    request = body(ref("NewRenditions"), example_of(schemas["NewRenditions"], schemas))
    codes = (*_codes_of(base), "unknown_kind", "conflict")
    links = (*OF_A_JOB, "Generation", "Zip")
    return _submit("submitRenditions", "Cut more from a generation's master", request, codes, links, ("GenerationId",))


def _batch(catalogue: Catalogue, schemas: Schemas) -> Operation:
    names = [pascal(job_type.kind) for job_type in catalogue]
    codes = dict.fromkeys(code for name in names for code in _codes_of(schemas[f"{name}Args"]))
    item = example_of(schemas[f"{names[0]}BatchJob"], schemas)
    accepted = answer(
        "All jobs are safe.",
        ref("BatchAccepted"),
        headers={**_REPLAYED, **_COOKIE},
        example={"jobs": [{**ACCEPTED, "ref": "first"}]},
    )
    return operation(
        "submitBatch",
        "Jobs",
        "Have many jobs done, or none",
        {"202": accepted, **refusals(*SUBMITTING, *codes)},
        ("IdempotencyKey",),
        security=SOMEBODY,
        requestBody=body(ref("NewBatch"), {"jobs": [{**item, "ref": "first"}]}),
    )
