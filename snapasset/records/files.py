"""Files that jobs made: which of the storage's keys count, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from snapasset.database import Read, Statement

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.job import Job


@dataclass(frozen=True, slots=True)
class FileRow:
    """A stored file about to enter the record with the step that made it.

    `data`: its bytes, for one that is not stored yet and that the record keeps until it is; see `records.blobs`.

    `role` says what it is to its generation (`master`, `rendition`, `thumbnail`), `name` which one (a platform's name);
    width and height are in pixels, size in bytes; `details` is a JSON object with whatever else its kind tells of it.
    """

    id: str
    role: str
    name: str
    key: str
    content_type: str
    size: int
    width: int | None = None
    height: int | None = None
    details: str | None = None
    data: bytes | None = field(default=None, repr=False)

    def insert(self, job: Job) -> Statement:
        """The statement that files it under `job`; harmless when a commit whose answer was lost is sent again."""
        return Statement(
            "INSERT INTO files (id, owner, job_id, generation_id, role, name, key, content_type, size, width, height, "
            "created_at, details) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
            "ON CONFLICT (id) DO NOTHING",
            (
                self.id,
                job.owner,
                job.id,
                job.generation_id,
                self.role,
                self.name,
                self.key,
                self.content_type,
                self.size,
                self.width,
                self.height,
                job.updated_at,
                self.details,
            ),
        )


class NamedFile(NamedTuple):
    """A file that a row of the record names; its size in bytes."""

    id: str
    key: str
    size: int


class OwnedFile(NamedTuple):
    """What serving a file takes."""

    key: str
    name: str
    content_type: str
    size: int
    role: str


@dataclass(frozen=True, slots=True)
class GetFile(Read[OwnedFile | None]):
    """A file by its id; with `owner` set, only if it is theirs. None for one whose generation is being removed."""

    file_id: str
    owner: str | None = None

    def steps(self) -> Steps[OwnedFile | None]:
        sql = (
            "SELECT key, name, content_type, size, role FROM files WHERE id = $1 AND NOT EXISTS "
            "(SELECT 1 FROM generations WHERE id = files.generation_id AND condemned_at IS NOT NULL)"
        )
        if self.owner is None:
            rows = yield Statement(sql, (self.file_id,))
        else:
            rows = yield Statement(f"{sql} AND owner = $2", (self.file_id, self.owner))
        return OwnedFile._make(rows[0]) if rows else None
