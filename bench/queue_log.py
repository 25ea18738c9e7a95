"""What jobs of any system write down when they run, and what can be told from it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path


def new_loop() -> asyncio.AbstractEventLoop:
    """The event loop that the server and the worker use."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop

    return uvloop.new_event_loop()


async def logged(log: str, number: int, seconds: float) -> None:
    """Be a job: write "number start time" into the log, last so long, write "number end time"."""
    note(log, number, "start")
    await asyncio.sleep(seconds)
    note(log, number, "end")


def note(log: str, number: int, what: str) -> None:
    """Append one line; lines of several processes do not mix."""
    handle = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(handle, f"{number} {what} {time.time()}\n".encode())
    finally:
        os.close(handle)


class Run(NamedTuple):
    """One time that a job ran; `ended` is infinite when it did not come to its end."""

    number: int
    started: float
    ended: float


def runs(log: Path) -> list[Run]:
    """Each run in the log, in the order of their starts. An end belongs to the earliest run of its job still open."""
    open_starts: dict[int, list[float]] = {}
    found: list[Run] = []
    for line in log.read_text("utf-8").splitlines() if log.exists() else ():
        number, what, at = line.split()
        if what == "start":
            open_starts.setdefault(int(number), []).append(float(at))
        else:
            found.append(Run(int(number), open_starts[int(number)].pop(0), float(at)))
    found += [Run(number, at, float("inf")) for number, starts in open_starts.items() for at in starts]
    return sorted(found, key=lambda run: run.started)


def ran_twice(found: list[Run]) -> int:
    """How many jobs have more than one run."""
    return len(found) - len({run.number for run in found})


def ran_twice_at_once(found: list[Run]) -> int:
    """How many runs began while another of the same job had not ended."""
    ends: dict[int, float] = {}
    together = 0
    for run in found:
        together += run.started < ends.get(run.number, 0.0)
        ends[run.number] = max(run.ended, ends.get(run.number, 0.0))
    return together


def longest_pause(found: list[Run], begin: float, end: float) -> float:
    """The longest time between `begin` and `end` in which nothing started."""
    starts = [begin, *(run.started for run in found if begin < run.started < end), end]
    return max(later - earlier for earlier, later in pairwise(starts))
