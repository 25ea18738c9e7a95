"""GET /api/generations/{generation_id}/zip: all its pictures in one file, made while it is sent.

Pictures are compressed already, so they are stored as they are; never more than one piece of one of them is in memory.
"""

from __future__ import annotations

import time
import zipfile
from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from server.files import file_name
from server.generations import owned
from server.paging import flag, names, refuse_others
from snapasset.errors import FileMissing, InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from starlette.requests import Request

    from server.state import State
    from snapasset.records.generations import KeptFile
    from snapasset.storage import Storage

_NOT_THERE: Final = "MISSING.txt"
_MODE: Final = 0o644 << 16


async def download(request: Request[State]) -> Response:
    """The newest rendition of each platform, or of those in `platforms`; with `master=true` what they were cut from."""
    generation = await owned(request)
    refuse_others(request.query_params, {"platforms", "master"})
    wanted = names(request.query_params, "platforms")
    made = {file.name: file for file in generation.files if file.role == "rendition"}
    if unknown := [name for name in wanted if name not in made]:
        raise InvalidInput(fields={"platforms": f"this generation has no picture for {unknown[0][:60]!r}"})
    files = [made[name] for name in dict.fromkeys(wanted or made)]
    if flag(request.query_params, "master"):
        files += [file for file in generation.files if file.role == "master"]
    if not files:
        raise NotFound("This generation has no pictures yet.")
    headers = {
        "content-disposition": f'attachment; filename="snapasset-{generation.id[-12:]}.zip"',
        "cache-control": "no-store",
    }
    if request.method == "HEAD":
        return Response(headers=headers, media_type="application/zip")
    return StreamingResponse(zipped(request.state["storage"], files), headers=headers, media_type="application/zip")


async def zipped(storage: Storage, files: Sequence[KeptFile]) -> AsyncGenerator[bytes]:
    """The bytes of a zip of these files, in pieces. One that is gone from the storage is named in a text beside the rest."""
    out = _Out()
    missing: list[str] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            name = file_name(file.name, file.content_type)
            pieces = storage.stream(file.key)
            try:
                first = await anext(pieces, b"")
            except FileMissing:
                missing.append(name)
                continue
            with archive.open(_entry(name, file), "w") as entry:
                entry.write(first)
                async for piece in pieces:
                    yield out.take()
                    entry.write(piece)
            yield out.take()
        if missing:
            archive.writestr(_NOT_THERE, "\n".join(["These files are gone from the storage:", *missing, ""]))
    yield out.take()


def _entry(name: str, file: KeptFile) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, time.gmtime(file.created_at / 1000)[:6])
    entry.external_attr = _MODE
    entry.file_size = file.size
    return entry


class _Out:
    """Where the archive writes to: it can be emptied, and never gone back in."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """There is nothing to close."""

    def take(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)
