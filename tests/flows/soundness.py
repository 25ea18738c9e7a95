"""What must hold in a record at any moment, whatever was killed: looked up beside the running servers."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Ask = Callable[[str], "Iterable[Any]"]
"""Rows, whose columns can be had by name and by position, for a statement without parameters."""

_ENDED: Final = {"completed", "failed", "cancelled"}


def assert_sound(data_dir: Path) -> None:
    """Fail unless the record keeps its promises. Call it while a server runs, so that its recovery is the server's."""
    with closing(sqlite3.connect(f"file:{data_dir / 'snapasset.db'}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        damage = [word for (word,) in connection.execute("PRAGMA integrity_check") if word != "ok"]
        found = [*damage, *troubles(connection.execute), *lost_files(connection.execute, data_dir / "files")]
    assert not found, "\n".join(found)


def troubles(ask: Ask) -> Iterator[str]:
    """What is wrong with jobs, events and steps; `ask` answers from one snapshot of the record, whatever database it is."""
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in ask("SELECT job_id, seq, body FROM job_events ORDER BY job_id, seq"):
        body = json.loads(row["body"])
        events[row["job_id"]].append(body)
        if (body["jobId"], body["seq"]) != (row["job_id"], row["seq"]):
            yield f"{row['job_id']}: event {row['seq']} says that it is {body['seq']} of {body['jobId']}"
    for job in ask("SELECT * FROM jobs"):
        its_events = events.pop(job["id"], [])
        for trouble in (*_row(job), *_sequence(job, its_events), *_life(its_events), *_steps(its_events)):
            yield f"{job['id']} ({job['kind']}): {trouble}: {[_short(event) for event in its_events]}"
    yield from (f"{job_id}: events without a job" for job_id in events)
    unsaid = "SELECT job_id, step FROM job_steps WHERE state = 'done' AND output IS NULL"
    yield from (f"{job_id}: step {step} is done without output" for job_id, step in ask(unsaid))


def _short(event: dict[str, Any]) -> str:
    return " ".join(
        str(event[name]) for name in ("seq", "run", "attempt", "type", "status", "step", "state") if name in event
    )


def _row(job: Any) -> Iterator[str]:
    if (job["status"] in _ENDED) != (job["finished_at"] is not None):
        yield f"it is {job['status']}, and finished at {job['finished_at']}"
    if (job["status"] == "active") != (job["worker_id"] is not None):
        yield f"it is {job['status']}, and held by {job['worker_id']}"
    if not 0 <= job["attempt"] <= job["attempts"]:
        yield f"attempt {job['attempt']} of {job['attempts']}"


def _sequence(job: Any, events: list[dict[str, Any]]) -> Iterator[str]:
    if [event["seq"] for event in events] != list(range(1, job["seq"] + 1)):
        yield f"seqs up to {job['seq']} have gaps or doubles"
    elif events[-1]["status"] != job["status"] or events[-1]["run"] != job["run"]:
        yield f"it is {job['status']} in run {job['run']}, which was not told"


def _life(events: list[dict[str, Any]]) -> Iterator[str]:
    """One final a run, nothing after it but a new run; an attempt begins only where none is under way."""
    run, status = 1, "new"
    for event in events:
        began = event["status"] == "active" and not {"state", "preview", "cancelRequested"} & event.keys()
        if status in _ENDED and (event["run"], event["status"]) != (run + 1, "waiting"):
            yield f"event {event['seq']} came after the final"
        elif status not in _ENDED and event["run"] != run:
            yield f"event {event['seq']} began a run within another"
        if (event["status"] in _ENDED) != (event["type"] == "final"):
            yield f"event {event['seq']} is {event['status']} and told as {event['type']}"
        if began and status != "waiting":
            yield f"attempt {event['attempt']} began while the job was {status}"
        run, status = event["run"], event["status"]


def _steps(events: list[dict[str, Any]]) -> Iterator[str]:
    """A step is done once in a job's life, and never begun again once it is done, nor twice in one attempt."""
    done: set[str] = set()
    under_way: set[str] = set()
    for event in events:
        if event["status"] != "active":
            under_way.clear()
        elif "state" not in event:
            continue
        elif event["step"] in done:
            yield f"event {event['seq']}: step {event['step']} was done already"
        elif event["state"] == "started":
            if event["step"] in under_way:
                yield f"event {event['seq']}: step {event['step']} was under way"
            under_way.add(event["step"])
        elif event["step"] not in under_way:
            yield f"event {event['seq']}: step {event['step']} had not begun"
        else:
            under_way.remove(event["step"])
            if event["state"] == "done":
                done.add(event["step"])


def lost_files(ask: Ask, folder: Path) -> Iterator[str]:
    """Files of the record that the folder does not have, or not whole; an unfinished picture is filed before it is stored."""
    for row in ask("SELECT key, size, role FROM files"):
        path = folder / row["key"]
        size = path.stat().st_size if path.exists() else None
        if size != row["size"] and (size is not None or row["role"] != "preview"):
            yield f"file {row['key']} has {size} bytes, not {row['size']}"
