"""GET /openapi.json: the API as an OpenAPI 3.1 document, for this deployment's kinds and limits."""

from __future__ import annotations

import json
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from server.conditional import etag_of, not_modified
from server.openapi.health_operations import health_operations
from server.openapi.job_operations import job_operations
from server.openapi.other_operations import gallery_operations, service_operations
from server.openapi.parts import LINKS, PARAMETERS, SECURITY_SCHEMES
from server.openapi.schemas import Limits, all_schemas
from server.openapi.submissions import submissions
from server.openapi.usage_operations import usage_operations
from server.problems import MEDIA_TYPE
from snapasset import __version__

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.openapi.building import Paths
    from server.openapi.parts import Responses
    from server.state import State
    from snapasset.job_type import Catalogue

_TAGS: Final = {
    "Jobs": "Work that is done in the background; each is followed live, or looked at later.",
    "Generations": "What was made from one prompt. It outlives its job.",
    "Files": "Pictures.",
    "Usage": "What was used, and may still be.",
    "Service": "What can be asked for, and how the service is.",
    "Page": "The studio at /, and the page that needs no build.",
}
_DESCRIPTION: Final = """One prompt, one paid picture, every social platform's format, each step shown live.

Errors are problem details (RFC 9457) with a `code` that never changes. Times are RFC 3339 in UTC. What is not known in a
body or in a filter is refused. HEAD is answered wherever GET is. Whoever brings no identity is given an anonymous session
with the first job; what is another's is not found, like what is not there."""


async def serve(request: Request[State]) -> Response:
    """The document; 304 when the client has it."""
    settings = request.state["settings"]
    limits = Limits(settings.delay_max_seconds, settings.ttl_max_seconds, settings.batch_max_jobs)
    body, etag = _served(request.state["catalogue"], limits)
    headers = {"etag": etag, "cache-control": "no-cache"}
    if not_modified(request, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@lru_cache(maxsize=1)
def _served(catalogue: Catalogue, limits: Limits) -> tuple[bytes, str]:
    """The answer and its ETag: making it takes tens of milliseconds, and neither argument ever changes."""
    body = json.dumps(document(catalogue, limits), separators=(",", ":"), ensure_ascii=False).encode()
    return body, etag_of(body)


def document(catalogue: Catalogue, limits: Limits) -> dict[str, Any]:
    """The API as it is with these kinds and limits."""
    schemas = all_schemas(catalogue, limits)
    paths: Paths = {
        **submissions(catalogue, schemas),
        **job_operations(catalogue, schemas),
        **gallery_operations(),
        **usage_operations(),
        **service_operations(),
        **health_operations(),
    }
    responses = _share_refusals(paths)
    return {
        "openapi": "3.1.1",
        "info": {"title": "SnapAsset", "version": __version__, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses,
            "parameters": PARAMETERS,
            "links": LINKS,
            "securitySchemes": SECURITY_SCHEMES,
        },
    }


def _share_refusals(paths: Paths) -> Responses:
    """Give each refusal one place and a name, and have the operations refer to it: half of the document is these."""
    shared: Responses = {}
    for operation in (operation for methods in paths.values() for operation in methods.values()):
        for status, told in operation["responses"].items():
            if MEDIA_TYPE in told.get("content", {}):
                name = "Or".join(told["content"][MEDIA_TYPE]["examples"])
                shared[name] = told
                operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    return dict(sorted(shared.items()))
