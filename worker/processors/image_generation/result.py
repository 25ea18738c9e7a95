"""What an image-generation job leaves: the outputs of its steps, and its result."""

from __future__ import annotations

from snapasset.job_type import Wire
from worker.renditions.origin import Origin
from worker.renditions.result import Pictures, StoredPicture


class Generated(Origin):
    """Output of the step `generate`. `reused_from`: the generation whose master was taken again, None for one of its own."""

    master: StoredPicture
    reused_from: str | None = None


class Decoded(Wire):
    """Output of the step `decode`: the master as it really is, in pixels."""

    width: int
    height: int


class Thumbnail(Wire):
    """Output of the step `thumbnail`."""

    thumbnail: StoredPicture


class GeneratedPictures(Wire):
    """The job's result: one paid master, and a picture for each platform in the order asked for.

    `reused`: nothing was paid for, the master is that of the generation `reused_from`.
    """

    simulated: bool
    model: str
    understood: str | None
    master: StoredPicture
    images: Pictures
    reused: bool = False
    reused_from: str | None = None
