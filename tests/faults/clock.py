"""The wall clock of real processes, set by tests: it shows the true time and an offset, which is read from a small file.

Only the wall clock jumps. The monotonic one goes on as on any host, whoever sets the time there.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

HOUR: Final = 3600.0

_SETTING: Final = "FAULTS_CLOCK"
_NUMBER: Final = struct.Struct("<d")


class Clock:
    """The clock of a host. Processes go by it whose setting `faults_clock` is its path."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(_NUMBER.pack(0.0))

    def show(self, seconds: float) -> None:
        """From now on it is so many seconds fast."""
        with self.path.open("r+b") as file:
            file.write(_NUMBER.pack(seconds))


def go_by_the_tests() -> None:
    """Put the clock of the tests, if there is one, in place of Python's: before anything is imported that may keep that."""
    path = os.environ.get(_SETTING)
    if path is None:
        return
    true, true_ns = time.time, time.time_ns
    with open(path, "rb") as file:  # noqa: PTH123  pathlib is imported later, with the rest
        shown = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def offset() -> float:
        return _NUMBER.unpack_from(shown)[0]

    time.time = lambda: true() + offset()
    time.time_ns = lambda: true_ns() + round(offset() * 1e9)
