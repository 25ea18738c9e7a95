"""Conditions that questions of more than one subject put into their SQL."""

from __future__ import annotations

from typing import Final

# The outcome is spelt as the index generations_lost has it.
LOST: Final = (
    "((outcome = 'failed' OR outcome = 'cancelled') AND NOT EXISTS (SELECT 1 FROM files "
    "WHERE files.generation_id = generations.id AND files.job_id <> generations.job_id))"
)
"""Of a generation: it came to nothing, and nobody has cut pictures from its master since."""


def whose(column: str, owner: str | None, params: tuple[str | int, ...]) -> tuple[str, tuple[str | int, ...]]:
    """A condition on the owner, None for no condition, and the parameters with it."""
    return ("", params) if owner is None else (f"AND {column} = ${1 + len(params)}", (*params, owner))
