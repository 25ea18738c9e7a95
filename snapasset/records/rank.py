"""Which ready job is claimed first: the one with the lowest rank."""

from __future__ import annotations

from typing import Final

from snapasset.job import Priority

AGEING_MS: Final = 60_000
"""Waiting this long is worth one level of priority: a high job (5) passes normal ones up to five minutes older."""

_CRITICAL_MS: Final = 10**13
"""Added once for critical jobs: further than any two dates, so that no waiting ever catches up with them."""

RANK_OFFSET: Final = (
    f"(priority * {AGEING_MS} + CASE WHEN priority >= {Priority.CRITICAL.value} THEN {_CRITICAL_MS} ELSE 0 END)"
)
"""`rank_offset` of a row, in SQL."""


def rank_offset(priority: int) -> int:
    """What to take from the time a job became ready to get its rank; the lowest rank is claimed first.

    A rank never changes while a job waits: time passes for all ranks alike, so older jobs age by themselves.
    """
    return priority * AGEING_MS + (_CRITICAL_MS if priority >= Priority.CRITICAL else 0)
