"""What an image-generation job leaves: the outputs of its steps, and its result."""

from __future__ import annotations

from snapasset.job_type import Wire
from worker.renditions.origin import Origin
from worker.renditions.result import Pictures, StoredPicture


class Generated(Origin):
    """Output of the step `generate`."""

    master: StoredPicture


class Decoded(Wire):
    """Output of the step `decode`: the master as it really is, in pixels."""

    width: int
    height: int


class Thumbnail(Wire):
    """Output of the step `thumbnail`."""

    thumbnail: StoredPicture


class GeneratedPictures(Wire):
    """The job's result: one paid master, and a picture for each platform in the order asked for."""

    simulated: bool
    model: str
    understood: str | None
    master: StoredPicture
    images: Pictures
