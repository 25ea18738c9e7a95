"""Generations: what was asked for, what came of it, and its pictures. They outlive the jobs that made them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.errors import Conflict, NotFound
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snapasset.database import Row, Steps

GENERATIONS_LIMIT: Final = 100

_COLUMNS: Final = "id, owner, job_id, request, created_at, outcome, made"
_FILE_COLUMNS: Final = "id, generation_id, role, name, key, content_type, size, width, height, details, created_at"


class KeptFile(NamedTuple):
    """A file of a generation, as the record knows it; see `records.files.FileRow`."""

    id: str
    generation_id: str
    role: str
    name: str
    key: str
    content_type: str
    size: int
    width: int | None
    height: int | None
    details: str | None
    created_at: int


class Generation(NamedTuple):
    """One generation. `request` and `made` are JSON texts; `outcome` is its job's last status, None while that goes on.

    `files` has the newest file of each role and name, in the order in which they were made.
    """

    id: str
    owner: str
    job_id: str
    request: str
    created_at: int
    outcome: str | None
    made: str | None
    files: tuple[KeptFile, ...] = ()


@dataclass(frozen=True, slots=True)
class GetGeneration(Read[Generation | None]):
    """One of an owner's generations with its files; None for a stranger's, a missing one and one that is being removed."""

    generation_id: str
    owner: str

    def steps(self) -> Steps[Generation | None]:
        rows = yield Statement(
            f"SELECT {_COLUMNS} FROM generations WHERE id = $1 AND owner = $2 AND condemned_at IS NULL",
            (self.generation_id, self.owner),
        )
        found = yield from _with_files(rows)
        return found[0] if found else None


@dataclass(frozen=True, slots=True)
class FindLike(Read[list[Generation]]):
    """An owner's generations whose master was made from just the same, `likeness` being a mark of all of that; newest first."""

    owner: str
    likeness: str
    limit: int = 10

    def steps(self) -> Steps[list[Generation]]:
        rows = yield Statement(
            f"SELECT {_COLUMNS} FROM generations WHERE owner = $1 AND likeness = $2 AND condemned_at IS NULL "
            "ORDER BY created_at DESC LIMIT $3",
            (self.owner, self.likeness, self.limit),
        )
        return (yield from _with_files(rows))


def has_like(owner: str, likeness: str) -> Steps[bool]:
    """Whether the record has a master that `FindLike` would find."""
    rows = yield Statement(
        "SELECT 1 FROM generations WHERE owner = $1 AND likeness = $2 AND condemned_at IS NULL AND EXISTS "
        "(SELECT 1 FROM files WHERE files.generation_id = generations.id AND files.role = 'master') LIMIT 1",
        (owner, likeness),
    )
    return bool(rows)


@dataclass(frozen=True, slots=True)
class FindGenerations(Read[list[Generation]]):
    """An owner's generations with their files, newest first.

    `before` is the (created_at, id) of the last one of the page before. `limit` is brought to between 1 and 101: a page,
    and one more that tells whether there is another.
    """

    owner: str
    before: tuple[int, str] | None = None
    limit: int = 50

    def steps(self) -> Steps[list[Generation]]:
        beyond, params = "", (self.owner, max(1, min(self.limit, GENERATIONS_LIMIT + 1)))
        if self.before is not None:
            beyond, params = "AND (created_at, id) < ($3, $4) ", (*params, *self.before)
        rows = yield Statement(
            f"SELECT {_COLUMNS} FROM generations WHERE owner = $1 AND condemned_at IS NULL {beyond}"
            "ORDER BY created_at DESC, id DESC LIMIT $2",
            params,
        )
        return (yield from _with_files(rows))


@dataclass(frozen=True, slots=True)
class Condemn(Write[list[str]]):
    """Say that an owner's generation is to be removed: from now on it is in no list, and nothing is begun with it.

    Returns the keys of its files, for the storage; `Forget` follows when they are gone. Asking twice is harmless. Raises
    `NotFound`, or `Conflict` while a job works on it.
    """

    generation_id: str
    owner: str

    def steps(self) -> Steps[list[str]]:
        found = yield Statement(
            "SELECT condemned_at FROM generations WHERE id = $1 AND owner = $2 FOR UPDATE",
            (self.generation_id, self.owner),
        )
        if not found:
            raise NotFound("There is no such generation.")
        working = yield Statement(
            "SELECT 1 FROM jobs WHERE owner = $2 AND generation_id = $1 AND finished_at IS NULL LIMIT 1",
            (self.generation_id, self.owner),
        )
        if working:
            raise Conflict("A job still works on this generation: cancel it first.")
        yield Statement(
            "UPDATE generations SET condemned_at = now_ms() WHERE id = $1 AND condemned_at IS NULL",
            (self.generation_id,),
        )
        rows = yield Statement("SELECT key FROM files WHERE generation_id = $1 ORDER BY key", (self.generation_id,))
        return [key for (key,) in rows]


@dataclass(frozen=True, slots=True)
class Forget(Write[bool]):
    """Remove a condemned generation from the record, its files with it; whether it was there."""

    generation_id: str

    def steps(self) -> Steps[bool]:
        rows = yield Statement(
            "DELETE FROM generations WHERE id = $1 AND condemned_at IS NOT NULL RETURNING 1", (self.generation_id,)
        )
        if rows:
            yield Statement("DELETE FROM files WHERE generation_id = $1", (self.generation_id,))
        return bool(rows)


def _with_files(rows: Iterable[Row]) -> Steps[list[Generation]]:
    generations = {row[0]: Generation(*row) for row in rows}
    if not generations:
        return []
    newest: dict[tuple[str, str, str], KeptFile] = {}
    files = yield Statement(
        f"SELECT {_FILE_COLUMNS} FROM files WHERE generation_id IN ({marks(len(generations))}) ORDER BY created_at, id",
        tuple(generations),
    )
    for file in map(KeptFile._make, files):
        place = (file.generation_id, file.role, file.name)
        newest.pop(place, None)
        newest[place] = file
    of_each: dict[str, list[KeptFile]] = {}
    for file in newest.values():
        of_each.setdefault(file.generation_id, []).append(file)
    return [generation._replace(files=tuple(of_each.get(generation.id, ()))) for generation in generations.values()]
