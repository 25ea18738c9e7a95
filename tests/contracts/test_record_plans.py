"""How SQLite finds what an operation asks for: by the index meant for it, at a cost that other rows do not raise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from snapasset.database import Both, Read, Statement, Write
from snapasset.database.sqlite_connection import Connection
from snapasset.event import Event
from snapasset.job import Job
from snapasset.records.claims import Beat, Claim, GiveBack
from snapasset.records.dependencies import BlockedAstray, MendBlocked, ReadyDependants
from snapasset.records.endings import Cancel, Complete, Fail
from snapasset.records.events import EventsAfter, Missing, MissingEvents
from snapasset.records.failures import ProviderFailedAt
from snapasset.records.files import GetFile
from snapasset.records.generations import Condemn, FindGenerations, FindLike, Forget, GetGeneration
from snapasset.records.jobs import CountByQueue, FindJobs, GetJob, QueueDepths, ReadyKinds
from snapasset.records.owner_events import Cursor, CursorNow, LookAfter, OwnerEventsAfter, OwnersBehind
from snapasset.records.previews import SpentPreviews
from snapasset.records.queues import LimitQueue, PauseQueue, QueueRooms
from snapasset.records.revival import Retry
from snapasset.records.schedules import DueSchedules
from snapasset.records.standing import GetStanding
from snapasset.records.statistics import GetOverview
from snapasset.records.steps import DoneSteps, FinishStep, StartStep
from snapasset.records.upkeep import Expire, HeldJob, HeldJobs, NextDue, NextExpiry, Promote, ReadyJobs, Reap
from snapasset.records.usage import GetUsage
from snapasset.records.workers import LiveWorkers
from snapasset.spend_settings import Caps
from tests.contracts.record_backends import Do
from tests.contracts.record_jobs import CLAIM, KIND, OWNER, QUEUE, WORKER, a_job

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from snapasset.database import Row, Steps

T = TypeVar("T")

LIMITED = "limited"
NOW = 1_800_000_000_000

# Rows as an operation: `count` of one status. The fields that indexes are made of differ from row to row.
ROWS = (
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $2 - 1) "
    "INSERT INTO jobs (id, kind, queue, owner, status, priority, rank, data, attempts, worker_id, created_at, due_at, "
    "started_at, finished_at, updated_at) "
    "SELECT $1 || '-' || i, 'draw', 'pictures', 'session:' || (i % 7), $1, 10, i - 20000000000000, '{}', 3, "
    "CASE WHEN $1 = 'active' THEN 'worker-' || (i % 3) END, 1700000000000 + i, "
    "CASE WHEN $1 = 'delayed' THEN 1900000000000 + i END, "
    "CASE WHEN $1 IN ('active', 'completed') THEN 1700000000000 END, "
    "CASE WHEN $1 IN ('completed', 'failed', 'cancelled') THEN 1700000000000 END, 1700000000000 FROM n"
)


class Fill(Write[None]):
    """Many jobs of one status, older and more urgent than any other."""

    def __init__(self, status: str, count: int) -> None:
        self._params = (status, count)

    def steps(self) -> Steps[None]:
        yield Statement(ROWS, self._params)


class Explained(Read["list[str]"]):
    """How an operation's statements would be carried out; they are carried out, too."""

    def __init__(self, operation: Read[Any] | Write[Any]) -> None:
        self._operation = operation

    def steps(self) -> Steps[list[str]]:
        plans: list[str] = []
        steps = self._operation.steps()
        rows: list[Row] | None = None
        while True:
            try:
                step = next(steps) if rows is None else steps.send(rows)
            except StopIteration:
                return plans
            if isinstance(step, Event):
                rows = []
                yield step
                continue
            plan = yield Statement(f"EXPLAIN QUERY PLAN {step.sql}", step.params)
            plans += [line for *_, line in plan]
            rows = yield step


@pytest.fixture
def connection(tmp_path: Path) -> Generator[Connection]:
    opened = Connection(tmp_path / "record.db", "OFF", lambda: NOW)
    opened.migrate()
    yield opened
    opened.raw.close()


def plan(connection: Connection, operation: Read[Any] | Write[Any]) -> list[str]:
    return connection.run(Explained(operation), [])


def run(connection: Connection, operation: Read[T] | Write[T]) -> T:
    return connection.run(operation, [])


def cost(connection: Connection, make: Callable[[], Read[Any] | Write[Any]]) -> int:
    """How many steps SQLite's own machine takes."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    run(connection, make())  # once before, so that preparing is not counted
    connection.raw.set_progress_handler(tick, 1)
    try:
        run(connection, make())
    finally:
        connection.raw.set_progress_handler(None, 0)
    return count


HELD = HeldJob("waiting-0", 1, 0, WORKER)
WAITING = Job(
    "waiting-0", KIND, QUEUE, OWNER, "waiting", 0, "{}", None, None, None, 1, 0, 3, 0, 0, 1, None, 0.0, 0, None, NOW,
    None, None, None, NOW,
)  # fmt: skip

INDEXED: dict[str, tuple[Read[Any] | Write[Any], tuple[str, ...]]] = {
    "claim": (Claim(QUEUE, (KIND, "clean"), WORKER), ("jobs_ready (queue=?)",)),
    "ready": (ReadyJobs(QUEUE, (KIND, "clean"), 10), ("jobs_ready (queue=?)",)),
    "promote": (Promote(), ("jobs_due (due_at<?)",)),
    "next due": (NextDue(), ("jobs_due",)),
    "held": (HeldJobs(), ("jobs_active",)),
    "provider failed": (ProviderFailedAt((KIND, "clean")), ("jobs_finished (kind=? AND status=? AND", "jobs_due")),
    "spent previews": (SpentPreviews((KIND, "clean"), 0), ("jobs_finished (kind=? AND status=? AND", "files_of_gen")),
    "counts": (CountByQueue(), ("INDEX jobs_ready", "INDEX jobs_due", "INDEX jobs_active")),
    "depths": (QueueDepths(), ("INDEX jobs_ready", "INDEX jobs_due", "INDEX jobs_active")),
    "depths, ages of some kinds": (QueueDepths((KIND,)), ("INDEX jobs_ready", "INDEX jobs_due", "INDEX jobs_active")),
    "ready kinds": (ReadyKinds(), ("INDEX jobs_ready",)),
    "queue rooms": (QueueRooms(), ("queue_claims_of_queue (queue=? AND at>? AND at<?)", "INDEX jobs_active")),
    "live workers": (LiveWorkers(1000), ("jobs_active",)),
    "submit with a limit": (a_job(live_limit=10), ("jobs_live (owner=? AND finished_at=?)",)),
    "list": (FindJobs(OWNER), ("jobs_of_owner (owner=?)",)),
    "next page": (FindJobs(OWNER, before=(NOW, "x")), ("jobs_of_owner (owner=? AND (created_at,id)<(?,?))",)),
    "list, filtered": (
        FindJobs(OWNER, statuses=("waiting", "failed"), kinds=(KIND,), created_after=1, created_before=2),
        ("jobs_of_owner (owner=? AND created_at>? AND created_at<?)",),
    ),
    "events": (EventsAfter("x", 5), ("(job_id=? AND seq>?)",)),
    "missing events": (
        MissingEvents((Missing("x", 5, 9), Missing("y", 0, 1))),
        ("job_events USING INDEX sqlite_autoindex_job_events_1 (job_id=? AND seq>? AND seq<?)",),
    ),
    "an owner's events": (
        OwnerEventsAfter(OWNER, Cursor("", 0, 5)),
        tuple(f"job_events_of_owner (<expr>=? AND {it})" for it in ("horizon=? AND pos>?", "horizon>? AND horizon<?")),
    ),
    "now": (CursorNow(), ("SEARCH job_events",)),
    "a look at an owner's events": (
        LookAfter(OWNER, Cursor("", 0, 5), 9),
        ("job_events_of_owner (<expr>=? AND horizon>?)",),
    ),
    "owners behind": (
        OwnersBehind([(OWNER, Cursor("", 0, 5)), ("x", Cursor("", 0, 5))]),
        tuple(f"job_events_of_owner (<expr>=? AND {it})" for it in ("horizon=? AND pos>?", "horizon>?")),
    ),
    "done steps": (DoneSteps("x"), ("job_steps USING PRIMARY KEY (job_id=?)",)),
    "next expiry": (NextExpiry(), ("jobs_expiring",)),
    "expire": (Expire(), ("jobs_expiring (expires_at>? AND expires_at<?)",)),
    "due schedules": (DueSchedules(), ("schedules_due (next_run<?)",)),
    "ready dependants": (ReadyDependants("x"), ("dependencies USING PRIMARY KEY (parent_id=?)", "jobs USING INDEX")),
    "blocked astray": (BlockedAstray(), ("jobs_blocked", "dependencies_of_job (job_id=?)")),
    "mend": (MendBlocked(), ("jobs_blocked", "dependencies_of_job (job_id=?)")),
    "standing": (
        GetStanding(WAITING),
        ("jobs_ready (queue=? AND (rank,id)<(?,?))", "jobs_finished (kind=? AND status=? AND finished_at>?)"),
    ),
    "gallery": (FindGenerations(OWNER), ("generations_of_owner (owner=?)",)),
    "next page of the gallery": (
        FindGenerations(OWNER, before=(NOW, "x")),
        ("generations_of_owner (owner=? AND (created_at,id)<(?,?))",),
    ),
    "an owner's overview": (GetOverview(OWNER), ("jobs_of_owner (owner=?)",)),
    "alike": (FindLike(OWNER, "like"), ("generations_alike (owner=? AND likeness=?)",)),
    "used": (GetUsage(OWNER), ("costs_of_owner (owner=? AND at>?)", "credits_of_owner (owner=?)")),
    "submit within limits": (
        a_job(estimate=5, caps=Caps(10**9, 10**9)),
        (
            "costs USING COVERING INDEX costs_of_owner (owner=? AND at>?)",
            "costs USING COVERING INDEX costs_of_day (at>?)",
            "jobs_to_pay (owner=?",
            "jobs USING INDEX jobs_to_pay",
        ),
    ),
}

SORTED = (
    "an owner's events",
    "a look at an owner's events",
    "missing events",
    "now",
    "counts",
    "depths",
    "depths, ages of some kinds",
    "ready kinds",
    "live workers",
    "due schedules",
    "an owner's overview",
    "get generation",
    "condemn",
    "standing",
)
"""They group or sort what they found by their index: queues, kinds of one, processes, schedules of one moment, one owner's jobs, its files, the kinds of those ahead of a job, events of a few jobs, a page."""

BY_ID: dict[str, Read[Any] | Write[Any]] = {
    "get": GetJob("waiting-0"),
    "get of an owner": GetJob("waiting-0", OWNER),
    "beat": Beat("waiting-0", 1, 0.0),
    "give back": GiveBack("waiting-0", 1),
    "start step": StartStep("waiting-0", 1, "render", paid=True, progress=1.0),
    "finish step": FinishStep("waiting-0", 1, "render", "1", 2.0),
    "complete": Complete("waiting-0", 1, "{}"),
    "fail": Fail("waiting-0", 1, {}, retryable=True, delay_ms=0, doubtful=True),
    "cancel": Cancel("waiting-0", "session:0"),
    "reap": Reap(HELD),
    "get file": GetFile("x", OWNER),
    "submit with parents": a_job(depends_on=("waiting-0", "waiting-0-parent"), owner="session:0"),
    "retry": Retry("failed-0", "session:0", cascade=True),
    "get generation": GetGeneration("g-0", "session:0"),
    "condemn": Condemn("g-1", "session:0"),
    "forget": Forget("g-0"),
}


FAMILY: tuple[Write[Any], ...] = (
    Fill("waiting", 1),
    Fill("failed", 1),
    Do("UPDATE jobs SET owner = 'session:0', dependants = 1, generation_id = 'g-0' WHERE id = 'waiting-0'"),
    Do("UPDATE jobs SET depends_on = '[]', dependants = 1 WHERE id = 'failed-0'"),
    a_job("waiting-0-parent", owner="session:0", queue="chores"),
    a_job("waiting-0-child", owner="session:0", depends_on=("waiting-0",)),
    Do("INSERT INTO generations (id, owner, job_id, request, created_at) VALUES ('g-0', 'session:0', 'gone', '{}', 0)"),
    Do("INSERT INTO generations (id, owner, job_id, request, created_at) VALUES ('g-1', 'session:0', 'gone', '{}', 0)"),
)
"""Jobs that others depend on, and their generations: so that the operations go on to those."""

TABLES = (
    "jobs", "job_events", "job_steps", "files", "dependencies", "parents", "generations", "schedules",
    "schedule_firings", "idempotency", "queues", "queue_claims", "workers", "costs",
)  # fmt: skip


def scans(plan: list[str]) -> list[str]:
    """The lines that go through a whole table, or sort or search by something made on the way."""
    made = ("TEMP B-TREE", "AUTOMATIC")
    return [line for line in plan if any(word in line for word in made) or (line.startswith("SCAN") and is_table(line))]


def is_table(line: str) -> bool:
    return "USING" not in line and any(table in line for table in TABLES)


class TestPlans:
    @pytest.mark.parametrize("name", INDEXED)
    def test_it_goes_by_the_index_that_was_made_for_it(self, connection: Connection, name: str) -> None:
        operation, indexes = INDEXED[name]
        lines = plan(connection, operation)
        for index in indexes:
            assert any(index in line for line in lines), lines
        if name not in SORTED:
            assert scans(lines) == []

    def test_a_claim_from_a_limited_queue_does_so_too(self, connection: Connection) -> None:
        run(connection, LimitQueue(QUEUE, 5, 5, 60_000))
        run(connection, a_job())
        lines = plan(connection, CLAIM)
        for index in ("jobs_ready (queue=?)", "INDEX jobs_active", "queue_claims_of_queue (queue=?", "queues USING"):
            assert any(index in line for line in lines), lines
        assert scans(lines) == []

    @pytest.mark.parametrize("name", BY_ID)
    def test_it_goes_straight_to_its_row(self, connection: Connection, name: str) -> None:
        for change in FAMILY:
            run(connection, change)
        if name != "cancel":
            run(connection, CLAIM)
        lines = plan(connection, BY_ID[name])
        assert any("SEARCH" in line for line in lines)
        assert not any(line.startswith("SCAN") for line in scans(lines))
        if name not in SORTED:
            assert scans(lines) == []

    @pytest.mark.parametrize("sql", ["SELECT * FROM jobs", "SELECT id FROM jobs WHERE owner = 'x' ORDER BY data"])
    def test_a_scan_or_a_sort_would_be_seen(self, connection: Connection, sql: str) -> None:
        assert scans(plan(connection, Do(sql)))


ASKED_OFTEN: dict[str, Callable[[], Read[Any] | Write[Any]]] = {
    "claim": lambda: CLAIM,
    "complete and claim": lambda: Both(Complete("nobody", 1, "{}"), CLAIM),
    "claim, nothing there": lambda: Claim("empty", (KIND,), WORKER),
    "claim from a limited queue": lambda: Claim(LIMITED, (KIND,), WORKER),
    "queue rooms": QueueRooms,
    "ready": lambda: ReadyJobs(QUEUE, (KIND, "clean"), 10),
    "promote, nothing due": Promote,
    "next due": NextDue,
    "held": HeldJobs,
    "submit": lambda: a_job(owner="session:new", live_limit=1000),
    "next expiry": NextExpiry,
    "expire, nothing due": Expire,
    "due schedules": DueSchedules,
    "ready dependants": lambda: ReadyDependants("waiting-0"),
    "standing": lambda: GetStanding(WAITING._replace(id="waiting-19")),
}


@pytest.mark.parametrize("status", ["delayed", "blocked", "completed"])
def test_thousands_that_do_not_matter_cost_nothing(tmp_path: Path, status: str) -> None:
    costs: list[dict[str, int]] = []
    for crowd in (50, 5000):
        connection = Connection(tmp_path / f"{crowd}.db", "OFF", lambda: NOW)
        connection.migrate()
        run(connection, Fill(status, crowd))
        run(connection, Fill("waiting", 20))
        run(connection, LimitQueue(LIMITED, 5, 5, 60_000))
        for _ in range(3):
            run(connection, a_job(queue=LIMITED))
        costs.append({name: cost(connection, make) for name, make in ASKED_OFTEN.items()})
        connection.raw.close()
    few, many = costs
    assert all(many.values())
    assert {name: count for name, count in many.items() if count > few[name] * 1.1} == {}


@pytest.mark.parametrize("held_up", [PauseQueue(QUEUE), LimitQueue(QUEUE, 1, None, None)])
def test_thousands_that_wait_where_nobody_may_claim_cost_nothing(tmp_path: Path, held_up: Write[None]) -> None:
    costs: list[int] = []
    for crowd in (50, 5000):
        connection = Connection(tmp_path / f"{crowd}.db", "OFF", lambda: NOW)
        connection.migrate()
        run(connection, Fill("waiting", crowd))
        run(connection, CLAIM)
        run(connection, held_up)
        assert run(connection, CLAIM) is None
        costs.append(cost(connection, lambda: CLAIM))
        connection.raw.close()
    assert costs[1] <= costs[0] * 1.1


@pytest.mark.parametrize("change", [Promote, Expire])
def test_a_flood_that_is_due_at_one_moment_costs_each_commit_its_own_share(
    tmp_path: Path, change: Callable[[], Write[Any]]
) -> None:
    costs: list[int] = []
    for crowd in (500, 5000):
        connection = Connection(tmp_path / f"{crowd}.db", "OFF", lambda: NOW)
        connection.migrate()
        run(connection, Fill("delayed", crowd))
        run(connection, Do("UPDATE jobs SET due_at = $1, expires_at = $1", (NOW,)))
        costs.append(cost(connection, change))
        connection.raw.close()
    assert costs[1] <= costs[0] * 1.1
