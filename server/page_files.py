"""The page: the files of the folder `page/`, read once and served as they are.

Only what was found there at the start is served, by its exact name: no path of a request ever reaches the disk.
"""

from __future__ import annotations

from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import Response

from server.conditional import etag_of, not_modified
from server.file_types import FILE_TYPES
from server.problems import refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State

_FOLDER: Final = Path(__file__).with_name("page")


class _File(NamedTuple):
    body: bytes
    content_type: str
    etag: str


async def index(request: Request[State]) -> Response:
    """GET / where the studio is not built: the page."""
    page = _serve(request, "index.html")
    page.headers["vary"] = "accept"
    return page


async def asset(request: Request[State]) -> Response:
    """GET /page/{name}: what the page is made of."""
    return _serve(request, request.path_params["name"])


def _serve(request: Request[State], name: str) -> Response:
    file = _files().get(name)
    if file is None:
        raise refusal(HTTPStatus.NOT_FOUND)
    # Asked for each time and answered 304: a new version must show at once, without names that carry hashes.
    headers = {"etag": file.etag, "cache-control": "no-cache", "content-type": file.content_type}
    if not_modified(request, file.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(file.body, headers=headers)


@lru_cache(maxsize=1)
def _files() -> dict[str, _File]:
    found = (path for path in _FOLDER.rglob("*") if path.is_file() and path.suffix in FILE_TYPES)
    return {path.relative_to(_FOLDER).as_posix(): _read(path) for path in found}


def _read(path: Path) -> _File:
    body = path.read_bytes()
    return _File(body, FILE_TYPES[path.suffix], etag_of(body))
