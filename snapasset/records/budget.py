"""Whether what is to be paid for may be: the limits of a day and the owner's credits, asked about together.

A change that takes something on looks first, and is refused before it has done anything. It asks again when all else of it is
done, under a lock that is held for no longer than that. What is free asks nothing and waits for nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.database import Statement
from snapasset.job import Status
from snapasset.records.credits import keep_credits, look_for_credits, reserve_late
from snapasset.records.spending import Plan, keep_room, keep_to_caps_now, lock_spending, look_for_room

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.database import Steps
    from snapasset.job import Job
    from snapasset.spend_settings import Caps

_AT_ONCE = (Status.WAITING, Status.ACTIVE)


def look_at_budget(owner: str, caps: Caps | None, plans: Sequence[Plan], wanted: int) -> Steps[None]:
    """Refuse jobs of one owner, and the credits `wanted` for them, when there is plainly no room.

    Raises `SpendCapReached`, `NotEnoughCredits`.
    """
    if wanted:
        yield from look_for_credits(owner, wanted)
    if caps is not None and plans:
        yield from look_for_room(owner, caps, plans)


def keep_to_budget(owner: str, caps: Caps | None, costly: Sequence[Job], reserved: int) -> Steps[None]:
    """Refuse those `costly` jobs of one owner, and the credits just `reserved`, that go beyond what may be spent.

    Comes last in a change: it locks. Raises `SpendCapReached`, `NotEnoughCredits`.
    """
    asks = caps is not None and bool(costly)
    if not asks and not reserved:
        return
    yield from lock_spending()
    if reserved:
        yield from keep_credits(owner, reserved)
    if caps is not None and costly:
        plans = [Plan(job.estimate, job.due_at, job.status in _AT_ONCE) for job in costly]
        yield from keep_room(owner, caps, plans)


def look_at_call(job_id: str, fence: int, step: str, caps: Caps, quote: int | None) -> Steps[None]:
    """Refuse a call when there is plainly no room for it; nothing is said of one that will not be made."""
    rows = yield Statement(
        "SELECT owner, estimate FROM jobs WHERE id = $1 AND fence = $2 AND status = 'active' AND cancel_requested = 0",
        (job_id, fence),
    )
    if rows and (yield from done_before(job_id, step)) is None:
        ((owner, estimate),) = rows
        yield from keep_to_caps_now(job_id, owner, estimate or quote or 0, caps)


def keep_to_budget_now(job: Job, caps: Caps | None) -> Steps[None]:
    """Refuse a call that is to be made for `job` now, beyond what may be spent or what its owner has.

    A run that was taken on for free, or by a program that knew of no credits, reserves them here. Comes last in a change.
    Raises `SpendCapReached`, `NotEnoughCredits`.
    """
    reserved = yield from reserve_late(job)
    if caps is None and not reserved:
        return
    yield from lock_spending()
    if reserved:
        yield from keep_credits(job.owner, reserved)
    if caps is not None:
        yield from keep_to_caps_now(job.id, job.owner, job.estimate or 0, caps)


def done_before(job_id: str, step: str) -> Steps[str | None]:
    """The output of a step that was done in this run of the job or an earlier one; None: it was not."""
    rows = yield Statement(
        "SELECT output FROM job_steps WHERE job_id = $1 AND step = $2 AND state = 'done' ORDER BY run DESC LIMIT 1",
        (job_id, step),
    )
    return rows[0][0] if rows else None
