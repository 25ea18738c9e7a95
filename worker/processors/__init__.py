"""The kinds of job there are: a kind is one file or folder here, and one line in the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.job_type import Catalogue
from worker.processors.image_generation import image_generation

if TYPE_CHECKING:
    from snapasset.settings import Settings


def catalogue(settings: Settings) -> Catalogue:
    """Every kind of the product."""
    return Catalogue(
        [
            image_generation(settings),
        ]
    )
