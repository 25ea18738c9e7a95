"""What an image-generation job leaves: the outputs of its steps, and its result."""

from __future__ import annotations

from typing import Literal

from snapasset.job_type import Wire
from worker.images.provenance import SourceType


class StoredPicture(Wire):
    """A picture in the storage. Width and height are in pixels, size in bytes."""

    file_id: str
    content_type: str
    size: int
    width: int
    height: int


class Made(Wire):
    """Output of the step `generate`: the master, and how it came to be.

    `focal` is the point (0 to 1 from the left and from the top) that crops should keep.
    """

    master: StoredPicture
    model: str
    simulated: bool
    source: SourceType
    understood: str | None
    focal: tuple[float, float] | None


class Decoded(Wire):
    """Output of the step `decode`: the master as it really is, in pixels."""

    width: int
    height: int


class RenderedPicture(StoredPicture):
    """One platform's finished picture. `quality` is the encoder's, None where the format has none."""

    platform: str
    status: Literal["completed"] = "completed"
    quality: int | None


class Rendered(Wire):
    """Output of a step `render:<platform>`."""

    image: RenderedPicture


class Problem(Wire):
    """Why something failed."""

    code: str
    message: str
    retryable: bool


class FailedPicture(Wire):
    """One platform's picture that could not be made, while others could."""

    platform: str
    status: Literal["failed"] = "failed"
    error: Problem


class GeneratedPictures(Wire):
    """The job's result: one paid master, and a picture for each platform in the order asked for."""

    simulated: bool
    model: str
    understood: str | None
    master: StoredPicture
    images: tuple[RenderedPicture | FailedPicture, ...]
