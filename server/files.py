"""The files that jobs made: served to their owner, and to whoever has a signed address.

A file never changes under its id, so browsers may keep it for good. Only picture types are shown; anything else is
handed over as a download, so that no stored byte ever runs as a page of ours.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from server.auth import identify_or_nobody
from server.conditional import not_modified
from snapasset.errors import FileMissing, LinkExpired, NotFound
from snapasset.records.files import GetFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from server.state import State
    from snapasset.records.files import OwnedFile

_SHOWN: Final = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif"}
"""What a browser may show, and the ending of its name. No SVG: it can carry scripts."""

_YEAR_SECONDS: Final = 31_536_000

_UNFOUND: Final = "There is no such file."

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


async def serve(request: Request[State]) -> Response:
    """GET /api/files/{file_id}; `?download=1` hands it over under its name instead of showing it."""
    file_id: str = request.path_params["file_id"]
    file, seconds, signed = await _opened(request, file_id)
    headers = {"etag": f'"{file_id}"', "cache-control": f"private, max-age={seconds}, immutable"}
    if signed:
        # Browsers would not show it on another site's page otherwise, which is what the signature is for.
        headers["cross-origin-resource-policy"] = "cross-origin"
    if not_modified(request, headers["etag"]):
        return Response(status_code=304, headers=headers)
    headers["content-length"] = str(file.size)
    headers["content-disposition"] = _disposition(file, request.query_params.get("download"))
    headers["content-type"] = file.content_type if file.content_type in _SHOWN else "application/octet-stream"
    if request.method == "HEAD":
        return Response(headers=headers)
    pieces = request.state["storage"].stream(file.key)
    # Asked for before the first byte goes out: a missing file can still be answered as a problem.
    try:
        first = await anext(pieces, b"")
    except FileMissing:
        if file.role == "preview":
            raise NotFound(_UNFOUND) from None  # it is being removed, as all previews are
        raise
    return StreamingResponse(_chain(first, pieces), headers=headers)


async def _opened(request: Request[State], file_id: str) -> tuple[OwnedFile, int, bool]:
    """The file, for how many seconds it may be kept, and whether its address alone opened it.

    Raises `NotFound`, or `LinkExpired` for an address of the past.
    """
    database, urls, query = request.state["database"], request.state["file_urls"], request.query_params
    expired: LinkExpired | None = None
    try:
        if urls.opens(file_id, query):
            file = await database.read(GetFile(file_id))
            if file is not None:
                return file, urls.seconds_left(query), True
    except LinkExpired as error:
        expired = error  # its owner needs no signature
    file = await database.read(GetFile(file_id, (await identify_or_nobody(request)).owner))
    if file is not None:
        return file, _YEAR_SECONDS, False
    raise expired or NotFound(_UNFOUND)


async def _chain(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _disposition(file: OwnedFile, download: str | None) -> str:
    ending = _SHOWN.get(file.content_type)
    name = file_name(file.name, file.content_type)
    return f'{"inline" if ending and download != "1" else "attachment"}; filename="{name}"'


def file_name(name: str, content_type: str) -> str:
    """A name for a file that is saved: of safe characters, with the ending of its type."""
    return f"{_UNSAFE.sub('-', name)[:80] or 'file'}.{_SHOWN.get(content_type, 'bin')}"
