"""How the jobs are doing: counts as they stand, and how the last day went."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from snapasset.database import Read, Statement
from snapasset.job import Status

if TYPE_CHECKING:
    from snapasset.database import Row, Steps

DAY_MS: Final = 86_400_000
_LOOKED_AT: Final = 10_000
"""Most ended jobs that are looked at for one answer, the newest of the day: more would not change it much."""


class LastDay(NamedTuple):
    """What ended within the last 24 hours: numbers of jobs, durations in ms, `errors` by code, `retried` after a failure."""

    completed: int
    failed: int
    cancelled: int
    retried: int
    mean: float | None
    p95: int | None
    errors: dict[str, int]


class Overview(NamedTuple):
    """`by_kind` has the number of jobs of each kind in each status that occurs."""

    by_kind: dict[str, dict[str, int]]
    last_day: LastDay


@dataclass(frozen=True, slots=True)
class GetOverview(Read[Overview]):
    """The jobs of one owner, of everybody when `owner` is None."""

    owner: str | None

    def steps(self) -> Steps[Overview]:
        whose, params = ("", ()) if self.owner is None else ("AND owner = $1", (self.owner,))
        counts = yield Statement(
            f"SELECT kind, status, count(*) FROM jobs WHERE 1 = 1 {whose} GROUP BY kind, status ORDER BY kind", params
        )
        by_kind: dict[str, dict[str, int]] = {}
        for kind, status, count in counts:
            by_kind.setdefault(kind, {})[status] = count
        ended = yield Statement(
            "SELECT status, error, attempt, run, finished_at - started_at FROM jobs "
            f"WHERE finished_at IS NOT NULL AND finished_at > now_ms() - {DAY_MS} {whose} "
            f"ORDER BY finished_at DESC LIMIT {_LOOKED_AT}",
            params,
        )
        return Overview(by_kind, _last_day(ended))


def _last_day(ended: list[Row]) -> LastDay:
    statuses = Counter(row[0] for row in ended)
    errors = Counter(
        json.loads(error)["code"] for status, error, *_ in ended if status == Status.FAILED and error is not None
    )
    durations = sorted(took for status, _, _, _, took in ended if status == Status.COMPLETED and took is not None)
    return LastDay(
        completed=statuses[Status.COMPLETED],
        failed=statuses[Status.FAILED],
        cancelled=statuses[Status.CANCELLED],
        retried=sum(attempt > 1 or run > 1 for _, _, attempt, run, _ in ended),
        mean=sum(durations) / len(durations) if durations else None,
        p95=durations[math.ceil(len(durations) * 0.95) - 1] if durations else None,
        errors=dict(errors),
    )
