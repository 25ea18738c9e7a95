"""What a cleanup takes and gives, and what its steps hand on: pages of things found, and counts of things removed."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from snapasset.job_type import Wire

FAILED_SHOWN: Final = 100
"""Most keys that a report names; it counts them all."""


class FileCleanup(Wire):
    """What to clean up.

    Of `temp-files`: half-written and nameless files, rows whose file is gone, renditions that newer ones have replaced
    and no job names any more; of `failed-generations`: the pictures of generations that failed or were cancelled; `all`:
    both, and jobs that ended long ago. `olderThanDays` counts from when the job is run; without it, each has an age of its
    own. Half-written and nameless files stay for an hour at the least, replaced ones as long as their addresses open
    them, whatever it says. A dry run removes nothing and reports what it would.
    """

    type: Literal["temp-files", "failed-generations", "all"]
    older_than_days: Annotated[float, Field(ge=0)] | None = None
    dry_run: bool = False


class Tally(Wire):
    """What was really removed; in a dry run, what would be.

    Attributes:
        files: stored files that are gone: of failed generations, replaced renditions, and orphans.
        bytes: their size.
        generations: generations removed from the record, all their files being gone.
        orphans: how many of `files` no row of the record named.
        missing: rows removed from the record because their file was gone already.
        lost_masters: masters whose file is gone. Their rows stay: nothing but the file itself makes up for it.
        leftovers: half-written files removed, and empty folders; not among `files`.
        jobs: ended jobs removed, each with its events and steps.
        already_gone: things that were found and that somebody else had removed when their turn came.
        failures: how many files could not be removed.
        failed: the keys of those, the first hundred.
    """

    files: int = 0
    bytes: int = 0
    generations: int = 0
    orphans: int = 0
    missing: int = 0
    lost_masters: int = 0
    leftovers: int = 0
    jobs: int = 0
    already_gone: int = 0
    failures: int = 0
    failed: tuple[str, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(
            files=self.files + other.files,
            bytes=self.bytes + other.bytes,
            generations=self.generations + other.generations,
            orphans=self.orphans + other.orphans,
            missing=self.missing + other.missing,
            lost_masters=self.lost_masters + other.lost_masters,
            leftovers=self.leftovers + other.leftovers,
            jobs=self.jobs + other.jobs,
            already_gone=self.already_gone + other.already_gone,
            failures=self.failures + other.failures,
            failed=(self.failed + other.failed)[:FAILED_SHOWN],
        )


class CleanedUp(Tally):
    """The job's result: what was asked for, and what came of it."""

    type: str
    dry_run: bool
    older_than_days: float | None


class FoundFile(Wire):
    """A stored file, or a row that names one; without `id` it has no row. `gone`: it was not stored when it was found."""

    key: str
    size: int
    id: str = ""
    master: bool = False
    gone: bool = False


class FoundGeneration(Wire):
    """A generation to be removed with its files."""

    id: str
    files: tuple[FoundFile, ...]


class Found(Wire):
    """A page of things to be removed, of one sort. `after` is where the next page begins."""

    after: str = ""
    files: tuple[FoundFile, ...] = ()
    missing: tuple[FoundFile, ...] = ()
    generations: tuple[FoundGeneration, ...] = ()
    jobs: tuple[str, ...] = ()
    leftovers: int = 0


class Page(Wire):
    """Output of a step: what became of the page found in the step before, and the next one; None after the last."""

    removed: Tally
    found: Found | None


class Kinds(Wire):
    """Output of the step `jobs`: the kinds of which jobs have ended."""

    kinds: tuple[str, ...]
