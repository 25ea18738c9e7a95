"""What a process costs, as the kernel counts it (Linux). Processor time is its own, however loaded the machine is."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.flows.process import Process

CORE: Final = 0.1
"""Most of a core that an idle worker process may use while Redis is away."""

LOG_BYTES: Final = 50_000
"""Most that a process may log in a second while something is down."""

MEMORY: Final = 400_000_000
"""Most resident memory of a process, in bytes."""

DESCRIPTORS: Final = 200

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


def assert_bounded(processes: Iterable[Process]) -> None:
    """Fail if a process that lives holds too much memory or too many descriptors."""
    for process in processes:
        if process.alive:
            assert process.memory() < MEMORY, f"{process.memory():,} bytes"
            open_ones = len(list(Path(f"/proc/{process.pid}/fd").iterdir()))
            assert open_ones < DESCRIPTORS, f"{open_ones} descriptors"
