"""Generations, files, the service itself and its page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.openapi.building import ETAG, TEXT, UNCHANGED, answer, operation
from server.openapi.kinds import ref
from server.openapi.parts import ANYBODY, ASKING, CHANGING, OWNER, SOMEBODY, refusals

if TYPE_CHECKING:
    from server.openapi.building import Operation, Paths

_PICTURES: Final = ("image/jpeg", "image/png", "image/webp", "image/avif", "application/octet-stream")
_PAGE_FILES: Final = (
    "text/html", "text/javascript", "text/css", "application/json", "image/svg+xml", "image/png", "image/x-icon",
    "font/woff2", "application/manifest+json",
)  # fmt: skip


def gallery_operations() -> Paths:
    """Look at, download and remove generations and their files."""
    return {
        "/api/generations": {"get": _list_generations()},
        "/api/generations/{generationId}": {"get": _get_generation(), "delete": _delete_generation()},
        "/api/generations/{generationId}/zip": {"get": _download_generation()},
        "/api/files/{fileId}": {"get": _get_file()},
    }


def _list_generations() -> Operation:
    page = answer("A page of them.", ref("GenerationList"), links=("FirstGeneration",))
    return operation(
        "listGenerations",
        "Generations",
        "The caller's generations, newest first",
        {"200": page, **refusals(*ASKING)},
        ("Limit", "Cursor"),
        security=SOMEBODY,
    )


def _get_generation() -> Operation:
    generation = answer("The generation.", ref("Generation"), links=("Renditions", "Zip", "Removal"))
    return operation(
        "getGeneration",
        "Generations",
        "A generation with its pictures",
        {"200": generation, **refusals(*ASKING, "not_found")},
        ("GenerationId",),
        security=OWNER,
    )


def _delete_generation() -> Operation:
    return operation(
        "deleteGeneration",
        "Generations",
        "Remove a generation's pictures for good",
        {
            "202": answer("Nobody sees them any more; the storage is away, and they go later.", ref("Removal")),
            "204": {"description": "They are gone."},
            **refusals(*CHANGING, "not_found", "conflict"),
        },
        ("GenerationId",),
        security=OWNER,
    )


def _download_generation() -> Operation:
    pictures: Operation = {"description": "The newest of each platform.", "content": {"application/zip": {}}}
    return operation(
        "downloadGeneration",
        "Generations",
        "A generation's pictures in one file",
        {"200": pictures, **refusals(*ASKING, "not_found", "storage_unavailable")},
        ("GenerationId", "Platforms", "Master"),
        security=OWNER,
    )


def _get_file() -> Operation:
    file: Operation = {"description": "The file.", "headers": ETAG, "content": {kind: {} for kind in _PICTURES}}
    refused = refusals(*ASKING, "not_found", "link_expired", "file_missing", "storage_unavailable")
    return operation(
        "getFile",
        "Files",
        "A file: its owner's, or anybody's by its signed address",
        {"200": file, **UNCHANGED, **refused},
        ("FileId", "Expires", "Signature", "Download", "IfNoneMatch"),
        security=SOMEBODY,
    )


def service_operations() -> Paths:
    """What the service is, and its pages."""
    return {
        "/api/kinds": {"get": _conditional("listKinds", "What jobs can be asked for", "Kinds")},
        "/openapi.json": {"get": _document()},
        "/": {"get": _page("getPage", "The studio, or, where it is not built, the page", ("text/html",))},
        "/assets/{name}": {"get": _page("getAsset", "What the studio is made of", _PAGE_FILES, "StudioFile")},
        "/page/{name}": {"get": _page("getPageFile", "What the page is made of", _PAGE_FILES, "PageFile")},
    }


def _conditional(name: str, summary: str, schema: str) -> Operation:
    return operation(
        name,
        "Service",
        summary,
        {"200": answer("All of them.", ref(schema), headers=ETAG), **UNCHANGED, **refusals()},
        ("IfNoneMatch",),
        security=ANYBODY,
    )


def _document() -> Operation:
    own = {
        "description": "An OpenAPI document.",
        "headers": ETAG,
        "content": {"application/json": {"schema": {"type": "object", "required": ["openapi"]}}},
    }
    responses = {"200": own, **UNCHANGED, **refusals()}
    return operation("getOpenapi", "Service", "This document", responses, ("IfNoneMatch",), security=ANYBODY)


def _page(name: str, summary: str, types: tuple[str, ...], *parameters: str) -> Operation:
    file = {"description": "The file.", "headers": ETAG, "content": {kind: {"schema": TEXT} for kind in types}}
    responses = {"200": file, **UNCHANGED, **refusals("not_found")}
    return operation(name, "Page", summary, responses, (*parameters, "IfNoneMatch"), security=ANYBODY)
