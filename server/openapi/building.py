"""How an operation is written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.openapi.kinds import Schema
    from server.openapi.parts import Responses

Operation = dict[str, Any]
Paths = dict[str, dict[str, Operation]]

TEXT: Final = {"type": "string"}
ETAG: Final = {"etag": {"description": "Names this state.", "required": True, "schema": TEXT}}
UNCHANGED: Final = {"304": {"description": "It is what the ETag names.", "headers": ETAG}}
_JSON: Final = "application/json"


def operation(
    name: str,
    tag: str,
    summary: str,
    responses: Responses,
    parameters: Sequence[str] = (),
    *,
    security: Sequence[dict[str, list[str]]] = (),
    **more: Any,  # noqa: ANN401  parts of the document
) -> Operation:
    """One method of one address; `parameters` are names of `parts.PARAMETERS`."""
    told = [{"$ref": f"#/components/parameters/{parameter}"} for parameter in parameters]
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        **({"parameters": told} if told else {}),
        "security": list(security),
        **more,
        "responses": dict(sorted(responses.items())),
    }


def answer(
    description: str,
    schema: Schema,
    *,
    headers: dict[str, Any] | None = None,
    links: Sequence[str] = (),
    example: object = None,
) -> dict[str, Any]:
    """An answer in JSON; `links` are names of `parts.LINKS`."""
    media: dict[str, Any] = {"schema": schema}
    if example is not None:
        media["example"] = example
    told: dict[str, Any] = {"description": description, "content": {_JSON: media}}
    if headers:
        told["headers"] = headers
    if links:
        told["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in links}
    return told


def body(schema: Schema, example: object) -> dict[str, Any]:
    """A body in JSON."""
    return {"required": True, "content": {_JSON: {"schema": schema, "example": example}}}
