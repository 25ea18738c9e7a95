"""The studio: what `web/` was built into, read once at the start and served from memory.

Only what was found then is served, by its exact name: no path of a request ever reaches the disk. A studio is there as a
whole or not at all; without one, the page of `page_files` is served at `/`.
"""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.responses import Response

from server import page_files
from server.accepting import encoding_of, takes_page, wants_page
from server.conditional import etag_of, not_modified
from server.file_types import FILE_TYPES
from server.problems import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from server.state import State

log = logging.getLogger(__name__)

FOLDER: Final = Path(__file__).parents[1] / "web" / "dist"

_ENCODED: Final = {".br": "br", ".gz": "gzip"}
"""Endings of the files that lie beside another one and are the same in less."""

_NAMED: Final = re.compile(r"\b(?:src|href)=[\"']?/assets/([^\"'\s>]+)")

_VIEW: Final = re.compile(r"/(?:jobs|generations)/[^/]+/?")
"""The addresses that the studio's script knows, besides its beginning (web/src/app/address.ts)."""

_POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
"""No script and no style but those of files here; pictures also out of the page's own memory, to be looked at and saved."""

_FOR_GOOD: Final = "public, max-age=31536000, immutable"


class Form(NamedTuple):
    """One way to send a file."""

    body: bytes
    etag: str


class Asset(NamedTuple):
    """A file whose name changes with its content. `forms` by content coding; None: as it is."""

    content_type: str
    forms: Mapping[str | None, Form]


class Studio(NamedTuple):
    """All that is served of the studio."""

    entry: Form
    assets: Mapping[str, Asset]


def read_studio(folder: Path = FOLDER) -> Studio | None:
    """What is built there; None where there is nothing, or not all that its first page names, which is logged."""
    try:
        entry = (folder / "index.html").read_bytes()
        assets = _read_assets(folder / "assets")
    except FileNotFoundError:
        return None  # not built, or just then being built anew
    except OSError as error:
        log.warning("the studio cannot be read; the plain page is served", extra={"error": type(error).__name__})
        return None
    missing = sorted(set(_NAMED.findall(entry.decode("utf-8", "replace"))) - assets.keys())
    if missing or not assets:
        log.warning("the studio is incomplete; the plain page is served", extra={"missing": missing})
        return None
    return Studio(_form(entry), assets)


async def index(request: Request[State]) -> Response:
    """GET /: the studio, or the page where there is none; raises a refusal where no page is taken."""
    if not takes_page(request):
        raise refusal(HTTPStatus.NOT_FOUND)
    studio = request.state["studio"]
    return await page_files.index(request) if studio is None else _first_page(request, studio)


async def asset(request: Request[State]) -> Response:
    """GET /assets/{name}: what the studio is made of."""
    studio = request.state["studio"]
    found = studio.assets.get(request.path_params["name"]) if studio else None
    if found is None:
        raise refusal(HTTPStatus.NOT_FOUND)
    encoding = encoding_of(request, [name for name in found.forms if name])
    form = found.forms[encoding]
    headers = {"cache-control": _FOR_GOOD, "vary": "accept-encoding", "content-type": found.content_type}
    if encoding:
        headers["content-encoding"] = encoding
    return _answer(request, form, headers)


def is_view(path: str) -> bool:
    """Whether the studio's script has something to show there, besides at its beginning."""
    return _VIEW.fullmatch(path) is not None


def any_view(request: Request[State], taken: frozenset[str]) -> Response:
    """The studio's first page at an address that only its own script knows; raises a refusal if it cannot be one.

    `taken` are the first parts of addresses that mean something here. A last part with a dot is the name of a file. Where the
    script knows nothing either, the page says so to who is there, and its status to all others.
    """
    studio = request.state["studio"]
    parts = request.scope["path"].strip("/").split("/")
    if studio is None or parts[0] in taken or "." in parts[-1] or not wants_page(request):
        raise refusal(HTTPStatus.NOT_FOUND)
    if is_view(request.scope["path"]):
        return _first_page(request, studio)
    return Response(studio.entry.body, status_code=HTTPStatus.NOT_FOUND, headers=_page_headers())


def _first_page(request: Request[State], studio: Studio) -> Response:
    return _answer(request, studio.entry, _page_headers())


def _page_headers() -> dict[str, str]:
    # Asked for each time and answered 304: it alone names the files of the newest build. Programs get a problem in its place.
    return {
        "cache-control": "no-cache",
        "vary": "accept",
        "content-type": FILE_TYPES[".html"],
        "content-security-policy": _POLICY,
    }


def _answer(request: Request[State], form: Form, headers: dict[str, str]) -> Response:
    headers["etag"] = form.etag
    if not_modified(request, form.etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(form.body, headers=headers)


def _read_assets(folder: Path) -> dict[str, Asset]:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return {
        name: Asset(FILE_TYPES[ending], _forms(name, files))
        for name in files
        if (ending := Path(name).suffix) in FILE_TYPES
    }


def _forms(name: str, files: Mapping[str, bytes]) -> dict[str | None, Form]:
    there = {coding: files[name + ending] for ending, coding in _ENCODED.items() if name + ending in files}
    return {None: _form(files[name]), **{coding: _form(body) for coding, body in there.items()}}


def _form(body: bytes) -> Form:
    return Form(body, etag_of(body))
