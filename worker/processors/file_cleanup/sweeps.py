"""The sweeps of a cleanup: one for each sort of thing that can be removed, how it is found and how it goes.

A sweep finds a page of at most `PAGE` things after a place, and removes a page that was found, it may be long ago and by
a process that died since: so what can have changed is asked for again. When the page is done `again`, because this job was
interrupted in the middle of it, then what is gone since it was found counts as removed.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from snapasset.job import Status
from snapasset.records.files import NamedFile
from snapasset.records.retention import LostGeneration, LostGenerations, SpentJobs
from snapasset.records.stocktaking import NEVER, SupersededFiles
from worker.processors.file_cleanup.report import Found, FoundFile, FoundGeneration, Tally
from worker.storeroom import Removed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from snapasset.settings import Settings
    from worker.storeroom import Storeroom

    Tick = Callable[[float], None]

log = logging.getLogger(__name__)

PAGE: Final = 100
DAY_MS: Final = 86_400_000

_NONE: Final = Removed(frozenset(), frozenset())


@dataclass(frozen=True, slots=True)
class Scope:
    """What a cleanup may touch. Times are ms since the epoch, by the record's clock.

    `owner`: None for everybody's. Generations that were lost until `lost_before` go, if `takes_lost`; what is not used goes
    when it is older than `unused_seconds`, and when it was replaced, than `replaced_seconds` as well.
    """

    owner: str | None
    now: int
    lost_before: int
    unused_seconds: float
    replaced_seconds: float
    takes_lost: bool

    @property
    def unused_before(self) -> int:
        return self.now - round(self.unused_seconds * 1000)

    @property
    def replaced_before(self) -> int:
        return self.now - round(max(self.unused_seconds, self.replaced_seconds) * 1000)

    @property
    def going_before(self) -> int:
        """The generations that were lost until then are left to the sweep that removes them as a whole."""
        return self.lost_before if self.takes_lost else NEVER


class Sweep(ABC):
    """One sort of thing. `name` begins the names of its steps."""

    name: str

    def __init__(self, room: Storeroom, scope: Scope) -> None:
        self._room = room
        self._scope = scope

    @abstractmethod
    async def find(self, after: str) -> Found | None:
        """The page after this place, None when there is none; the first is after the empty place."""

    @abstractmethod
    async def remove(self, found: Found, tick: Tick, *, again: bool) -> Tally:
        """Remove a page, and count what really went; `again`: this job may have removed a part of it before."""


class FailedGenerations(Sweep):
    """Generations that failed or were cancelled, with their pictures; and those whose removal was begun before."""

    name = "failed-generations"

    async def find(self, after: str) -> Found | None:
        scope = self._scope
        page = await self._room.find_lost(LostGenerations(scope.owner, scope.lost_before, after, PAGE))
        if not page:
            return None
        taken: list[FoundGeneration] = []
        things = 0
        for generation in page:
            things += 1 + len(generation.files)
            if taken and things > PAGE:
                break
            gone = await self._room.not_stored(file.key for file in generation.files)
            files = tuple(_found(file, gone=file.key in gone) for file in generation.files)
            taken.append(FoundGeneration(id=generation.id, files=files))
        return Found(after=taken[-1].id, generations=tuple(taken))

    async def remove(self, found: Found, tick: Tick, *, again: bool) -> Tally:
        total = Tally()
        for index, generation in enumerate(found.generations):
            tick(index / len(found.generations))
            total += await self._remove(generation, again=again)
        return total

    async def _remove(self, generation: FoundGeneration, *, again: bool) -> Tally:
        lost = LostGeneration(
            generation.id, tuple(NamedFile(file.id, file.key, file.size) for file in generation.files)
        )
        verdict = await self._room.condemn(lost, self._scope.lost_before)
        if not verdict.known:
            return _counted(generation.files, _NONE, again=again) + _those(1, "generations", again=again)
        if not verdict.condemned:
            return Tally()  # somebody works on it again
        gone = {file.key for file in generation.files if file.gone}
        files = tuple(_found(file, gone=file.key in gone) for file in verdict.files)
        removed = await self._room.remove_files([file.key for file in files])
        tally = _counted(files, removed, again=again)
        if removed.failed:
            return tally
        forgotten = await self._room.forget(generation.id)
        return tally + _those(1, "generations", again=again or forgotten)


class HalfWritten(Sweep):
    """What writers that died have left behind in the storage."""

    name = "leftovers"

    async def find(self, after: str) -> Found | None:
        if after:
            return None
        count = await self._room.find_leftovers(self._scope.unused_seconds)
        return Found(after="all", leftovers=count) if count else None

    async def remove(self, found: Found, tick: Tick, *, again: bool) -> Tally:
        tick(0.0)
        removed = await self._room.remove_leftovers(self._scope.unused_seconds)
        return Tally(leftovers=removed) + _those(max(0, found.leftovers - removed), "leftovers", again=again)


class Strays(Sweep):
    """Stored files that no row names, and rows whose file is gone."""

    name = "strays"

    async def find(self, after: str) -> Found | None:
        scope = self._scope
        page = await self._room.find_strays(
            after, stored_before=scope.unused_before, lost_before=scope.going_before, limit=PAGE
        )
        if page is None:
            return None
        orphans = tuple(FoundFile(key=file.key, size=file.size) for file in page.orphans)
        missing = tuple(_found(row.file, master=row.master) for row in page.missing)
        return Found(after=page.upto, files=orphans, missing=missing)

    async def remove(self, found: Found, tick: Tick, *, again: bool) -> Tally:
        # The rows first: when the last file has gone, the storage shows nothing, and no absence is believed any more.
        missing = await self._drop(found.missing, again=again)
        tick(0.5)
        unclaimed = await self._room.unclaimed(file.key for file in found.files)
        orphans = [file for file in found.files if file.key in unclaimed]
        tally = _counted(orphans, await self._room.remove_files([file.key for file in orphans]), again=again)
        return missing + tally + Tally(orphans=tally.files)

    async def _drop(self, missing: Collection[FoundFile], *, again: bool) -> Tally:
        """Drop rows whose file is gone. A master's stays: what it says of a picture that was paid for is all that is left."""
        named = await self._room.named(tuple(row.id for row in missing))
        absent = await self._room.absent([row.key for row in missing if row.id in named])
        lone = [row for row in missing if row.id in named and row.key in absent]
        masters = [row.key for row in lone if row.master]
        if masters:
            log.warning("masters are gone from the storage", extra={"keys": masters})
        rows = tuple(row.id for row in lone if not row.master)
        dropped = await self._room.drop_rows(rows) if rows else frozenset[str]()
        others = sum(not row.master for row in missing if row.id not in named) + len(rows) - len(dropped)
        return Tally(missing=len(dropped), lost_masters=len(masters)) + _those(others, "missing", again=again)


class Superseded(Sweep):
    """Renditions that newer ones of the same generation and name have replaced."""

    name = "superseded"

    async def find(self, after: str) -> Found | None:
        scope = self._scope
        upto: str | None = after
        while upto is not None:
            question = SupersededFiles(scope.owner, scope.replaced_before, scope.going_before, upto, PAGE)
            files, upto = await self._room.find_superseded(question)
            if files and upto is not None:
                return Found(after=upto, files=tuple(map(_found, files)))
        return None

    async def remove(self, found: Found, tick: Tick, *, again: bool) -> Tally:
        # The newer one may have been lost since; and one without a row was gone already.
        replaced = await self._room.replaced(tuple(file.id for file in found.files))
        going = [file for file in found.files if replaced.get(file.id, True)]
        tick(0.2)
        removed = await self._room.remove_files([file.key for file in going])
        tick(0.6)
        lone = tuple(file.id for file in going if file.key not in removed.failed)
        if lone:
            await self._room.drop_rows(lone)
        return _counted(going, removed, again=again)


class EndedJobs(Sweep):
    """Jobs of one kind that ended in one of these ways, but for the newest `keep` and those that ended since `before`."""

    def __init__(
        self, room: Storeroom, scope: Scope, kind: str, statuses: tuple[Status, ...], before: int, keep: int
    ) -> None:
        super().__init__(room, scope)
        self.name = f"jobs:{kind}:{statuses[0]}"
        self._kind = kind
        self._statuses = tuple(statuses)
        self._before = before
        self._keep = keep

    @classmethod
    def of_kind(cls, room: Storeroom, scope: Scope, kind: str, settings: Settings) -> Iterator[EndedJobs]:
        """The sweeps of one kind's jobs, those that went well and those that went badly."""
        well = scope.now - round(settings.keep_completed_hours * 3_600_000)
        badly = scope.now - round(settings.keep_failed_days * DAY_MS)
        yield cls(room, scope, kind, (Status.COMPLETED,), well, settings.keep_completed_jobs)
        yield cls(room, scope, kind, (Status.FAILED, Status.CANCELLED), badly, settings.keep_failed_jobs)

    async def find(self, after: str) -> Found | None:
        finished_at, _, job_id = after.partition(" ")
        place = (int(finished_at or NEVER), job_id)
        question = SpentJobs(self._kind, self._statuses, self._before, self._keep, place, PAGE)
        page = await self._room.find_spent(question)
        if not page:
            return None
        return Found(after=f"{page[-1].finished_at} {page[-1].id}", jobs=tuple(job.id for job in page))

    async def remove(self, found: Found, tick: Tick, *, again: bool) -> Tally:
        tick(0.0)
        removed = await self._room.remove_jobs(found.jobs, self._before)
        others = len(found.jobs) - len(removed.gone) - len(removed.failed)
        return Tally(jobs=len(removed.gone)) + _those(others, "jobs", again=again)


def _found(file: NamedFile, *, master: bool = False, gone: bool = False) -> FoundFile:
    return FoundFile(key=file.key, size=file.size, id=file.id, master=master, gone=gone)


def _those(count: int, name: Literal["generations", "leftovers", "missing", "jobs"], *, again: bool) -> Tally:
    """Things that are gone: they count by their name if this job has removed them, else as gone already."""
    return Tally.model_validate({name if again else "already_gone": count})


def _counted(files: Collection[FoundFile], removed: Removed, *, again: bool) -> Tally:
    """What came of removing these files. What an earlier attempt of this job has removed counts as well."""
    own = {file.key for file in files if again and not file.gone and file.key not in removed.failed}
    gone: Sequence[FoundFile] = [file for file in files if file.key in removed.gone | own]
    return Tally(
        files=len(gone),
        bytes=sum(file.size for file in gone),
        already_gone=len(files) - len(gone) - len(removed.failed),
        failures=len(removed.failed),
        failed=tuple(sorted(removed.failed)),
    )
