"""Streams: ours beside the two usual ways of Starlette and beside nginx with nchan, in one run over HTTP on 127.0.0.1.

The server has a core for itself, and the readers, all of them in this process, another.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from bench.peers import NotHere
from bench.report import Figure, rate, table
from bench.sse_beside import App, Nchan
from bench.sse_crowd import ReadersLost
from bench.sse_load import beside_frozen, fan_out, idle, steady
from bench.sse_product import Ours
from bench.sse_recovery import recovery
from bench.sse_systems import Cores, System, raise_open_files
from tests.servers.redis import find_program, running_redis
from tests.servers.used import SAID
from tests.servers.wheels import NoServer

if TYPE_CHECKING:
    from collections.abc import Generator

    from bench.sse_load import Steady
    from tests.servers.redis import RedisServer

PEERS_SECONDS: Final = 290.0
"""All of it should end within six minutes."""
IDLE: Final = 10_000
FILES_ELSE: Final = 1_000
JOBS: Final = 1_000
COLD: Final = 3_000
READERS: Final = 1_000
WINDOWS: Final = {2: "≥ 150,000/s", 16: "≥ 150,000/s"}
"""Events that are published before all readers have the first of them. Two keep the server busy, and leave next to nothing
to be written together."""
FAN_OUT_SECONDS: Final = 4.0
PER_SECOND, STEADY_SECONDS = 2_000.0, 6.0
FROZEN, LONG_PER_SECOND, LONG_SECONDS, LONG = 50, 100.0, 6.0, 10_000


class Report:
    """What was found: by row and system, the words for the table, and how busy the cores were."""

    def __init__(self, systems: list[System]) -> None:
        self.ours, *self._peers = systems
        self._begun = time.monotonic()
        self._rows: dict[str, str] = {}
        self._found: defaultdict[str, dict[str, str]] = defaultdict(dict)
        self._busy: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def row(self, what: str, aim: str = "") -> str:
        self._rows[what] = aim
        return what

    def systems(self, *rows: str) -> Generator[System]:
        """All of them for these rows; on a busy machine the peers are left out when their time is over, and it is said."""
        yield self.ours
        for peer in self._peers:
            if time.monotonic() - self._begun < PEERS_SECONDS:
                yield peer
            else:
                self._found.update({row: {**self._found[row], peer.name: "(no time left)"} for row in rows})

    @contextmanager
    def measuring(self, system: System, *rows: str) -> Generator[None]:
        """Have a system that cannot be had, or that lost its readers, say so in its rows."""
        print(f"bench: {system.name}: {rows[0]}", file=sys.stderr)
        try:
            yield
        except (NotHere, ReadersLost, OSError) as reason:
            for row in rows:
                self._found[row][system.name] = f"({reason})"

    def put(self, system: System, row: str, words: str, busy: str = "") -> None:
        self._found[row][system.name] = words
        if busy:
            self._busy[row][system.name] = busy

    def print(self) -> None:
        table("streams", [self._figure(row, aim, self._found[row]) for row, aim in self._rows.items()])
        table(
            "streams: how busy the cores were meanwhile", [self._figure(row, "", self._busy[row]) for row in self._busy]
        )

    def _figure(self, row: str, aim: str, words: dict[str, str]) -> Figure:
        ours = next((said for name, said in words.items() if name.startswith("ours")), "")
        peers = ", ".join(f"{name} {said}" for name, said in words.items() if not name.startswith("ours"))
        return Figure(row, ours, aim, peers)


def run() -> None:
    """Print the figures of streams. A server that cannot be had says so in its rows."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))  # no server is left behind
    mine = os.sched_getaffinity(0)
    try:
        cores = Cores.here()
    except NotHere as reason:
        print(f"\nstreams: {reason}")
        return
    with ExitStack() as stack:
        stack.callback(os.sched_setaffinity, 0, mine)
        os.sched_setaffinity(0, cores.others)
        redis = _redis(stack)
        os.sched_setaffinity(0, cores.client)
        report = Report([Ours(), App("EventSourceResponse", "stock"), App("StreamingResponse", "plain"), Nchan()])
        _idle(report, cores)
        _fan_out(report, cores)
        _steady(report, cores, redis)
        _recovery(report, cores, Ours(redis) if redis else None)
        _frozen(report, cores)
    print(f"\n{'; '.join(sorted(SAID))}")
    report.print()


def _redis(stack: ExitStack) -> RedisServer | None:
    try:
        find_program()
    except NoServer as reason:
        print(f"\nno Redis: {reason}")
        return None
    return stack.enter_context(running_redis())


def _idle(report: Report, cores: Cores) -> None:
    readers = min(IDLE, raise_open_files() - FILES_ELSE)
    memory = report.row(f"RSS a connection, {readers:,} idle on one job", "≤ 20 KB")
    spread = report.row(f"the same over {JOBS:,} jobs", "≤ 20 KB")
    watched = report.row("connects to a job that is watched already", "≥ 5,000/s")
    cold = report.row("connects to jobs that nobody watches", "≥ 2,000/s")
    for system in report.systems(memory, watched):
        with report.measuring(system, memory, watched):
            found = idle(system, cores, readers, 1)
            report.put(system, memory, f"{found.kb:.1f} KB")
            report.put(system, watched, rate(found.connects), found.busy)
    ours = report.ours
    with report.measuring(ours, spread):
        report.put(ours, spread, f"{idle(ours, cores, readers, JOBS).kb:.1f} KB")
    with report.measuring(ours, cold):
        found = idle(ours, cores, COLD, COLD)
        report.put(ours, cold, rate(found.connects), found.busy)


def _fan_out(report: Report, cores: Cores) -> None:
    for window, aim in WINDOWS.items():
        row = report.row(f"deliveries of one job to {READERS:,} readers, {window} events under way", aim)
        for system in report.systems(row):
            with report.measuring(system, row):
                found = fan_out(system, cores, READERS, window, FAN_OUT_SECONDS)
                words = f"{rate(found.per_second)}, {found.a_write:.1f} a write{_faults(found.faults)}"
                report.put(system, row, words, found.busy)


def _steady(report: Report, cores: Cores, redis: RedisServer | None) -> None:
    def measure(system: System, row: str) -> None:
        with report.measuring(system, row):
            found = steady(system, cores, JOBS, PER_SECOND, STEADY_SECONDS)
            words = f"{found.p50 * 1000:.1f} / {found.p99 * 1000:.1f} ms{_faults(found.faults)}"
            report.put(system, row, words, found.busy)

    row = report.row(f"until it is there, p50 / p99, {PER_SECOND:,.0f} events/s of {JOBS:,} jobs", "p99 ≤ 5 ms")
    for system in report.systems(row):
        measure(system, row)
    if redis is not None:
        measure(Ours(redis, by_source=True), report.row("the same from another process, through Redis", "p99 ≤ 5 ms"))
        measure(Ours(redis), report.row("the same from a worker that runs the jobs, through Redis"))


def _recovery(report: Report, cores: Cores, with_redis: Ours | None) -> None:
    for system, words in ((report.ours, "jobs died with it"), (with_redis, "a worker went on")):
        if isinstance(system, Ours):
            row = report.row(f"killed and started again, {words}: all {READERS:,} readers back", "≤ 10 s, 0, 0")
            with report.measuring(system, row):
                found = recovery(system, cores, READERS)
                said = f"{found.back:.1f} s, {found.missing} missing, {found.doubled} doubled"
                said += f", {found.unfinished} without an end" if found.unfinished else ""
                report.put(system, row, f"{said}; {found.meanwhile:.0f} events each meanwhile")


def _frozen(report: Report, cores: Cores) -> None:
    megabytes = LONG_PER_SECOND * LONG_SECONDS * LONG / 1e6
    growth = report.row(
        f"{FROZEN} of 100 readers frozen, {megabytes:.0f} MB for each: growth (without them)", "≤ 20 MB"
    )
    others = report.row("p99 of the others with them (without them)", "alike")

    for system in report.systems(growth, others):
        with report.measuring(system, growth, others):
            without = beside_frozen(system, cores, 0, LONG_PER_SECOND, LONG_SECONDS, LONG)
            beside = beside_frozen(system, cores, FROZEN, LONG_PER_SECOND, LONG_SECONDS, LONG)
            report.put(system, growth, f"{beside.growth:.0f} MB ({without.growth:.0f} MB)", beside.busy)
            report.put(system, others, f"{_late(beside)} ({_late(without)})")


def _late(found: Steady) -> str:
    return f"{found.p99 * 1000:.1f} ms{_faults(found.faults)}"


def _faults(faults: int) -> str:
    return f", {faults} readers got other events" if faults else ""
