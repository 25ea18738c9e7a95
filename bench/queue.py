"""Jobs through Redis: ours on either database beside BullMQ and plain SAQ, on one Redis server and in one run."""

from __future__ import annotations

import logging
import signal
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.peers import NotHere
from bench.queue_claims import claim_times
from bench.queue_log import runs
from bench.queue_ours import on_postgres, on_sqlite
from bench.queue_outage import CONCURRENCY, JOB_SECONDS, PER_SECOND, outage
from bench.queue_systems import Lasting, bullmq, plain_saq
from bench.report import Figure, percentile, rate, table
from tests.servers.postgres import PostgresServer
from tests.servers.redis import running_redis
from tests.servers.used import SAID

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from bench.queue_outage import Survived
    from bench.queue_systems import System
    from tests.servers.redis import RedisServer

JOBS = 10_000
ROUNDS = 3
_ROUNDS_SECONDS = 90.0
"""No further round begins after so long: on a busy machine too all of it should end within six minutes."""
CONCURRENCIES = (10, 50)
FEW, WAITING = 100, 100_000
LIGHT_PER_SECOND = 50
LIGHT_SECONDS = 10.0
OUTAGES = (3.0, 15.0)
_SETTLE_SECONDS = 0.5
SQLITE, POSTGRES, BULLMQ, SAQ = "SQLite", "PostgreSQL", "BullMQ", "plain SAQ"


class Bench(NamedTuple):
    """The servers, and how to have each system, empty, on a database of Redis; those that cannot be had are not named."""

    redis: RedisServer
    open: dict[str, Callable[[int], AbstractContextManager[System]]]

    @contextmanager
    def system(self, name: str, number: int = 0) -> Generator[System]:
        with self.open[name](number) as system:
            yield system
        self.redis.command("FLUSHALL", "SYNC")


def run() -> None:
    """Print the figures of jobs through Redis. Without a server for one of the two that are needed, it ends with the reason."""
    logging.getLogger("snapasset").setLevel(logging.ERROR)  # that Redis is away is what is measured
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # no server or worker is left behind
    with ExitStack() as stack:
        bench = _bench(stack)
        print(f"\n{'; '.join(sorted(SAID))}")
        _speed(bench)
        _promptness(bench)
        _backlog(bench)
        for seconds in OUTAGES:
            _outage(bench, seconds)


def _bench(stack: ExitStack) -> Bench:
    redis = stack.enter_context(running_redis())
    postgres = PostgresServer(durable=True)
    stack.callback(postgres.stop)
    postgres.start()
    ways: dict[str, Callable[[int], AbstractContextManager[System]]] = {
        SQLITE: lambda number: on_sqlite(redis, number),
        POSTGRES: lambda number: on_postgres(redis, postgres, number),
        SAQ: lambda number: _as_it_is(plain_saq(redis, number)),
    }
    try:
        peer = bullmq(redis)
        peer.put(1)
        redis.command("FLUSHALL", "SYNC")
        print(f"\nBullMQ {peer.version}")
        ways[BULLMQ] = lambda number: _as_it_is(bullmq(redis, number))
    except NotHere as reason:
        print(f"\nBullMQ: {reason}")
    return Bench(redis, ways)


@contextmanager
def _as_it_is(system: System) -> Generator[System]:
    yield system


def _speed(bench: Bench) -> None:
    found: dict[tuple[str, int], list[float]] = {}
    begun, done = time.monotonic(), 0
    while done < ROUNDS and time.monotonic() - begun < _ROUNDS_SECONDS:
        done += 1
        for concurrency in CONCURRENCIES:
            for name in bench.open:
                with bench.system(name) as system:
                    found.setdefault((name, concurrency), []).append(system.drain(JOBS, concurrency))
    speeds = {key: statistics.median(values) for key, values in found.items()}

    def beside(speed: float, concurrency: int) -> str:
        return ", ".join(
            f"{speed / speeds[peer, concurrency]:.2f} × {peer} ({rate(speeds[peer, concurrency])})"
            for peer in (SAQ, BULLMQ)
            if (peer, concurrency) in speeds
        )

    table(
        f"queue: {JOBS:,} no-op jobs put in beforehand, one worker process, medians of {done} rounds",
        [
            Figure(
                f"ours on {name}, {concurrency} at a time",
                rate(speeds[name, concurrency]),
                f"≥ {rate(2 * speeds[SAQ, concurrency])} = 2 × plain SAQ",
                beside(speeds[name, concurrency], concurrency),
            )
            for name in (SQLITE, POSTGRES)
            for concurrency in CONCURRENCIES
        ],
    )


def _promptness(bench: Bench) -> None:
    figures: dict[str, str] = {}
    for name in bench.open:
        with bench.system(name) as system, tempfile.TemporaryDirectory(prefix="bench-") as folder:
            jobs = Lasting(Path(folder, "log"), 0.0)
            with system.working(CONCURRENCY):
                sent = system.add(LIGHT_PER_SECOND, LIGHT_SECONDS, jobs)
                time.sleep(_SETTLE_SECONDS)
            took = [run.started - at for run in runs(jobs.log) if (at := sent[run.number]) is not None]
            missing = len(sent) - len(took)
            figures[name] = f"{percentile(took, 50) * 1000:.1f} / {percentile(took, 99) * 1000:.1f} ms"
            figures[name] += f", {missing} missing" if missing else ""
    peers = _beside(figures)
    table(
        f"queue: from before the job is handed in until it runs, p50 / p99 at {LIGHT_PER_SECOND}/s for {LIGHT_SECONDS:.0f} s",
        [Figure(f"ours on {name}", figures[name], "", peers) for name in (SQLITE, POSTGRES)],
    )


def _backlog(bench: Bench) -> None:
    bytes_each: dict[str, str] = {}
    claims: list[Figure] = []
    for name in bench.open:
        with bench.system(name) as system:
            before = _used_memory(bench.redis)
            system.put(FEW)
            few = claim_times(system)
            system.put(WAITING - FEW)
            bytes_each[name] = f"{(_used_memory(bench.redis) - before) / WAITING:,.1f}"
            many = claim_times(system)
            if few is not None and many is not None:
                value = f"{few * 1000:.2f} / {many * 1000:.2f} ms"
                claims.append(Figure(f"one claim beside {FEW} / {WAITING:,} waiting jobs, {name}", value, "alike"))
    peers = _beside(bytes_each)
    table(
        f"queue: {WAITING:,} jobs waiting; Redis bytes for each, by used_memory",
        [
            *(Figure(f"bytes in Redis, ours on {name}", bytes_each[name], "", peers) for name in (SQLITE, POSTGRES)),
            *claims,
        ],
    )


def _outage(bench: Bench, seconds: float) -> None:
    with ExitStack() as stack:
        systems = {name: stack.enter_context(way(number)) for number, (name, way) in enumerate(bench.open.items())}
        survived = dict(zip(systems, outage(list(systems.values()), bench.redis, seconds), strict=True))
    bench.redis.command("FLUSHALL", "SYNC")
    rows: list[tuple[str, str, Callable[[Survived], str]]] = [
        ("jobs accepted, and lost of them", "0 lost", lambda one: f"{one.accepted}, {one.lost}"),
        ("ran twice, and twice at once", "0, 0", lambda one: f"{one.twice}, {one.twice_at_once}"),
        ("new jobs refused meanwhile", "0", lambda one: str(one.refused)),
        ("from its return to the first start", "", lambda one: f"{one.first_claim:.2f} s"),
        ("longest time without a start", "", lambda one: f"{one.pause:.2f} s"),
    ]
    table(
        f"queue: Redis killed for {seconds:.0f} s and back empty; jobs of {JOB_SECONDS} s, {CONCURRENCY} at a time, "
        f"{PER_SECOND} more a second",
        [
            Figure(
                what,
                ", ".join(f"{name} {tell(survived[name])}" for name in (SQLITE, POSTGRES)),
                target,
                _beside({name: tell(one) for name, one in survived.items()}),
            )
            for what, target, tell in rows
        ],
    )


def _beside(figures: dict[str, str]) -> str:
    return ", ".join(f"{peer} {figures[peer]}" for peer in (BULLMQ, SAQ) if peer in figures)


def _used_memory(redis: RedisServer) -> int:
    return int(redis.command("INFO", "memory")["used_memory"])
