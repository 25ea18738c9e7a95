"""Unfinished pictures as the record knows them: a row before there is a file, and no row less until the file is gone.

So whatever becomes of the process that shows them, somebody can find them: they are spent as soon as their job has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.records.files import FileRow, NamedFile
from snapasset.records.jobs import COLUMNS, first_job
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from snapasset.database import Steps

GRACE_MS: Final = 10_000
"""How long after the end of its job a preview is left alone: one whose showing was broken off may still be arriving."""

_OVERLAP_MS: Final = 60_000
"""Ends are entered later than they are dated, and clocks are set."""


@dataclass(frozen=True, slots=True)
class FilePreview(Write[bool]):
    """File a preview that is about to be stored; no event tells it. False, and nothing is written, when the job is not held."""

    job_id: str
    fence: int
    file: FileRow

    def touches(self) -> frozenset[str]:
        return frozenset((self.job_id,))

    def steps(self) -> Steps[bool]:
        rows = yield Statement(
            f"SELECT {COLUMNS} FROM jobs WHERE id = $1 AND fence = $2 AND status = 'active' FOR UPDATE",
            (self.job_id, self.fence),
        )
        job = first_job(rows)
        if job is None:
            return False
        yield self.file.insert(job)
        return True


class Spent(NamedTuple):
    """Previews that nobody needs, and from which end of a job on the next look must begin."""

    files: tuple[NamedFile, ...]
    upto: int


@dataclass(frozen=True, slots=True)
class SpentPreviews(Read[Spent]):
    """The previews of jobs that have ended, of `kinds`, since the time `since`; None: all there are, also without a job."""

    kinds: tuple[str, ...]
    since: int | None = None

    def steps(self) -> Steps[Spent]:
        ((now,),) = yield Statement("SELECT now_ms()")
        ended = now - GRACE_MS
        if self.since is None:
            rows = yield Statement(
                "SELECT id, key, size FROM files WHERE role = 'preview' AND NOT EXISTS (SELECT 1 FROM jobs "
                "WHERE jobs.id = files.job_id AND (finished_at IS NULL OR finished_at > $1))",
                (ended,),
            )
        else:
            rows = yield Statement(
                "SELECT files.id, files.key, files.size FROM jobs JOIN files ON files.generation_id = jobs.generation_id "
                f"WHERE jobs.kind IN ({marks(len(self.kinds), 3)}) AND jobs.status IN ('completed', 'failed', 'cancelled') "
                "AND jobs.finished_at > $1 AND jobs.finished_at <= $2 AND files.job_id = jobs.id "
                "AND files.role = 'preview'",
                (self.since, ended, *self.kinds),
            )
        return Spent(tuple(NamedFile(*row) for row in rows), ended - _OVERLAP_MS)
