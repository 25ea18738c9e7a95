"""What is promised whatever happens, checked after every case from outside: in the record, at the readers, in the logs.

I1 every 202 has ended · I2 one final a run, and no attempt does anything once another has begun · I3 nothing is charged
again unseen · I4 seqs without gaps or doubles, in the record and at every reader · I5 nothing after a final but a retry ·
I6 memory and descriptors are given back. (How much is logged and how soon all heals depends on the fault: the tests see to it.)
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from tests.faults.kinds import BEGUN, CHARGED
from tests.faults.patience import ENDS, within
from tests.faults.vitals import assert_given_back

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.cluster import Cluster

ENDED: Final = {"completed", "failed", "cancelled"}

_NOTICES: Final = {
    "away": "Redis not available, using in-memory queue fallback",
    "back": "Redis is back, using it again",
}


async def assert_promises(cluster: Cluster) -> None:
    """Fail unless every promise was kept. Something of the cluster must be left that can end what was accepted."""
    await all_ended(cluster)  # I1
    async with asyncio.timeout(ENDS):
        await cluster.told_all()
    found = await cluster.record.complaints(cluster.host.data_dir / "files")  # I2, I4 and I5 in the record
    found += [complaint for witness in cluster.witnesses for complaint in witness.complaints()]  # I4 and I5 at readers
    found += await _overlaps(cluster)
    found += await _charges(cluster)
    assert not found, "\n".join(found)
    await assert_given_back(cluster.begun)  # I6


async def all_ended(cluster: Cluster, seconds: float = ENDS, job_ids: list[str] | None = None) -> None:
    """Wait until every accepted job has ended, or each of these."""
    asked = cluster.accepted if job_ids is None else job_ids

    async def look() -> bool:
        rows = await cluster.record.rows("SELECT id, status FROM jobs")
        statuses = {row["id"]: row["status"] for row in rows}
        missing = [job_id for job_id in asked if job_id not in statuses]
        assert not missing, f"accepted, and not in the record: {missing}"
        return all(statuses[job_id] in ENDED for job_id in asked)

    await within(seconds, look, f"all of {len(asked)} jobs have ended")


async def _overlaps(cluster: Cluster) -> list[str]:
    """I2: attempts follow one another in the record; what a fence began is not begun again by the same fence."""
    found: list[str] = []
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in await cluster.record.rows("SELECT job_id, body FROM job_events ORDER BY job_id, seq"):
        events[row["job_id"]].append(json.loads(row["body"]))
    for job_id, told in events.items():
        found += (f"{job_id}: {complaint}" for complaint in _steps_back(told))
    twice = Counter((line["job"], line["fence"]) for line in cluster.ledger.lines(BEGUN))
    found += (f"{job}: begun {n} times with fence {fence}" for (job, fence), n in twice.items() if n > 1)
    return found


def _steps_back(told: list[dict[str, Any]]) -> Iterator[str]:
    run, attempt = 1, 0
    for event in told:
        here = (event["run"], event["attempt"])
        # A process that stops gives a job back uncounted; one that was to be cancelled ends by that.
        given_back = event["status"] in ("waiting", "cancelled") and event["attempt"] == attempt - 1
        if event["run"] < run or (event["run"] == run and event["attempt"] < attempt and not given_back):
            yield f"event {event['seq']} is of attempt {here} after {(run, attempt)}"
        run, attempt = here


async def _charges(cluster: Cluster) -> list[str]:
    """I3: a step is charged once, and once more for each doubt that the record shows."""
    charged = Counter((line["job"], line["step"]) for line in cluster.ledger.lines(CHARGED))
    rows = await cluster.record.rows("SELECT job_id, step, sum(doubts) AS doubts FROM job_steps GROUP BY job_id, step")
    doubts = {(row["job_id"], row["step"]): int(row["doubts"]) for row in rows}
    return [
        f"{job}: {step} was charged {n} times, with {doubts.get((job, step), 0)} doubts"
        for (job, step), n in charged.items()
        if n > 1 + doubts.get((job, step), 0)
    ]


def assert_ran_once(cluster: Cluster, job_ids: list[str]) -> None:
    """Fail unless each of these errands was begun just once: no fault here took a worker away."""
    begun = Counter(line["job"] for line in cluster.ledger.lines(BEGUN))
    wrong = {job_id: begun[job_id] for job_id in job_ids if begun[job_id] != 1}
    assert not wrong, wrong


def assert_told_once(cluster: Cluster, times: int = 1) -> None:
    """Fail unless each process that lives has warned of its Redis, and told of its return, so often and not more."""
    for process in cluster.processes():
        log = process.log()
        told = {name: sum(words in line["message"] for line in log) for name, words in _NOTICES.items()}
        assert told == {"away": times, "back": times}, (type(process).__name__, told)
        others = [line for line in log if "redis" in line["message"].lower() and line["level"] != "debug"]
        assert len(others) == 2 * times, others


def warnings_of_redis(cluster: Cluster) -> list[int]:
    """How often each process that lives has warned that Redis is away."""
    return [
        sum(_NOTICES["away"] in line["message"] and line["level"] == "warning" for line in process.log())
        for process in cluster.processes()
    ]
