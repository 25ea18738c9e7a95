"""The limits of a day: what was spent, what is being spent, and whether one more call may be made.

A day is one of UTC. What nobody knows the amount of counts as it was estimated. Jobs that are put off, or wait for others, count
against their owner's limit of the day on which they are due, and against everybody's only for each other: who holds back work cannot
keep others from theirs. Whoever spends has first done all else that its change is made of; then it locks and asks, so that two
processes cannot both take what is left, and nobody waits longer than the asking takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Statement, Together
from snapasset.errors import SpendCapReached
from snapasset.event import iso
from snapasset.records.conditions import whose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from snapasset.database import Steps
    from snapasset.spend_settings import Caps

DAY_MS: Final = 86_400_000

_SPENT: Final = "SELECT CAST(coalesce(sum(coalesce(micro_usd, estimate, 0)), 0) AS bigint) FROM costs WHERE at >= $1"
_EXPECTED: Final = "SELECT CAST(coalesce(sum(estimate), 0) AS bigint) FROM jobs WHERE"
_TO_BE_PAID: Final = (
    f"{_EXPECTED} finished_at IS NULL AND estimate > 0 AND coalesce(due_at, 0) >= $2 AND coalesce(due_at, 0) < $3 "
    "AND NOT EXISTS (SELECT 1 FROM costs WHERE costs.job_id = jobs.id AND costs.state = 'charged')"
)
_TO_BE_PAID_AT_ONCE: Final = f"{_TO_BE_PAID} AND status IN ('waiting', 'active')"
_BEING_PAID: Final = (
    f"{_EXPECTED} status = 'active' AND estimate > 0 AND id <> $2 AND EXISTS (SELECT 1 FROM job_steps AS step "
    "WHERE step.job_id = jobs.id AND step.run = jobs.run AND step.state = 'started' AND step.paid = 1)"
)


class Plan(NamedTuple):
    """A job that is to be taken on: what it is expected to cost (None: nobody knows), and when it may begin.

    `due_at` is ms since the epoch, None where it may begin today; `at_once`: nothing else has to happen first.
    """

    estimate: int | None
    due_at: int | None
    at_once: bool


def look_for_room(owner: str, caps: Caps, plans: Sequence[Plan]) -> Steps[None]:
    """Refuse what one owner's jobs would cost when it is plain beforehand that there is no room. Raises `SpendCapReached`.

    Nothing is changed and nobody waits; whoever goes on asks again with `keep_room`.
    """
    yield from _keep_days(owner, caps, plans, counted=False)


def keep_room(owner: str, caps: Caps, plans: Sequence[Plan]) -> Steps[None]:
    """The same for jobs that are in the record by now; whoever calls has called `lock_spending`."""
    yield from _keep_days(owner, caps, plans, counted=True)


def keep_to_caps_now(job_id: str, owner: str, estimate: int, caps: Caps) -> Steps[None]:
    """Refuse a call for a job when those under way, and what was spent today, leave no room. Raises `SpendCapReached`.

    It holds for sure once `lock_spending` came before.
    """
    ((now,),) = yield Statement("SELECT now_ms()")
    for cap, one, told in _limits(owner, caps):
        spent, promised = yield from _taken(one, _BEING_PAID, now // DAY_MS * DAY_MS, job_id)
        if spent + promised + estimate > cap or spent >= cap:
            raise _used_up(told, now)


def promised_to(owner: str) -> Steps[int]:
    """What counts against an owner's limit of today: what was spent, is in doubt, or is promised to jobs."""
    ((now,),) = yield Statement("SELECT now_ms()")
    day = now // DAY_MS * DAY_MS
    spent, promised = yield from _taken(owner, _TO_BE_PAID, day, 0, day + DAY_MS)
    return spent + promised


def lock_spending() -> Steps[None]:
    """Keep others from counting what is left until the change is committed. It comes last, before what is asked under it."""
    yield Statement("SELECT singleton FROM record WHERE singleton = $1 FOR UPDATE", (1,), Together.ALONE)


def _keep_days(owner: str, caps: Caps, plans: Sequence[Plan], *, counted: bool) -> Steps[None]:
    if any(plan.estimate is None for plan in plans):
        raise SpendCapReached("Nobody can tell what this would cost, and there is a limit to what may be spent.")
    ((now,),) = yield Statement("SELECT now_ms()")
    today = now // DAY_MS
    days: dict[int, list[Plan]] = {}
    for plan in plans:
        days.setdefault(max(today, (plan.due_at or 0) // DAY_MS), []).append(plan)
    for day, of_day in sorted(days.items()):
        since = 0 if day == today else day * DAY_MS
        window = (day * DAY_MS, since, (day + 1) * DAY_MS)
        for cap, one, told, expected, asking in _questions(owner, caps, of_day):
            spent, promised = yield from _taken(one, expected, *window)
            more = 0 if counted else sum(plan.estimate or 0 for plan in asking)
            if spent + promised + more > cap or spent >= cap:
                raise _used_up(told, now) if day == today else _spoken_for(told, day)


def _questions(
    owner: str, caps: Caps, of_day: Sequence[Plan]
) -> Iterator[tuple[int, str | None, str, str, Sequence[Plan]]]:
    """For the plans of one day: each limit, whose it is and what it is called, what counts against it, and who is asking.

    What may begin at once has nobody's later jobs before it but its own owner's.
    """
    at_once = [plan for plan in of_day if plan.at_once]
    for cap, one, told in _limits(owner, caps):
        if one is None and at_once:
            yield cap, one, told, _TO_BE_PAID_AT_ONCE, at_once
        if one is not None or len(at_once) < len(of_day):
            yield cap, one, told, _TO_BE_PAID, of_day


def _taken(owner: str | None, expected: str, *params: str | int) -> Steps[tuple[int, int]]:
    """What was spent since the first of `params`, a time, and what is `expected` to be.

    In one statement: what is paid meanwhile counts in one of the two.
    """
    mine, values = whose("owner", owner, params)
    ((spent, promised),) = yield Statement(f"SELECT ({_SPENT} {mine}), ({expected} {mine})", values)
    return spent, promised


def _limits(owner: str, caps: Caps) -> Iterator[tuple[int, str | None, str]]:
    """Each limit there is, whose it is (None: everybody's), and what it is called."""
    if caps.owner is not None:
        yield caps.owner, owner, "Your budget"
    if caps.everybody is not None:
        yield caps.everybody, None, "The budget of this service"


def _used_up(told: str, now: int) -> SpendCapReached:
    tomorrow = (now // DAY_MS + 1) * DAY_MS
    return SpendCapReached(
        f"{told} for today is used up, or all of it is spoken for; the next begins at {iso(tomorrow)}.",
        retry_after_seconds=(tomorrow - now) / 1000,
    )


def _spoken_for(told: str, day: int) -> SpendCapReached:
    return SpendCapReached(f"{told} for {iso(day * DAY_MS)[:10]}, when this is due, is spoken for; choose another day.")
