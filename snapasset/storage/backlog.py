"""What the record keeps for the storage, once that is for longer than it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.records.blobs import BlobBacklog

if TYPE_CHECKING:
    from snapasset.database import Database

_LONG_MS: Final = 60_000


async def complaint(database: Database) -> str | None:
    """A sentence when something has waited for longer than bringing it takes. Raises `DatabaseUnavailable`."""
    backlog = await database.read(BlobBacklog())
    if backlog is None or backlog.oldest_ms < _LONG_MS:
        return None
    return (
        f"Paid pictures wait in the database for the file storage: {backlog.files}, with {backlog.size:,} bytes, the "
        f"oldest for {backlog.oldest_ms // 60_000} min; the log says why."
    )
