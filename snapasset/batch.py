"""Jobs that are submitted together: which of them waits for which, by the names they give each other."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from snapasset.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def positions_of(refs: Sequence[str | None]) -> dict[str, int]:
    """Where in the batch each reference stands. Raises `InvalidInput` when two jobs share one."""
    positions: dict[str, int] = {}
    for position, ref in enumerate(refs):
        if ref is None:
            continue
        if ref in positions:
            raise InvalidInput(fields={f"jobs.{position}.ref": f"is the name of jobs.{positions[ref]} as well"})
        positions[ref] = position
    return positions


def parents_first(depends_on: Sequence[Sequence[str]], positions: Mapping[str, int]) -> tuple[int, ...]:
    """The positions of a batch in an order in which each job follows those of the batch that it depends on.

    Raises `InvalidInput` when they wait for each other in a circle.
    """
    graph = {
        position: [positions[name] for name in names if name in positions] for position, names in enumerate(depends_on)
    }
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle: list[int] = error.args[1]
        fields = {f"jobs.{position}.options.dependsOn": "waits for itself in a circle" for position in circle}
        raise InvalidInput("Jobs of the batch wait for each other in a circle.", fields) from None
