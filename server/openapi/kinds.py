"""The schemas that a kind of job brings: what it takes, what is kept of that, what it leaves, and its jobs."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import GenerateJsonSchema

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue
    from pydantic_core import core_schema

    from snapasset.job_type import JobType, Wire

Schema = dict[str, Any]
Schemas = dict[str, Schema]

REF: Final = "#/components/schemas/{model}"
NULL: Final[Schema] = {"type": "null"}

_ADDRESS: Final[Schemas] = {
    "url": {"type": "string", "format": "uri-reference", "description": "Opens the file for anybody, for a while."},
    "urlExpiresAt": {"type": "string", "format": "date-time"},
}


class Plainly(GenerateJsonSchema):
    """JSON Schema without titles that repeat names; of what is stored, every field is there."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401  the type is long and not looked at
        del schema
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if isinstance(schema.get("default"), (str, int, float)):
            return super().default_schema(schema)
        return self.generate_inner(schema["schema"])

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ANN401
        return self.mode == "serialization" or super().field_is_required(field, total)


def ref(name: str) -> Schema:
    """A reference to a schema of the document."""
    return {"$ref": REF.format(model=name)}


def one_of(tag: str, members: dict[str, str]) -> Schema:
    """One of several schemas, told apart by the property `tag`; `members` maps its values to their names."""
    mapping = {value: REF.format(model=name) for value, name in members.items()}
    return {
        "oneOf": [ref(name) for name in members.values()],
        "discriminator": {"propertyName": tag, "mapping": mapping},
    }


def pascal(name: str) -> str:
    """`image-generation` → `ImageGeneration`, `not_found` → `NotFound`."""
    return "".join(part.capitalize() for part in name.replace("_", "-").split("-"))


def add_kind(schemas: Schemas, job_type: JobType[Any, Any], options: str) -> None:
    """Add what one kind brings; `schemas` has `Job`, `SnapshotEvent` and `BatchJob` as they are for any kind."""
    name = pascal(job_type.kind)
    args = _own(schemas, job_type.args, "validation", name)
    schemas[f"{name}Args"] = args
    schemas[f"New{name}"] = {**args, "properties": {**args.get("properties", {}), "options": ref(options)}}
    schemas[f"{name}Data"] = _own(schemas, job_type.args, "serialization", name)
    schemas[f"{name}Result"] = _own(schemas, job_type.result, "serialization", name)
    for suffix, base in (("Job", "Job"), ("Snapshot", "SnapshotEvent")):
        schemas[f"{name}{suffix}"] = _of_kind(schemas[base], job_type, name)
    item = copy.deepcopy(schemas["BatchJob"])
    item["properties"] |= {"kind": _constant(job_type.kind), "data": ref(f"{name}Args")}
    schemas[f"{name}BatchJob"] = item


def _of_kind(base: Schema, job_type: JobType[Any, Any], name: str) -> Schema:
    job = copy.deepcopy(base)
    job["properties"] |= {
        "kind": _constant(job_type.kind),
        "queue": _constant(job_type.queue),
        "data": ref(f"{name}Data"),
        "result": {"anyOf": [ref(f"{name}Result"), NULL]},
    }
    if job_type.generation is None:
        del job["properties"]["generationId"]
    else:
        job["required"].append("generationId")
    return job


def _constant(value: str) -> Schema:
    return {"type": "string", "const": value}


def _own(schemas: Schemas, model: type[Wire], mode: JsonSchemaMode, kind: str) -> Schema:
    """The schema of a kind's model; those it is made of are added to `schemas`."""
    schema = model.model_json_schema(by_alias=True, ref_template=REF, schema_generator=Plainly, mode=mode)
    parts: Schemas = schema.pop("$defs", {})
    error = set(schemas["JobError"]["properties"])
    same = {part: "JobError" for part, told in parts.items() if set(told.get("properties", ())) == error}
    renamed = {part: _name(schemas, part, _finished(told, same), kind) for part, told in parts.items()} | same
    for part, told in parts.items():
        schemas.setdefault(renamed[part], _finished(told, renamed))
    schema = _finished(schema, renamed)
    _name_choices(schemas, schema)
    return schema


def _name_choices(schemas: Schemas, schema: Schema) -> None:
    """Give what a list chooses from a name: `platforms` is a list of `Platform`. Its drawings are in /api/kinds."""
    for name, told in schema.get("properties", {}).items():
        if "enum" in told.get("items", {}):
            choice = pascal(name.removesuffix("s"))
            if schemas.setdefault(choice, told["items"]) == told["items"]:
                told["items"] = ref(choice)
            told.pop("x-platforms", None)


def _name(schemas: Schemas, part: str, schema: Schema, kind: str) -> str:
    """What a part of a kind's model is called: as it calls itself, unless that is the name of something else."""
    known = schemas.get(part, schema)
    return part if _shape(known) == _shape(schema) else f"{kind}{part}"


def _shape(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key not in ("title", "description")}


def _finished(schema: Schema, renamed: dict[str, str]) -> Schema:
    """Without its title, with its parts as they are called, and with what is sent beside each `fileId`."""
    text = json.dumps({key: value for key, value in schema.items() if key != "title"})
    for part, name in renamed.items():
        text = text.replace(f'"{REF.format(model=part)}"', f'"{REF.format(model=name)}"')
    finished: Schema = json.loads(text)
    if "fileId" in finished.get("properties", {}):
        finished["properties"] |= _ADDRESS
        finished["required"] += _ADDRESS
    return finished
