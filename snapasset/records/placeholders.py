"""The numbered places of values in SQL."""

from __future__ import annotations


def marks(count: int, first: int = 1) -> str:
    """The places `$first, …` of so many values, as in `IN (…)`; NULL for none, which nothing is in."""
    return ", ".join(f"${number}" for number in range(first, first + count)) or "NULL"
