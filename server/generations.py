"""Generations over HTTP: the gallery. It outlives the jobs that made it, and more can be cut from each master, free.

What a generation was asked for and how it came to be are the kind's own JSON, put in as they are.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import Response

from server.auth import identify, identify_or_mint, identify_or_nobody
from server.body import read_object
from server.paging import cursor_after, page_of
from server.submission import check_access, refuse_while_stopping, take
from snapasset.errors import Conflict, InvalidInput, NotFound, StorageFailed, StorageUnavailable
from snapasset.event import iso
from snapasset.records.generations import Condemn, FindGenerations, Forget, GetGeneration

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State
    from snapasset.records.generations import Generation, KeptFile

log = logging.getLogger(__name__)

RENDITIONS: Final = "image-renditions"
"""The kind of job that cuts more from a master."""

_JSON: Final = "application/json"
_NO_STORE: Final = {"cache-control": "no-store"}


async def find(request: Request[State]) -> Response:
    """GET /api/generations: the caller's, newest first; without an identity there are none."""
    identity = await identify(request)
    before, limit = page_of(request.query_params)
    found: list[Generation] = []
    if identity:
        found = await request.state["database"].read(FindGenerations(identity.owner, before, limit + 1))
    page = found[:limit]
    cursor = f'"{cursor_after(page[-1].created_at, page[-1].id)}"' if len(found) > limit else "null"
    bodies = ",".join(map(_generation_json, page))
    body = request.state["file_urls"].sign(f'{{"generations":[{bodies}],"nextCursor":{cursor}}}')
    return Response(body, headers=_NO_STORE, media_type=_JSON)


async def look(request: Request[State]) -> Response:
    """GET /api/generations/{generation_id}."""
    generation = await owned(request)
    body = request.state["file_urls"].sign(_generation_json(generation))
    return Response(body, headers=_NO_STORE, media_type=_JSON)


async def render(request: Request[State]) -> Response:
    """POST /api/generations/{generation_id}/renditions: a job that cuts more from its master. 202 as for any job.

    409 while there is no master and nothing says that the job is to wait for it.
    """
    refuse_while_stopping(request.state)
    job_type = request.state["catalogue"].get(RENDITIONS)
    identity = await identify_or_mint(request)
    check_access(identity, job_type)
    body = await read_object(request)
    if "generationId" in body:
        raise InvalidInput(fields={"generationId": "stands in the address already"})
    generation_id: str = request.path_params["generation_id"]
    generation = await request.state["database"].read(GetGeneration(generation_id, identity.owner))
    if generation is not None and generation.made is None and "options" not in body:
        raise Conflict("The generation has no master yet: wait for its job, or name that in options.dependsOn.")
    return await take(request, identity, job_type, {"generationId": generation_id, **body})


async def remove(request: Request[State]) -> Response:
    """DELETE /api/generations/{generation_id}: 204, and its pictures are gone for good; 409 while a job works on it.

    202 when the storage does not let them go: nobody sees them any more, and they are removed as soon as it does.
    """
    state = request.state
    identity = await identify_or_nobody(request)
    generation_id: str = request.path_params["generation_id"]
    keys = await state["database"].write(Condemn(generation_id, identity.owner))
    try:
        await state["storage"].delete(keys)
    except (StorageUnavailable, StorageFailed) as error:
        log.warning("pictures are removed later", extra={"generationId": generation_id, "error": error.detail})
        body = json.dumps({"generationId": generation_id, "status": "removing"})
        return Response(body, HTTPStatus.ACCEPTED, _NO_STORE, _JSON)
    await state["database"].write(Forget(generation_id))
    return Response(status_code=HTTPStatus.NO_CONTENT, headers=_NO_STORE)


async def owned(request: Request[State]) -> Generation:
    """The caller's generation that the address names. Raises `NotFound`."""
    identity = await identify_or_nobody(request)
    asked = GetGeneration(request.path_params["generation_id"], identity.owner)
    generation = await request.state["database"].read(asked)
    if generation is None:
        raise NotFound("There is no such generation.")
    return generation


def _generation_json(generation: Generation) -> str:
    at = f"/api/generations/{generation.id}"
    of_role = {file.role: file for file in generation.files}
    fields = {
        "generationId": generation.id,
        "jobId": generation.job_id,
        "createdAt": iso(generation.created_at),
        "status": generation.outcome or "running",
        "master": _file(of_role.get("master")),
        "thumbnail": _file(of_role.get("thumbnail")),
        "images": [_image(file) for file in generation.files if file.role == "rendition"],
        "links": {"self": at, "renditions": f"{at}/renditions", "zip": f"{at}/zip"},
    }
    return f'{json.dumps(fields)[:-1]},"request":{generation.request},"made":{generation.made or "null"}}}'


def _file(file: KeptFile | None) -> dict[str, Any] | None:
    if file is None:
        return None
    return {
        "fileId": file.id,
        "contentType": file.content_type,
        "size": file.size,
        "width": file.width,
        "height": file.height,
    }


def _image(file: KeptFile) -> dict[str, Any]:
    details: dict[str, Any] = json.loads(file.details or "{}")
    return {"platform": file.name, **(_file(file) or {}), **details, "createdAt": iso(file.created_at)}
