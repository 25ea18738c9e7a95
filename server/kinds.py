"""GET /api/kinds: which jobs can be asked for, and what each takes, as JSON Schema."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from starlette.responses import Response

from server.conditional import etag_of, not_modified

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State
    from snapasset.job_type import Catalogue


async def describe(request: Request[State]) -> Response:
    """Every kind of the catalogue, in its order."""
    body, etag = _described(request.state["catalogue"])
    headers = {"etag": etag, "cache-control": "no-cache"}
    if not_modified(request, etag):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@lru_cache(maxsize=1)
def _described(catalogue: Catalogue) -> tuple[bytes, str]:
    """The answer and its ETag: making schemas takes milliseconds, and a catalogue never changes."""
    kinds = [
        {
            "kind": job_type.kind,
            "queue": job_type.queue,
            "attempts": job_type.attempts,
            "timeoutSeconds": job_type.timeout,
            "access": job_type.access.name.lower(),
            "schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **job_type.args.model_json_schema(by_alias=True),
            },
        }
        for job_type in catalogue
    ]
    body = json.dumps({"kinds": kinds}, separators=(",", ":"), ensure_ascii=False).encode()
    return body, etag_of(body)
