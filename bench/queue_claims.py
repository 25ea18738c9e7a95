"""How long one claim takes beside few and beside many waiting jobs; peers that keep no record have no such thing."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Final

from bench.queue_ours import Ours, settle
from snapasset.records.claims import Claim, GiveBack

if TYPE_CHECKING:
    from bench.queue_systems import System
    from snapasset.job import Job

_ROUNDS: Final = 6
_CLAIMS: Final = 50
_CLAIM: Final = Claim("noop", ("noop",), "bench")


def claim_times(system: System) -> float | None:
    """The median of some claims, one at a time, in seconds; what was claimed is given back. None for a peer."""
    return settle(_claim_times(system)) if isinstance(system, Ours) else None


async def _claim_times(ours: Ours) -> float:
    took: list[float] = []
    async with ours.opened() as (database, _):
        for _ in range(_ROUNDS):
            claimed: list[Job] = []
            for _ in range(_CLAIMS):
                begun = time.perf_counter()
                job = await database.write(_CLAIM)
                took.append(time.perf_counter() - begun)
                assert job is not None
                claimed.append(job)
            for job in claimed:
                await database.write(GiveBack(job.id, job.fence))
    return statistics.median(took)
