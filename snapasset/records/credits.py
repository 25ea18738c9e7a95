"""Credits: what an owner may still ask for, as rows that are added up and never changed.

A run of a job that takes credits reserves them in the commit that begins it, or, if it was to cost nothing, in the one that
begins its paid step after all. They are taken in the commit that saves what was paid for, and given back in the one that ends the
run if nothing was. A row is named by what it is for, so none counts twice. What a run has left reserved all the same, one that was ended
by an older program for one, `MendReservations` brings to one of these two ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement, Write
from snapasset.errors import Conflict, NotEnoughCredits
from snapasset.records.placeholders import marks
from snapasset.records.spending import lock_spending

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.job import Job

_INSERT: Final = (
    "INSERT INTO credits (job_id, run, reason, owner, amount, at) VALUES ($1, $2, $3, $4, $5, now_ms()) "
    "ON CONFLICT (job_id, run, reason) DO NOTHING"
)
_SAVED: Final = (
    "EXISTS (SELECT 1 FROM job_steps AS step WHERE step.job_id = set_aside.job_id AND step.run = set_aside.run "
    "AND step.paid = 1 AND step.state = 'done')"
)
_OVER: Final = (
    "NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = set_aside.job_id AND jobs.run = set_aside.run "
    "AND jobs.finished_at IS NULL)"
)
_OPEN: Final = (
    "NOT EXISTS (SELECT 1 FROM credits AS other WHERE other.job_id = set_aside.job_id AND other.run = set_aside.run "
    "AND other.reason IN ('take', 'return'))"
)


def _follow(reason: str, amount: str, where: str) -> str:
    """What becomes of what was set aside: one of two ends, and never both; who writes one has locked the job."""
    return (
        "INSERT INTO credits (job_id, run, reason, owner, amount, at) "
        f"SELECT job_id, run, '{reason}', owner, {amount}, now_ms() FROM credits AS set_aside "
        f"WHERE reason = 'reserve' AND {where} AND {_OPEN} ON CONFLICT (job_id, run, reason) DO NOTHING"
    )


_OF_RUN: Final = "job_id = $1 AND run = $2"
_TAKE: Final = _follow("take", "0", _OF_RUN)
_TAKE_SAVED: Final = _follow("take", "0", f"{_OF_RUN} AND {_SAVED}")
_RETURN: Final = _follow("return", "-amount", _OF_RUN)


@dataclass(frozen=True, slots=True)
class GrantCredits(Write[int]):
    """Give an owner credits, or take some away with an `amount` below 0; returns how many are left.

    `name` is the giver's own for this gift: sent again it is given once. Raises `Conflict` when it was given to another, or in
    another number, and when more would be taken away than is left: what jobs have reserved is theirs.
    """

    owner: str
    amount: int
    name: str

    def touches(self) -> frozenset[str]:
        return frozenset((f"grant {self.name}",))

    def steps(self) -> Steps[int]:
        fresh = yield Statement(f"{_INSERT} RETURNING 1", (self.name, 0, "grant", self.owner, self.amount))
        given = yield Statement(
            "SELECT owner, amount FROM credits WHERE job_id = $1 AND run = 0 AND reason = 'grant'", (self.name,)
        )
        if given != [(self.owner, self.amount)]:
            raise Conflict("A gift of this name was made before, to somebody else or in another number.")
        taken = bool(fresh) and self.amount < 0
        if taken:
            yield from lock_spending()
        left = yield from credits_of(self.owner)
        if taken and left < 0:
            raise Conflict(f"No more can be taken away than is left, which is {left - self.amount} credits.")
        return left


@dataclass(frozen=True, slots=True)
class GetCredits(Read[int]):
    """How many credits an owner has left; those that running jobs have reserved are not among them."""

    owner: str

    def steps(self) -> Steps[int]:
        return (yield from credits_of(self.owner))


def credits_of(owner: str) -> Steps[int]:
    """How many credits an owner has left."""
    ((left,),) = yield Statement(
        "SELECT CAST(coalesce(sum(amount), 0) AS bigint) FROM credits WHERE owner = $1", (owner,)
    )
    return left


def look_for_credits(owner: str, wanted: int) -> Steps[None]:
    """Refuse with `NotEnoughCredits` what an owner plainly has not; whoever goes on asks again with `keep_credits`."""
    left = yield from credits_of(owner)
    if wanted > left:
        raise _not_enough(wanted, left)


def keep_credits(owner: str, reserved: int) -> Steps[None]:
    """The same once they are `reserved`; whoever calls has called `spending.lock_spending`."""
    left = yield from credits_of(owner)
    if left < 0:
        raise _not_enough(reserved, left + reserved)


def reserve(job: Job) -> Steps[int]:
    """Set aside what a run that has just begun takes, and return how many that is; `keep_credits` is to follow.

    None for a job that is to cost nothing, and none for one whose picture was paid for in an earlier run.
    """
    if not job.credits or job.estimate == 0 or (yield from _was_taken(job.id)):
        return 0
    yield Statement(_INSERT, (job.id, job.run, "reserve", job.owner, -job.credits))
    return job.credits


def reserve_late(job: Job) -> Steps[int]:
    """`reserve`, for a run that is about to pay, unless it has done so before."""
    known = "SELECT 1 FROM credits WHERE job_id = $1 AND run = $2 AND reason = 'reserve'"
    if not job.credits or (yield Statement(known, (job.id, job.run))):
        return 0
    return (yield from reserve(job))


def take(job: Job) -> Steps[None]:
    """What was set aside for this run is spent, unless it was given back before: what was paid for is there."""
    if job.credits:
        yield Statement(_TAKE, (job.id, job.run))


def give_back(job: Job) -> Steps[None]:
    """What was set aside for the run that has ended, and not spent, is the owner's again.

    A picture that an older program has saved, which took nothing, is spent on.
    """
    if job.credits:
        yield Statement(_TAKE_SAVED, (job.id, job.run))
        yield Statement(_RETURN, (job.id, job.run))


class Reservations(NamedTuple):
    """A page of what was ever reserved: the jobs of which some is `astray`, and where the `next` page begins; None: at the first."""

    astray: tuple[str, ...]
    next: tuple[str, int] | None


@dataclass(frozen=True, slots=True)
class AstrayReservations(Read[Reservations]):
    """Looks, among the `limit` reservations after `after`, for those of runs that are over, or whose job is gone."""

    after: tuple[str, int] = ("", 0)
    limit: int = 1_000

    def steps(self) -> Steps[Reservations]:
        rows = yield Statement(
            f"SELECT job_id, run, {_OVER} AND {_OPEN} FROM credits AS set_aside "
            "WHERE reason = 'reserve' AND (job_id, run) > ($1, $2) ORDER BY job_id, run LIMIT $3",
            (*self.after, self.limit),
        )
        astray = dict.fromkeys(job_id for job_id, _, is_astray in rows if is_astray)
        return Reservations(tuple(astray), (rows[-1][0], rows[-1][1]) if len(rows) == self.limit else None)


@dataclass(frozen=True, slots=True)
class MendReservations(Write[int]):
    """Bring what these jobs' ended runs have left reserved to its end; returns how many were given back.

    Taken is what paid for a step that is there, all else is the owner's. Done again it changes nothing.
    """

    job_ids: tuple[str, ...]

    def touches(self) -> frozenset[str]:
        return frozenset(self.job_ids)

    def steps(self) -> Steps[int]:
        yield Statement(
            f"SELECT id FROM jobs WHERE id IN ({marks(len(self.job_ids))}) ORDER BY id FOR UPDATE", self.job_ids
        )
        return (yield from close_runs(self.job_ids))


def close_runs(job_ids: tuple[str, ...]) -> Steps[int]:
    """`MendReservations`, by whoever has locked or removed these jobs and not yet their steps."""
    theirs = f"job_id IN ({marks(len(job_ids))}) AND {_OVER}"
    yield Statement(_follow("take", "0", f"{theirs} AND {_SAVED}"), job_ids)
    return len((yield Statement(f"{_follow('return', '-amount', theirs)} RETURNING 1", job_ids)))


def _was_taken(job_id: str) -> Steps[bool]:
    """Whether credits were spent for an earlier run: what they paid for is there, and a later run takes none."""
    return bool((yield Statement("SELECT 1 FROM credits WHERE job_id = $1 AND reason = 'take' LIMIT 1", (job_id,))))


def _not_enough(wanted: int, left: int) -> NotEnoughCredits:
    return NotEnoughCredits(f"This takes {wanted} of your credits, and {left} are left.")
