"""The kinds of job there are: a kind is one file or folder here, and one line in the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.job_type import Catalogue
from worker.images.platform_file import load_platforms
from worker.processors.file_cleanup import file_cleanup
from worker.processors.image_generation import image_generation
from worker.processors.image_renditions import image_renditions

if TYPE_CHECKING:
    from snapasset.settings import Settings


def catalogue(settings: Settings) -> Catalogue:
    """Every kind of the product. Raises `BadConfiguration` when PLATFORMS_FILE cannot be used."""
    platforms = load_platforms(settings.platforms_file)
    return Catalogue(
        [
            image_generation(settings, platforms),
            image_renditions(platforms),
            file_cleanup(settings),
        ]
    )
