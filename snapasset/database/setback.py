"""Why a record takes no changes though it answers questions: its disk is full, or it is to be read alone.

Nothing is asked for it: each change that fails or succeeds tells, and every process beats, so it is known within a beat.
"""

from __future__ import annotations

import time
from typing import Final

DOUBT_SECONDS: Final = 3.0
"""What succeeds so soon after a failure heals nothing: a small change may find room where one that submits a job does not."""

FULL: Final = "The disk of the database is full: no job can be taken until there is room."
READ_ONLY: Final = "The database is read-only: no job can be taken until it takes changes again."
BROKEN: Final = "The disk of the database fails: no job can be taken until it is mended."


class Setback:
    """What the changes of one process have met. Written by the one who carries them out, read by anybody."""

    def __init__(self) -> None:
        self._last: tuple[str, float] | None = None

    @property
    def why(self) -> str | None:
        """A sentence without a secret; None while changes are made, or fail for reasons of their own."""
        last = self._last
        return None if last is None else last[0]

    def met(self, why: str | None) -> None:
        """A change has failed; None: for a reason that says nothing about the next one."""
        if why is not None:
            self._last = (why, time.monotonic())

    def overcome(self) -> None:
        """A change has been made, and something was written for it."""
        last = self._last
        if last is not None and time.monotonic() - last[1] >= DOUBT_SECONDS:
            self._last = None
