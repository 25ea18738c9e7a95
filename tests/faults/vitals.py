"""What a process costs, as the kernel counts it (Linux). Processor time is its own, however loaded the machine is."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.faults.patience import HEALS, within

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.flows.process import Process

CORE: Final = 0.1
"""Most of a core that an idle worker process may use while Redis is away."""

LOG_BYTES: Final = 50_000
"""Most that a process may log in a second while something is down."""

GROWTH: Final = 120_000_000
"""Most bytes by which a process may have grown at the end of a case."""

POOLS: Final = 128
"""Most descriptors that a process may have, once all is healed, beyond those that it had when it was ready: only then it
opens a connection to Redis for each job that it could run of each queue, and keeps it."""

_TICK: Final = os.sysconf("SC_CLK_TCK")


class Vitals(NamedTuple):
    """One look at a process."""

    at: float
    core_seconds: float
    log_bytes: int


def look(process: Process) -> Vitals:
    fields = Path(f"/proc/{process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    used = (int(fields[11]) + int(fields[12])) / _TICK  # utime and stime; what is before them may hold blanks
    return Vitals(time.monotonic(), used, process.log_bytes)


class Stretch:
    """What processes cost from now on."""

    def __init__(self, processes: Iterable[Process]) -> None:
        self._begun = [(process, look(process)) for process in processes]

    def core(self, process: Process) -> float:
        """The part of one core that it has used."""
        before, now = self._before(process), look(process)
        return (now.core_seconds - before.core_seconds) / (now.at - before.at)

    def assert_quiet(self) -> None:
        """Fail if one of them logged without measure. A second's worth is allowed at once: changes are told."""
        for process, before in self._begun:
            now = look(process)
            said = now.log_bytes - before.log_bytes
            assert said <= LOG_BYTES * max(1.0, now.at - before.at), process.log()[-20:]

    def assert_calm(self) -> None:
        """Fail if one of them, with nothing to do, spun."""
        for process, _ in self._begun:
            core = self.core(process)
            print(f"measured: {type(process).__name__} with nothing to do: {core:.3f} of a core")
            assert core < CORE, f"{type(process).__name__} used {core:.2f} of a core"

    def _before(self, process: Process) -> Vitals:
        return next(vitals for one, vitals in self._begun if one is process)


class Holding(NamedTuple):
    """What a process keeps of what everybody shares."""

    memory: int
    """Resident bytes."""
    descriptors: int

    @classmethod
    def of(cls, process: Process) -> Holding:
        folder = Path(f"/proc/{process.pid}")
        pages = int((folder / "statm").read_text("utf-8").split()[1])
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), len(list((folder / "fd").iterdir())))


async def assert_given_back(begun: dict[Process, Holding]) -> None:
    """Fail if a process that lives keeps more than when it was ready; it is given the time to heal."""
    for process, before in begun.items():

        async def look(process: Process = process, before: Holding = before) -> bool:
            return not process.alive or Holding.of(process).descriptors <= before.descriptors + POOLS

        name = type(process).__name__
        await within(HEALS, look, f"{name} has given its descriptors back, it had {before.descriptors}")
        if process.alive:
            now = Holding.of(process)
            grown = now.memory - before.memory
            print(f"measured: {name}: {now.descriptors - before.descriptors:+} descriptors, {grown / 1e6:+.0f} MB")
            assert grown < GROWTH, f"{name} has grown by {grown:,} bytes"
