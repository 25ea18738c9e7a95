"""Credits: what an owner may still ask for, as rows that are added up and never changed.

A run of a job that takes credits reserves them in the commit that begins it. They are taken in the commit that saves what was
paid for, and given back in the one that ends the run if nothing was. A row is named by what it is for, so none counts twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapasset.database import Read, Statement, Write
from snapasset.errors import Conflict, NotEnoughCredits
from snapasset.records.spending import lock_spending

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.job import Job

_INSERT: Final = (
    "INSERT INTO credits (job_id, run, reason, owner, amount, at) VALUES ($1, $2, $3, $4, $5, now_ms()) "
    "ON CONFLICT (job_id, run, reason) DO NOTHING"
)
_FOLLOW: Final = (
    "INSERT INTO credits (job_id, run, reason, owner, amount, at) "
    "SELECT job_id, run, '{reason}', owner, {amount}, now_ms() FROM credits AS set_aside "
    "WHERE job_id = $1 AND run = $2 AND reason = 'reserve' AND NOT EXISTS (SELECT 1 FROM credits AS other "
    "WHERE other.job_id = set_aside.job_id AND other.run = set_aside.run AND other.reason = '{unless}') "
    "ON CONFLICT (job_id, run, reason) DO NOTHING"
)
"""What becomes of what was set aside: one of two ends, and never both."""


@dataclass(frozen=True, slots=True)
class GrantCredits(Write[int]):
    """Give an owner credits, or take some away with an `amount` below 0; returns how many are left.

    `name` is the giver's own for this gift: sent again it is given once. Raises `Conflict` when it was given to another, or in
    another number.
    """

    owner: str
    amount: int
    name: str

    def touches(self) -> frozenset[str]:
        return frozenset((f"grant {self.name}",))

    def steps(self) -> Steps[int]:
        yield Statement(_INSERT, (self.name, 0, "grant", self.owner, self.amount))
        given = yield Statement(
            "SELECT owner, amount FROM credits WHERE job_id = $1 AND run = 0 AND reason = 'grant'", (self.name,)
        )
        if given != [(self.owner, self.amount)]:
            raise Conflict("A gift of this name was made before, to somebody else or in another number.")
        return (yield from credits_of(self.owner))


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


def check_credits(owner: str, wanted: int) -> Steps[None]:
    """Keep others from counting, and refuse with `NotEnoughCredits` what an owner has not; 0 is never asked about."""
    if not wanted:
        return
    yield from lock_spending()
    left = yield from credits_of(owner)
    if wanted > left:
        raise NotEnoughCredits(f"This takes {wanted} of your credits, and {left} are left.")


def reserve(job: Job) -> Steps[None]:
    """Set aside what a run that has just begun takes; `check_credits` came before."""
    if job.credits:
        yield Statement(_INSERT, (job.id, job.run, "reserve", job.owner, -job.credits))


def take(job: Job) -> Steps[None]:
    """What was set aside for this run is spent, unless it was given back before: what was paid for is there."""
    if job.credits:
        yield Statement(_FOLLOW.format(reason="take", unless="return", amount="0"), (job.id, job.run))


def give_back(job: Job) -> Steps[None]:
    """What was set aside for the run that has ended, and not spent, is the owner's again."""
    if job.credits:
        yield Statement(_FOLLOW.format(reason="return", unless="take", amount="-amount"), (job.id, job.run))


def was_taken(job_id: str) -> Steps[bool]:
    """Whether credits were spent for an earlier run: what they paid for is there, and a later run takes none."""
    return bool((yield Statement("SELECT 1 FROM credits WHERE job_id = $1 AND reason = 'take' LIMIT 1", (job_id,))))
