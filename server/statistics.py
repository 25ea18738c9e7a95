"""GET /api/jobs/stats/overview: how the caller's jobs are doing; everybody's, for an admin."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from server.auth import identify_or_nobody
from snapasset.job import Status
from snapasset.job_type import Access
from snapasset.records.statistics import GetOverview

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from server.state import State
    from snapasset.records.statistics import LastDay

_DAY_HOURS = 24


async def overview(request: Request[State]) -> Response:
    """Jobs by status and kind as they stand, and how the last 24 hours went; durations in seconds."""
    identity = await identify_or_nobody(request)
    everybody = identity.access >= Access.ADMIN
    found = await request.state["database"].read(GetOverview(None if everybody else identity.owner))
    by_kind = {kind: _all_statuses([counts]) for kind, counts in found.by_kind.items()}
    by_status = _all_statuses(found.by_kind.values())
    body = {
        "scope": "all" if everybody else "own",
        "total": sum(by_status.values()),
        "byStatus": by_status,
        "byKind": by_kind,
        "lastDay": _last_day(found.last_day),
    }
    return Response(json.dumps(body), headers={"cache-control": "no-store"}, media_type="application/json")


def _all_statuses(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    summed = dict.fromkeys((status.value for status in Status), 0)
    for one in counts:
        for status, count in one.items():
            summed[status] += count
    return summed


def _last_day(day: LastDay) -> dict[str, Any]:
    decided = day.completed + day.failed
    return {
        "completed": day.completed,
        "failed": day.failed,
        "cancelled": day.cancelled,
        "retried": day.retried,
        "successRate": round(day.completed / decided, 4) if decided else None,
        "meanSeconds": None if day.mean is None else round(day.mean / 1000, 3),
        "p95Seconds": None if day.p95 is None else round(day.p95 / 1000, 3),
        "perHour": round((decided + day.cancelled) / _DAY_HOURS, 2),
        "errors": day.errors,
    }
