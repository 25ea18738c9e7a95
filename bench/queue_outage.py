"""Redis killed in the middle of jobs and started again, empty, some seconds later: what becomes of the jobs.

All systems go through the same outage of the same server at the same time, each in a database of its own.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.queue_log import Run, longest_pause, ran_twice, ran_twice_at_once, runs
from bench.queue_ours import Ours
from bench.queue_systems import Lasting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from bench.queue_systems import System
    from tests.servers.redis import RedisServer

CONCURRENCY = 10
JOB_SECONDS = 0.25
PER_SECOND = 10
BEFORE_SECONDS = 3.0
AFTER_SECONDS = 6.0
_QUIET_SECONDS = 3.0
_PATIENCE = 60.0


class Survived(NamedTuple):
    """What became of the jobs that were accepted, and of what was to be added while Redis was away."""

    accepted: int
    refused: int
    lost: int
    twice: int
    twice_at_once: int
    first_claim: float
    """Seconds from the return of Redis to the first start of a job; infinite when there was none."""
    pause: float
    """The longest time without a start, from the kill until some seconds after the return."""


def outage(systems: Sequence[System], redis: RedisServer, seconds: float) -> list[Survived]:
    """One outage of so many seconds for all of them at once."""
    waiting = round((BEFORE_SECONDS + seconds) * CONCURRENCY / JOB_SECONDS)
    lasts = BEFORE_SECONDS + seconds + AFTER_SECONDS
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ThreadPoolExecutor(len(systems)) as threads:
        jobs = [Lasting(Path(folder, str(at)), JOB_SECONDS) for at in range(len(systems))]
        every = list(zip(systems, jobs, strict=True))
        _wait_for(threads.submit(system.put, waiting, logs) for system, logs in every)
        with ExitStack() as stack:
            _wait_for(threads.submit(stack.enter_context, system.working(CONCURRENCY)) for system in systems)
            adding = [threads.submit(system.add, PER_SECOND, lasts, logs, waiting) for system, logs in every]
            time.sleep(BEFORE_SECONDS)
            killed = time.time()
            redis.kill()
            time.sleep(seconds)
            redis.start()
            back = time.time()
            added = [future.result() for future in adding]
            for system, logs in every:
                _wait_for_the_end(system, logs.log)
        return [
            _survived(runs(logs.log), waiting, sent, killed, back) for (_, logs), sent in zip(every, added, strict=True)
        ]


def _wait_for(futures: Iterable[Future[None]]) -> None:
    for future in list(futures):
        future.result()


def _wait_for_the_end(system: System, log: Path) -> None:
    """Until every job has ended where that can be asked, else until nothing has happened for a while."""
    if isinstance(system, Ours):
        system.wait_for_the_end()
        return
    deadline, seen, since = time.monotonic() + _PATIENCE, -1, time.monotonic()
    while time.monotonic() < deadline and time.monotonic() - since < _QUIET_SECONDS:
        size = log.stat().st_size if log.exists() else 0
        if size != seen:
            seen, since = size, time.monotonic()
        time.sleep(0.1)


def _survived(found: list[Run], waiting: int, added: dict[int, float | None], killed: float, back: float) -> Survived:
    accepted = {*range(waiting), *(number for number, sent in added.items() if sent is not None)}
    ended = {run.number for run in found if run.ended < float("inf")}
    return Survived(
        accepted=len(accepted),
        refused=len(added) + waiting - len(accepted),
        lost=len(accepted - ended),
        twice=ran_twice(found),
        twice_at_once=ran_twice_at_once(found),
        first_claim=next((run.started - back for run in found if run.started > back), float("inf")),
        pause=longest_pause(found, killed, back + AFTER_SECONDS),
    )
