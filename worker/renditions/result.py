"""What is told of pictures, in the outputs of steps and in results."""

from __future__ import annotations

from typing import Literal

from snapasset.job_type import Wire
from worker.images.fit import Fit


class StoredPicture(Wire):
    """A picture in the storage. Width and height are in pixels, size in bytes."""

    file_id: str
    content_type: str
    size: int
    width: int
    height: int


class Details(Wire):
    """What is told of a rendition beside its file: how it was really filled, and the encoder's quality, if it has one."""

    fit: Fit
    quality: int | None


class RenderedPicture(StoredPicture):
    """One platform's finished picture; see `Details`."""

    platform: str
    status: Literal["completed"] = "completed"
    fit: Fit
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


Pictures = tuple[RenderedPicture | FailedPicture, ...]
