"""Events that are stored by the statement that changes their jobs, and cost no trip of their own.

Their bodies are composed here, in SQL, and say what `snapasset.event.tell` makes of the same rows: who changes one of the two
changes the other. What is stored is the same JSON, though its numbers may be written otherwise. All rows of a statement were
changed at the same time, its own, so that is not spelt out for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snapasset.event import FINAL

if TYPE_CHECKING:
    from collections.abc import Mapping

_AT: Final = (
    "(SELECT to_char(timestamp '1970-01-01' + now_ms() * interval '1 millisecond', "
    """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))"""
)
_BODY: Final = (
    """concat('{{"type":"{type}","jobId":', to_json(id), ',"seq":', seq, ',"run":', run, ',"attempt":', attempt, """
    """',"status":"', status, '","step":', coalesce(CAST(to_json(step) AS text), 'null'), ',"progress":', progress, """
    """',"at":"', {at}, '"', CASE WHEN cancel_requested <> 0 THEN ',"cancelRequested":true' END, """
    """{more}, ',"cost":' || cost, '}}')"""
)
_RESULT: Final = """',"result":' || result"""
_EVENTS: Final = "SELECT id, seq, '{type}', {body}, updated_at, owner, (TABLE horizon) FROM {jobs}"
_COUNT: Final = "(SELECT count(*) FROM {jobs})"
# The horizon is looked at when all rows are locked: before, another transaction may still tell of one of them.
_STORING: Final = (
    "horizon AS (SELECT horizon_now() WHERE {locked} >= 0), "
    "told AS (INSERT INTO job_events (job_id, seq, type, body, at, owner, horizon) {events})"
)


def storing(types: Mapping[str, str]) -> str:
    """What stores the events of jobs that the same statement has changed, as further CTEs of it.

    `types`: by the name of a CTE that returns such jobs, the type of their events (`Statement.tells`).
    """
    events = (
        _EVENTS.format(
            jobs=jobs, type=type_, body=_BODY.format(type=type_, at=_AT, more=_RESULT if type_ == FINAL else "NULL")
        )
        for jobs, type_ in types.items()
    )
    locked = " + ".join(_COUNT.format(jobs=jobs) for jobs in types)
    return _STORING.format(locked=locked, events=" UNION ALL ".join(events))
