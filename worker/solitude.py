"""Who may have killed the worker that ran it runs alone in this process, when it is its last chance.

A job that takes its process down takes the jobs beside it along; each such time costs them an attempt as well. So a job
whose last attempt was lost with its worker, and that has no more than this one, runs while nothing else does here: if it
is the culprit it harms nobody but itself, and if it is not it has nobody to fear.

Invariant: between `alone` and `free` no other attempt runs in this process, and none is claimed.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from snapasset.errors import WorkerLost

if TYPE_CHECKING:
    from snapasset.job import Job


def is_suspect(job: Job) -> bool:
    """Whether a job that was just claimed is to run alone."""
    if job.attempt < job.attempts or job.attempts == 1 or job.error is None:
        return False
    return json.loads(job.error).get("code") == WorkerLost.code


class Solitude:
    """Counts what runs, and keeps one job apart from it."""

    def __init__(self) -> None:
        self._busy = 0
        self._wanted = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def wanted(self) -> bool:
        """Whether a job runs alone, or waits for that: nothing is to be claimed meanwhile."""
        return self._wanted

    def enter(self) -> None:
        """Something begins that must not meet a job that runs alone: a claim, and the attempts that come of it."""
        self._busy += 1
        self._quiet.clear()

    def leave(self) -> None:
        """It has ended."""
        self._busy -= 1
        if self._busy == 0:
            self._quiet.set()

    async def alone(self) -> bool:
        """Wait until all else that has entered has left. Called by somebody inside; False if another one is alone."""
        if self._wanted:
            return False
        self._wanted = True
        self.leave()
        try:
            await self._quiet.wait()
        except BaseException:
            self._wanted = False
            raise
        finally:
            self.enter()
        return True

    def free(self) -> None:
        """Be alone no more."""
        self._wanted = False
