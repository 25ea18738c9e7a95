"""Photos in the public domain, out of two packages of the Python index, each with what it is a photo of.

They are read from the installed packages and never copied. Of what the packages ship, only photos were taken that the
package, or the change that brought them there, says to be in the public domain or under CC0, and that show one thing
rather than a pattern. The boxes were drawn by hand, before anything was measured by them; only the cell came later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bench.peers import python_packages
from worker.images.crop import Box

if TYPE_CHECKING:
    from pathlib import Path

_SCIKIT_IMAGE = "skimage/data"
_MATPLOTLIB = "matplotlib/mpl-data/sample_data"


class Photo(NamedTuple):
    """A photo's file in its package, what it shows, where that is in pixels, and why it may be used."""

    package: str
    path: str
    shows: str
    subject: Box
    licence: str


PHOTOS = (
    Photo(
        "scikit-image",
        f"{_SCIKIT_IMAGE}/astronaut.png",
        "a head",
        Box(152, 15, 302, 190),
        "public domain (NASA)",
    ),
    Photo(
        "scikit-image",
        f"{_SCIKIT_IMAGE}/camera.png",
        "a head and the camera before it",
        Box(160, 62, 332, 205),
        "CC0 (Lav Varshney)",
    ),
    Photo(
        "scikit-image",
        f"{_SCIKIT_IMAGE}/cell.png",
        "a living cell under a microscope",
        Box(345, 300, 500, 450),
        "CC0 (Paul Müller and others)",
    ),
    Photo(
        "scikit-image",
        f"{_SCIKIT_IMAGE}/chelsea.png",
        "a cat's eyes and nose",
        Box(125, 75, 350, 275),
        "CC0 (Stefan van der Walt)",
    ),
    Photo(
        "scikit-image",
        f"{_SCIKIT_IMAGE}/clock_motion.png",
        "a blurred clock",
        Box(140, 92, 285, 215),
        "public domain (Stefan van der Walt)",
    ),
    Photo(
        "scikit-image",
        f"{_SCIKIT_IMAGE}/coffee.png",
        "a cup",
        Box(172, 15, 412, 310),
        "CC0 (Rachel Michetti)",
    ),
    Photo(
        "scikit-image",
        f"{_SCIKIT_IMAGE}/rocket.jpg",
        "a rocket",
        Box(305, 125, 338, 408),
        "public domain (SpaceX)",
    ),
    Photo(
        "matplotlib",
        f"{_MATPLOTLIB}/grace_hopper.jpg",
        "a head with a cap",
        Box(155, 22, 375, 330),
        "public domain (US Navy)",
    ),
)


def photo_file(photo: Photo) -> Path:
    """The photo's file; its package is installed for it when it is not there. Raises `NotHere`."""
    return python_packages(photo.package) / photo.path


def kept_of(subject: Box, seen: Box) -> float:
    """The share (0 to 1) of a subject that is inside what is seen."""
    width = min(subject.right, seen.right) - max(subject.left, seen.left)
    height = min(subject.bottom, seen.bottom) - max(subject.top, seen.top)
    return max(0.0, width) * max(0.0, height) / (subject.width * subject.height)
