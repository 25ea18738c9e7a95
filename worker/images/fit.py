"""How a master comes to fill a shape that is not its own. Light: no pixels here, so the server may use it too."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from worker.images.planning import kept

if TYPE_CHECKING:
    from worker.images.planning import Target

KEPT_AT_LEAST = 0.4
"""A cover crop that keeps a smaller share of the master no longer shows the picture that was asked for."""


class Fit(StrEnum):
    """How a rendition is filled; the values are the API's own."""

    COVER = "cover"
    """Cut where there is most to see, or around a focal point; too much lost, and it becomes `CONTAIN`."""

    CENTRE = "centre"
    """Cut around the middle, whatever is lost."""

    CONTAIN = "contain"
    """The whole master, over a blurred copy of itself or over a colour."""


def fit_done(asked: Fit, master: Target, target: Target) -> Fit:
    """What is really done for a target when this is asked for: a cover crop that would keep too little contains."""
    if asked is Fit.COVER and kept(master, target) < KEPT_AT_LEAST:
        return Fit.CONTAIN
    return asked
