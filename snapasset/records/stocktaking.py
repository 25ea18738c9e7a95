"""T13: the storage and the record held against each other: rows without files, files without rows, files replaced.

Times are ms since the epoch; where an `owner` is None, everybody's is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.records.conditions import LOST, whose
from snapasset.records.files import NamedFile
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from snapasset.database import Steps

NEVER: Final = -1
"""A time before all others: nothing ended or was made at it or before."""

_GOING: Final = (
    "EXISTS (SELECT 1 FROM generations WHERE generations.id = files.generation_id "
    f"AND (condemned_at IS NOT NULL OR ({LOST} AND ended_at <= $1)))"
)
"""Of a file: its generation is being removed, or was lost until $1."""

_NEWER: Final = (
    "newer.generation_id = files.generation_id AND newer.role = files.role AND newer.name = files.name "
    "AND (newer.created_at, newer.id) > (files.created_at, files.id)"
)


class RecordedFile(NamedTuple):
    """A file that a row names. `going`: its generation is removed as a whole."""

    file: NamedFile
    going: bool
    master: bool


@dataclass(frozen=True, slots=True)
class FilesByKey(Read[list[RecordedFile]]):
    """The files that the record names, in the order of their keys, those after `after`.

    `lost_before`: the generations that failed or were cancelled until then are removed as a whole; `NEVER` for none.
    """

    after: str
    lost_before: int
    limit: int

    def steps(self) -> Steps[list[RecordedFile]]:
        rows = yield Statement(
            f"SELECT id, key, size, {_GOING}, role = 'master' FROM files WHERE key > $2 ORDER BY key LIMIT $3",
            (self.lost_before, self.after, self.limit),
        )
        return [
            RecordedFile(NamedFile(file_id, key, size), bool(going), bool(master))
            for file_id, key, size, going, master in rows
        ]


@dataclass(frozen=True, slots=True)
class NewestFiles(Read[list[str]]):
    """The keys of the files that were recorded last and should be there, the newest first.

    Not of those that the record keeps itself, and not of unfinished pictures, which are recorded before they are stored.
    """

    limit: int

    def steps(self) -> Steps[list[str]]:
        rows = yield Statement(
            "SELECT key FROM files WHERE role <> 'preview' AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.key = files.key) "
            "ORDER BY created_at DESC, id DESC LIMIT $1",
            (self.limit,),
        )
        return [key for (key,) in rows]


@dataclass(frozen=True, slots=True)
class StillNamed(Read[frozenset[str]]):
    """Those of these files, by their ids, that have a row."""

    file_ids: tuple[str, ...]

    def steps(self) -> Steps[frozenset[str]]:
        rows = yield Statement(f"SELECT id FROM files WHERE id IN ({marks(len(self.file_ids))})", self.file_ids)
        return frozenset(file_id for (file_id,) in rows)


@dataclass(frozen=True, slots=True)
class Unclaimed(Read[frozenset[str]]):
    """Those of `keys` that nobody can miss: no row names them, and no job works on the generation they are said to be of.

    A running job stores its files before it enters them into the record.
    """

    keys: Mapping[str, str | None]
    """Each key with the id of its generation, None for a key of none."""

    def steps(self) -> Steps[frozenset[str]]:
        if not self.keys:
            return frozenset()
        named = yield Statement(f"SELECT key FROM files WHERE key IN ({marks(len(self.keys))})", tuple(self.keys))
        generations = tuple({generation for generation in self.keys.values() if generation is not None})
        busy = yield Statement(
            "SELECT DISTINCT generation_id FROM jobs WHERE finished_at IS NULL "
            f"AND generation_id IN ({marks(len(generations))})",
            generations,
        )
        claimed = {key for (key,) in named}
        at_work = {generation for (generation,) in busy}
        return frozenset(
            key for key, generation in self.keys.items() if key not in claimed and generation not in at_work
        )


@dataclass(frozen=True, slots=True)
class SupersededFiles(Read[list[NamedFile]]):
    """Files made until `made_before` that are not the newest of their generation, role and name, by id, those after `after`.

    Never a master: it was paid for. Not one whose job the record still has: the job's result names it. Not those of
    generations that are removed as a whole; see `FilesByKey`.
    """

    owner: str | None
    made_before: int
    lost_before: int
    after: str
    limit: int

    def steps(self) -> Steps[list[NamedFile]]:
        mine, params = whose("files.owner", self.owner, (self.lost_before, self.made_before, self.after, self.limit))
        rows = yield Statement(
            "SELECT id, key, size FROM files WHERE created_at <= $2 AND role <> 'master' AND id > $3 "
            f"AND EXISTS (SELECT 1 FROM files AS newer WHERE {_NEWER}) AND NOT {_GOING} "
            f"AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = files.job_id) {mine} ORDER BY id LIMIT $4",
            params,
        )
        return [NamedFile._make(row) for row in rows]


@dataclass(frozen=True, slots=True)
class NewerFiles(Read[dict[str, list[str]]]):
    """The keys of the files that have replaced each of these, none for one that is the newest; only those that have a row."""

    file_ids: tuple[str, ...]

    def steps(self) -> Steps[dict[str, list[str]]]:
        rows = yield Statement(
            f"SELECT files.id, newer.key FROM files LEFT JOIN files AS newer ON {_NEWER} "
            f"WHERE files.id IN ({marks(len(self.file_ids))})",
            self.file_ids,
        )
        found: dict[str, list[str]] = {}
        for file_id, key in rows:
            found.setdefault(file_id, []).extend([] if key is None else [key])
        return found


@dataclass(frozen=True, slots=True)
class DropFiles(Write[frozenset[str]]):
    """Remove files from the record, whose bytes are gone; returns the ids of those that were there."""

    file_ids: tuple[str, ...]

    def steps(self) -> Steps[frozenset[str]]:
        rows = yield Statement(
            f"DELETE FROM files WHERE id IN ({marks(len(self.file_ids))}) RETURNING id", self.file_ids
        )
        return frozenset(file_id for (file_id,) in rows)
