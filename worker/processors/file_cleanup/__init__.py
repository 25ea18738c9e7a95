"""file-cleanup: removes what nobody needs any more, and reports what was really removed.

It goes through sweeps, one for each sort of thing, page by page. Each page is found in one step and removed in the next,
so what was found is written down before any of it goes: a job that is interrupted in the middle of a page does that page
again, and what was there when it was found and is gone now, this job has removed. Nothing is counted twice, and nothing is
left out.

A session's cleanup touches only what is its own. Orphans, left-overs, rows without files and jobs are the system's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.client import SYSTEM
from snapasset.job_type import Access, JobType, Schedule
from worker.processors.file_cleanup.report import CleanedUp, FileCleanup, Kinds, Page, Tally
from worker.processors.file_cleanup.sweeps import (
    DAY_MS,
    EndedJobs,
    FailedGenerations,
    HalfWritten,
    Scope,
    Strays,
    Superseded,
    Sweep,
)
from worker.storeroom import Storeroom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapasset.settings import Settings
    from worker.context import JobContext, Step
    from worker.processors.file_cleanup.report import Found

_OWNERS_OF_ALL: Final = frozenset({SYSTEM, "admin"})
"""Whose cleanup touches everybody's things, and those that are nobody's."""

_LONGEST_DAYS: Final = 36_500.0
"""A longer age than this is as good as any: times before the epoch mean nothing to the record."""


def file_cleanup(settings: Settings) -> JobType[FileCleanup, CleanedUp]:
    """The kind, with what this deployment keeps, and when it cleans up by itself."""

    async def run(context: JobContext[FileCleanup], storeroom: Storeroom) -> CleanedUp:
        return await _Cleanup(context, storeroom, settings).run()

    return JobType(
        kind="file-cleanup",
        queue="file-cleanup",
        args=FileCleanup,
        result=CleanedUp,
        run=run,
        tools=(Storeroom,),
        attempts=3,
        timeout=1800.0,
        access=Access.SESSION,
        schedules=(
            Schedule(
                "daily",
                cron=None if settings.cleanup_cron == "off" else settings.cleanup_cron,
                data=FileCleanup(type="all"),
                zone=settings.cleanup_zone,
            ),
        ),
    )


class _Cleanup:
    """One attempt at one cleanup."""

    def __init__(self, context: JobContext[FileCleanup], storeroom: Storeroom, settings: Settings) -> None:
        args, job = context.args, context.job
        self._context = context
        self._room = storeroom.rehearsal() if args.dry_run else storeroom
        self._settings = settings
        self._of_all = job.owner in _OWNERS_OF_ALL
        now = job.started_at if job.started_at is not None else job.updated_at
        days = args.older_than_days
        lost_days = settings.keep_failed_files_days if days is None else days
        self._scope = Scope(
            owner=None if self._of_all else job.owner,
            now=now,
            lost_before=now - round(min(lost_days, _LONGEST_DAYS) * DAY_MS),
            unused_seconds=max(3600.0, min(1.0 if days is None else days, _LONGEST_DAYS) * DAY_MS / 1000),
            replaced_seconds=settings.file_url_seconds,
            takes_lost=args.type != "temp-files",
        )
        # An earlier attempt can have been interrupted in the first step that this one does itself, and in no other. Where
        # there was none, that step removes nothing.
        self._interrupted = not args.dry_run

    async def run(self) -> CleanedUp:
        await self._room.check()
        args = self._context.args
        total = Tally()
        sweeps = list(self._file_sweeps())
        share = 90.0 / len(sweeps)
        for index, sweep in enumerate(sweeps):
            total += await self._carry_out(sweep, share * index, share * (index + 1))
        if args.type == "all" and self._of_all:
            for sweep in await self._job_sweeps():
                total += await self._carry_out(sweep, 90.0, 100.0)
        return CleanedUp(type=args.type, dry_run=args.dry_run, older_than_days=args.older_than_days, **dict(total))

    def _file_sweeps(self) -> Iterator[Sweep]:
        if self._scope.takes_lost:
            yield FailedGenerations(self._room, self._scope)
        if self._context.args.type != "failed-generations":
            if self._of_all:
                yield HalfWritten(self._room, self._scope)
                # Before the superseded: where the newest has no file, the one before it is the newest.
                yield Strays(self._room, self._scope)
            yield Superseded(self._room, self._scope)

    async def _job_sweeps(self) -> list[Sweep]:
        async def look(_step: Step) -> Kinds:
            self._interrupted = False
            return Kinds(kinds=tuple(await self._room.ended_kinds()))

        kept = await self._context.step("jobs", look, output=Kinds, span=(90.0, 90.0))
        return [
            sweep for kind in kept.kinds for sweep in EndedJobs.of_kind(self._room, self._scope, kind, self._settings)
        ]

    async def _carry_out(self, sweep: Sweep, low: float, high: float) -> Tally:
        """Go through the pages of one sweep. How many there are nobody knows: each takes half of what is left."""
        total, found, number = Tally(), None, 0
        while True:
            middle = (low + high) / 2
            page = await self._page(sweep, number, found, (low, middle))
            total += page.removed
            if page.found is None:
                return total
            low, found, number = middle, page.found, number + 1

    async def _page(self, sweep: Sweep, number: int, found: Found | None, span: tuple[float, float]) -> Page:
        async def work(step: Step) -> Page:
            again, self._interrupted = self._interrupted, False
            removed = Tally() if found is None else await sweep.remove(found, step.tick, again=again)
            return Page(removed=removed, found=await sweep.find("" if found is None else found.after))

        return await self._context.step(f"{sweep.name}:{number}", work, output=Page, span=span)
