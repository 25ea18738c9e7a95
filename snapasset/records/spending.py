"""The limits of a day: what was spent, what is being spent, and whether one more call may be made.

A day is one of UTC. What nobody knows the amount of counts as it was estimated. Whoever asks and then spends locks first, so that
two processes cannot both take what is left; and as the question is part of the change, nothing is spent that could not be asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.database import Statement, Together
from snapasset.errors import SpendCapReached
from snapasset.event import iso
from snapasset.records.conditions import whose

if TYPE_CHECKING:
    from snapasset.database import Steps
    from snapasset.job import Job
    from snapasset.spend_settings import Caps

DAY_MS: Final = 86_400_000

_TODAY: Final = f"at >= now_ms() / {DAY_MS} * {DAY_MS}"
_SPENT: Final = f"SELECT CAST(coalesce(sum(coalesce(micro_usd, estimate, 0)), 0) AS bigint) FROM costs WHERE {_TODAY}"
_EXPECTED: Final = "SELECT CAST(coalesce(sum(estimate), 0) AS bigint) FROM jobs WHERE"
_TO_BE_PAID: Final = (
    f"{_EXPECTED} finished_at IS NULL AND estimate > 0 "
    "AND NOT EXISTS (SELECT 1 FROM costs WHERE costs.job_id = jobs.id AND costs.state = 'charged')"
)
_BEING_PAID: Final = (
    f"{_EXPECTED} status = 'active' AND estimate > 0 AND id <> $1 AND EXISTS (SELECT 1 FROM job_steps AS step "
    "WHERE step.job_id = jobs.id AND step.run = jobs.run AND step.state = 'started' AND step.paid = 1)"
)


def keep_to_caps_later(owner: str, caps: Caps, estimate: int | None) -> Steps[None]:
    """Refuse to take on `estimate` more when all that is taken on already, and was spent today, leaves no room for it.

    None is refused: what nobody can tell the price of cannot be kept to a limit. Raises `SpendCapReached`.
    """
    if estimate is None:
        raise SpendCapReached("Nobody can tell what this would cost, and there is a limit to what may be spent.")
    yield from _keep(owner, caps, estimate, _TO_BE_PAID)


def keep_to_caps_now(job: Job, caps: Caps) -> Steps[None]:
    """Refuse a call for `job` when those under way, and what was spent today, leave no room. Raises `SpendCapReached`."""
    yield from _keep(job.owner, caps, job.estimate or 0, _BEING_PAID, job.id)


def promised_to(owner: str) -> Steps[int]:
    """What counts against an owner's limit of today: what was spent, is in doubt, or is promised to jobs."""
    spent, promised = yield from _taken(owner, _TO_BE_PAID)
    return spent + promised


def lock_spending() -> Steps[None]:
    """Keep others from counting what is left until the change is committed."""
    yield Statement("SELECT singleton FROM record WHERE singleton = $1 FOR UPDATE", (1,), Together.ALONE)


def _taken(owner: str | None, expected: str, *params: str) -> Steps[tuple[int, int]]:
    """What was spent and what is `expected` to be, in one statement: what is paid meanwhile counts in one of the two."""
    mine, values = whose("owner", owner, params)
    ((spent, promised),) = yield Statement(f"SELECT ({_SPENT} {mine}), ({expected} {mine})", values)
    return spent, promised


def _keep(owner: str, caps: Caps, estimate: int, expected: str, *params: str) -> Steps[None]:
    yield from lock_spending()
    for cap, one, told in ((caps.owner, owner, "Your budget"), (caps.everybody, None, "The budget of this service")):
        if cap is None:
            continue
        spent, promised = yield from _taken(one, expected, *params)
        if spent + promised + estimate > cap or spent >= cap:
            ((now,),) = yield Statement("SELECT now_ms()")
            tomorrow = (now // DAY_MS + 1) * DAY_MS
            raise SpendCapReached(
                f"{told} for today is used up, or all of it is spoken for; the next begins at {iso(tomorrow)}.",
                retry_after_seconds=(tomorrow - now) / 1000,
            )
