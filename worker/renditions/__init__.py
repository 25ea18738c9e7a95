"""A master → a picture for each platform, each a step of its own: stored, written down and shown as soon as it is made.

One that fails takes no other with it, and a restart makes only what is missing.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from snapasset.errors import ProcessorFailed, SnapAssetError
from snapasset.job import new_id
from snapasset.records.files import FileRow
from snapasset.storage.kept import KeptStorage
from worker.images.edition import Edition
from worker.renditions.result import Details, FailedPicture, Problem, Rendered, RenderedPicture, StoredPicture

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from snapasset.storage import Storage
    from worker.context import JobContext, Step
    from worker.images.compose import Point
    from worker.images.decode import Master
    from worker.images.platforms import Platform
    from worker.images.render import Renderer
    from worker.renditions.request import Cut
    from worker.renditions.result import Pictures

log = logging.getLogger(__name__)

_SIDE_BY_SIDE: Final = 2
"""Renditions of one job under way at once: one being encoded while another is being stored."""

_SUFFIXES: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif"}


class Renditions:
    """The renditions of one attempt at a job.

    `load` brings the decoded master; it is called once, and only if something is left to render.
    """

    def __init__(
        self,
        context: JobContext[Any],
        cut: Cut,
        storage: Storage,
        renderer: Renderer,
        platforms: Sequence[Platform],
        load: Callable[[], Awaitable[Master]],
    ) -> None:
        self._context = context
        self._cut = cut
        self._storage = storage
        self._renderer = renderer
        self._platforms = platforms
        self._load = load
        self._master: Master | None = None
        self._loading = asyncio.Lock()
        self._failures: list[SnapAssetError] = []
        self._room = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def master(self) -> Master:
        """The master's pixels, loaded at most once."""
        async with self._loading:
            if self._master is None:
                self._master = await self._load()
            return self._master

    async def make(self, span: tuple[float, float], focal: Point | None) -> Pictures:
        """Every picture that can be made, in the order asked for; `focal` is what counts when the caller gave no point.

        `span` is the part of the job's progress that they cover. Raises what kept the job from having any.
        """
        low, high = span
        share = (high - low) / len(self._platforms)
        cut = self._cut
        edition = Edition(self._renderer, self._platforms, fit=cut.fit, focal=cut.focal or focal, background=cut.ground)
        outcomes = await asyncio.gather(
            *(
                self._picture(edition, platform, (low + share * index, low + share * (index + 1)))
                for index, platform in enumerate(self._platforms)
            ),
            return_exceptions=True,
        )
        images: list[RenderedPicture | FailedPicture] = []
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
            images.append(outcome)
        if len(self._failures) == len(images):
            raise self._failures[0]
        return tuple(images)

    async def _picture(
        self, edition: Edition, platform: Platform, span: tuple[float, float]
    ) -> RenderedPicture | FailedPicture:
        """One platform's picture. A failure that another attempt may mend is raised, as long as there is another."""
        name = f"render:{platform.name}"

        async def work(step: Step) -> Rendered:
            return await self._render(step, edition, platform)

        async with self._room:
            try:
                return (await self._context.step(name, work, output=Rendered, span=span)).image
            except SnapAssetError as error:
                failure = error
            except Exception:
                log.exception("a rendition failed", extra={"jobId": self._context.job.id, "platform": platform.name})
                failure = ProcessorFailed()
            if failure.retryable and not self._context.last_attempt:
                raise failure
            self._failures.append(failure)
            await self._context.give_up(name, failure)
            problem = Problem(code=failure.code, message=failure.detail, retryable=failure.retryable)
            return FailedPicture(platform=platform.name, error=problem)

    async def _render(self, step: Step, edition: Edition, platform: Platform) -> Rendered:
        made = await edition.render(await self.master(), platform)
        details = Details(fit=made.fit, quality=made.quality)
        file = await store(
            step,
            self._storage,
            generation_id=self._context.job.generation_id,
            role="rendition",
            name=platform.name,
            data=made.data,
            content_type=made.content_type,
            size=(made.width, made.height),
            details=details,
        )
        told = told_of(file).model_dump(by_alias=False)
        return Rendered(image=RenderedPicture(platform=platform.name, **told, **details.model_dump(by_alias=False)))


async def store(
    step: Step,
    storage: Storage,
    *,
    generation_id: str | None,
    role: str,
    name: str,
    data: bytes,
    content_type: str,
    size: tuple[int, int],
    details: Details | None = None,
    paid: bool = False,
) -> FileRow:
    """Store a picture of a generation, and have it written down with the step that made it.

    One that was `paid` for is not lost with the storage: where that has not taken it, the commit that says so brings its
    bytes into the record.
    """
    file_id = new_id()
    key = key_of(generation_id, file_id, name, content_type)
    kept = False
    if paid and isinstance(storage, KeptStorage):
        kept = not await storage.place(key, data, content_type)
    else:
        await storage.put(key, data, content_type)
    file = FileRow(
        id=file_id,
        role=role,
        name=name,
        key=key,
        content_type=content_type,
        size=len(data),
        width=size[0],
        height=size[1],
        details=None if details is None else details.model_dump_json(),
        data=data if kept else None,
    )
    step.keep(file)
    return file


def key_of(generation_id: str | None, file_id: str, name: str, content_type: str) -> str:
    """Where a picture of a generation is stored."""
    return f"generations/{generation_id}/{file_id}-{name}.{_SUFFIXES[content_type]}"


def told_of(file: FileRow) -> StoredPicture:
    """A file as outputs and results tell of it."""
    return StoredPicture(
        file_id=file.id,
        content_type=file.content_type,
        size=file.size,
        width=file.width or 0,
        height=file.height or 0,
    )
