"""The files that jobs made: served to their owner only, named in JSON by id and, beside it, by URL.

A file never changes under its id, so browsers may keep it for good. Only picture types are shown; anything else is
handed over as a download, so that no stored byte ever runs as a page of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from server.auth import identify_or_nobody
from server.conditional import not_modified
from snapasset.errors import NotFound
from snapasset.records.files import GetFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from server.state import State
    from snapasset.records.files import OwnedFile

_SHOWN: Final = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif"}
"""What a browser may show, and the ending of its name. No SVG: it can carry scripts."""

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")

# Sound on any valid JSON text: a quotation mark without a backslash before it begins or ends a string, so only the name of
# a field can be met here, never a part of a longer string.
_FILE_ID: Final = re.compile(r'(?<!\\)"fileId":\s*"([A-Za-z0-9-]{1,64})"')


def with_urls(text: str) -> str:
    """A JSON text with `url` added beside each `fileId`."""
    if '"fileId"' not in text:
        return text
    return _FILE_ID.sub(r'"fileId":"\1","url":"/api/files/\1"', text)


async def serve(request: Request[State]) -> Response:
    """GET /api/files/{file_id}; `?download=1` hands it over under its name instead of showing it."""
    identity = identify_or_nobody(request)
    file_id: str = request.path_params["file_id"]
    file = await request.state["database"].read(GetFile(file_id, identity.owner))
    if file is None:
        raise NotFound("There is no such file.")
    headers = {"etag": f'"{file_id}"', "cache-control": "private, max-age=31536000, immutable"}
    if not_modified(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    headers["content-length"] = str(file.size)
    headers["content-disposition"] = _disposition(file, request.query_params.get("download"))
    headers["content-type"] = file.content_type if file.content_type in _SHOWN else "application/octet-stream"
    if request.method == "HEAD":
        return Response(headers=headers)
    pieces = request.state["storage"].stream(file.key)
    # Asked for before the first byte goes out: a missing file can still be answered as a problem.
    first = await anext(pieces, b"")
    return StreamingResponse(_chain(first, pieces), headers=headers)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _disposition(file: OwnedFile, download: str | None) -> str:
    ending = _SHOWN.get(file.content_type)
    name = f"{_UNSAFE.sub('-', file.name)[:80] or 'file'}.{ending or 'bin'}"
    return f'{"inline" if ending and download != "1" else "attachment"}; filename="{name}"'
