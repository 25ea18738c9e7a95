"""The sweeps of a cleanup: one for each sort of thing that can be removed, how it is found and how it goes.

A sweep finds a page of at most `PAGE` things after a place, and removes a page that was found, it may be long ago and by
a process that died since: so what can have changed is asked for again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapasset.job import Status
from snapasset.records.retention import LostGeneration, LostGenerations, NamedFile, SpentJobs
from snapasset.records.stocktaking import NEVER, SupersededFiles
from worker.processors.file_cleanup.report import Found, FoundFile, FoundGeneration, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from snapasset.settings import Settings
    from worker.storeroom import Removed, Storeroom

    Tick = Callable[[float], None]

PAGE: Final = 100
DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What a cleanup may touch. Times are ms since the epoch, by the record's clock.

    `owner`: None for everybody's. Generations that were lost until `lost_before` go, if `takes_lost`; what is not used goes
    when it is older than `unused_seconds`.
    """

    owner: str | None
    now: int
    lost_before: int
    unused_seconds: float
    takes_lost: bool

    @property
    def unused_before(self) -> int:
        return self.now - round(self.unused_seconds * 1000)

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
    async def remove(self, found: Found, tick: Tick) -> Tally:
        """Remove a page, and count what really went."""


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
            taken.append(FoundGeneration(id=generation.id, files=tuple(map(_found, generation.files))))
        return Found(after=taken[-1].id, generations=tuple(taken))

    async def remove(self, found: Found, tick: Tick) -> Tally:
        total = Tally()
        for index, generation in enumerate(found.generations):
            tick(index / len(found.generations))
            total += await self._remove(generation)
        return total

    async def _remove(self, generation: FoundGeneration) -> Tally:
        lost = LostGeneration(
            generation.id, tuple(NamedFile(file.id, file.key, file.size) for file in generation.files)
        )
        verdict = await self._room.condemn(lost, self._scope.lost_before)
        if not verdict.known:
            return Tally(already_gone=1 + len(generation.files))
        if not verdict.condemned:
            return Tally()  # somebody works on it again
        files = tuple(map(_found, verdict.files))
        removed = await self._room.remove_files([file.key for file in files])
        tally = _counted(files, removed)
        if removed.failed:
            return tally
        forgotten = await self._room.forget(generation.id)
        return tally + (Tally(generations=1) if forgotten else Tally(already_gone=1))


class HalfWritten(Sweep):
    """What writers that died have left behind in the storage."""

    name = "leftovers"

    async def find(self, after: str) -> Found | None:
        if after:
            return None
        count = await self._room.find_leftovers(self._scope.unused_seconds)
        return Found(after="all", leftovers=count) if count else None

    async def remove(self, found: Found, tick: Tick) -> Tally:
        tick(0.0)
        removed = await self._room.remove_leftovers(self._scope.unused_seconds)
        return Tally(leftovers=removed, already_gone=max(0, found.leftovers - removed))


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
        return Found(after=page.upto, files=orphans, missing=tuple(map(_found, page.missing)))

    async def remove(self, found: Found, tick: Tick) -> Tally:
        # The rows first: when the last file has gone, the storage shows nothing, and no absence is believed any more.
        absent = await self._room.absent([row.key for row in found.missing])
        lone = tuple(row.id for row in found.missing if row.key in absent)
        dropped = await self._room.drop_rows(lone) if lone else frozenset[str]()
        tick(0.5)
        unclaimed = await self._room.unclaimed(file.key for file in found.files)
        orphans = [file for file in found.files if file.key in unclaimed]
        removed = await self._room.remove_files([file.key for file in orphans])
        return _counted(orphans, removed) + Tally(
            orphans=len(removed.gone), missing=len(dropped), already_gone=len(lone) - len(dropped)
        )


class Superseded(Sweep):
    """Renditions that newer ones of the same generation and name have replaced."""

    name = "superseded"

    async def find(self, after: str) -> Found | None:
        scope = self._scope
        upto: str | None = after
        while upto is not None:
            question = SupersededFiles(scope.owner, scope.unused_before, scope.going_before, upto, PAGE)
            files, upto = await self._room.find_superseded(question)
            if files and upto is not None:
                return Found(after=upto, files=tuple(map(_found, files)))
        return None

    async def remove(self, found: Found, tick: Tick) -> Tally:
        # The newer one may have been lost since; and one without a row was gone already.
        replaced = await self._room.replaced(tuple(file.id for file in found.files))
        going = [file for file in found.files if replaced.get(file.id, True)]
        tick(0.2)
        removed = await self._room.remove_files([file.key for file in going])
        tick(0.6)
        lone = tuple(file.id for file in going if file.key not in removed.failed)
        if lone:
            await self._room.drop_rows(lone)
        return _counted(going, removed)


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

    async def remove(self, found: Found, tick: Tick) -> Tally:
        tick(0.0)
        removed = await self._room.remove_jobs(found.jobs, self._before)
        return Tally(jobs=len(removed.gone), already_gone=len(found.jobs) - len(removed.gone) - len(removed.failed))


def _found(file: NamedFile) -> FoundFile:
    return FoundFile(key=file.key, size=file.size, id=file.id)


def _counted(files: Collection[FoundFile], removed: Removed) -> Tally:
    """What came of removing these files."""
    gone: Sequence[FoundFile] = [file for file in files if file.key in removed.gone]
    return Tally(
        files=len(gone),
        bytes=sum(file.size for file in gone),
        already_gone=len(files) - len(gone) - len(removed.failed),
        failures=len(removed.failed),
        failed=tuple(sorted(removed.failed)),
    )
