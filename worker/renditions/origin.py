"""How a master came to be: written by the kind that had it made, read by those that cut more from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.job_type import Wire
from worker.images.provenance import SourceType
from worker.renditions.request import FocalPoint

if TYPE_CHECKING:
    from worker.images.compose import Point


class Origin(Wire):
    """How a master came to be; it is kept with the generation.

    `focal_point` is what its maker says that crops should keep; `understood` is what it made of the words.
    """

    model: str
    simulated: bool
    source: SourceType
    understood: str | None
    focal_point: FocalPoint | None

    @property
    def focal(self) -> Point | None:
        return None if self.focal_point is None else self.focal_point.point
