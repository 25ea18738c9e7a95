"""Generations and their pictures as they are answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from server.answers.words import Address, Count, Free, Id, Maybe, Time
from snapasset.job_type import Wire


class File(Wire):
    """A picture. `url` opens it for anybody until `urlExpiresAt`; sizes are in bytes and pixels."""

    file_id: Id
    url: Address
    url_expires_at: Time
    content_type: str
    size: Count
    width: Count | None
    height: Count | None


class GenerationImage(File):
    """The newest rendition for a platform. `fit` is what was really done, `quality` the encoder's where it has one."""

    platform: str
    created_at: Time
    fit: Maybe[Literal["cover", "centre", "contain"]]
    quality: int | None = None


class FocalPoint(Wire):
    """What crops keep: 0 to 1 from the left and from the top."""

    x: Annotated[float, Field(ge=0, le=1)]
    y: Annotated[float, Field(ge=0, le=1)]


class GenerationOrigin(Wire):
    """How the master came to be. `understood` is what its maker made of the words."""

    model: str
    simulated: bool
    source: str
    understood: str | None
    focal_point: FocalPoint | None


class GenerationLinks(Wire):
    """Where a generation is looked at, where more is cut from its master, and where all its pictures are in one file."""

    self: Address
    renditions: Address
    zip: Address


class Generation(Wire):
    """What was asked for, and the pictures that came of it. It outlives its job; `status` is that of the job's end."""

    generation_id: Id
    job_id: Id
    created_at: Time
    status: Literal["running", "completed", "failed", "cancelled"]
    request: Free
    made: GenerationOrigin | None
    master: File | None
    thumbnail: File | None
    images: list[GenerationImage]
    links: GenerationLinks


class Removal(Wire):
    """A generation that nobody sees any more, and whose pictures are removed as soon as the storage lets them go."""

    generation_id: Id
    status: Literal["removing"]


class GenerationList(Wire):
    """Generations, newest first. `nextCursor` asks for the page after this one; null on the last."""

    generations: list[Generation]
    next_cursor: str | None
