"""image-generation: one master from words, cut for each platform.

One paid master, many renditions: the master is a step of its own and is never made twice once it is stored; each
rendition is a step of its own, so that one which fails takes no other with it, and a restart makes only what is missing.
A rendition is stored as soon as it is rendered, so that it can be shown at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from snapasset.errors import ProcessorFailed, SnapAssetError
from snapasset.job import new_id
from snapasset.job_type import Access, JobType
from snapasset.records.files import FileRow
from snapasset.storage import Storage
from worker.images.platforms import PLATFORMS
from worker.images.render import Renderer
from worker.processors.image_generation.request import GenerateImage, request_model
from worker.processors.image_generation.result import (
    Decoded,
    FailedPicture,
    GeneratedPictures,
    Made,
    Problem,
    Rendered,
    RenderedPicture,
    StoredPicture,
)
from worker.providers import ImageProvider, ImageRequest

if TYPE_CHECKING:
    from snapasset.settings import Settings
    from worker.context import JobContext, Step
    from worker.images.decode import Master
    from worker.images.platforms import Platform

log = logging.getLogger(__name__)

_GENERATE: Final = (10.0, 40.0)
_DECODE: Final = (40.0, 50.0)
_RENDER: Final = (50.0, 95.0)
"""The parts of the job's progress that its steps cover; storing a picture belongs to rendering it."""

_SIDE_BY_SIDE: Final = 2
"""Renditions of one job under way at once: one being encoded while another is being stored."""

_SUFFIXES: Final = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


def image_generation(settings: Settings) -> JobType[GenerateImage, GeneratedPictures]:
    """The kind, with this deployment's limits."""
    return JobType(
        kind="image-generation",
        queue="image-generation",
        args=request_model(PLATFORMS, settings.prompt_max_length),
        result=GeneratedPictures,
        run=run,
        tools=(ImageProvider, Storage, Renderer),
        attempts=3,
        timeout=600.0,
        access=Access.SESSION,
        generation="new",
    )


async def run(
    context: JobContext[GenerateImage], provider: ImageProvider, storage: Storage, renderer: Renderer
) -> GeneratedPictures:
    """Make the master, then every rendition that can be made. Raises what kept the job from having any."""
    return await _Generation(context, provider, storage, renderer).run()


class _Generation:
    """One attempt at one generation."""

    def __init__(
        self, context: JobContext[GenerateImage], provider: ImageProvider, storage: Storage, renderer: Renderer
    ) -> None:
        self._context = context
        self._provider = provider
        self._storage = storage
        self._renderer = renderer
        self._platforms = PLATFORMS.pick(context.args.platforms)
        self._master: Master | None = None
        self._decoding = asyncio.Lock()
        self._failures: list[SnapAssetError] = []
        self._room = asyncio.Semaphore(_SIDE_BY_SIDE)

    async def run(self) -> GeneratedPictures:
        made = await self._context.step(
            "generate", self._generate, output=Made, span=_GENERATE, paid=self._provider.paid
        )
        await self._context.step("decode", lambda _: self._decode(made), output=Decoded, span=_DECODE)
        images = await self._render_all(made)
        return GeneratedPictures(
            simulated=made.simulated,
            model=made.model,
            understood=made.understood,
            master=made.master,
            images=images,
        )

    async def _generate(self, step: Step) -> Made:
        args = self._context.args
        size = self._provider.plan_size(self._platforms)
        request = ImageRequest(prompt=args.prompt, width=size.width, height=size.height, image_type=args.image_type)
        made = await self._provider.generate(request, step.tick)
        file = await self._store(step, "master", made.data, made.content_type, (made.width, made.height))
        return Made(
            master=_picture(file),
            model=made.model,
            simulated=made.simulated,
            source=made.source,
            understood=made.understood,
            focal=made.focal,
        )

    async def _decode(self, made: Made) -> Decoded:
        size = (await self._decoded(made)).size
        return Decoded(width=size.width, height=size.height)

    async def _decoded(self, made: Made) -> Master:
        """The master's pixels: decoded at most once in an attempt, and not at all when nothing is left to render."""
        async with self._decoding:
            if self._master is None:
                self._master = await self._renderer.decode(
                    await self._storage.get(self._key("master", made.master.file_id, made.master.content_type)),
                    made.source,
                )
            return self._master

    async def _render_all(self, made: Made) -> tuple[RenderedPicture | FailedPicture, ...]:
        low, high = _RENDER
        share = (high - low) / len(self._platforms)
        outcomes = await asyncio.gather(
            *(
                self._rendition(platform, made, (low + share * index, low + share * (index + 1)))
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

    async def _rendition(
        self, platform: Platform, made: Made, span: tuple[float, float]
    ) -> RenderedPicture | FailedPicture:
        """One platform's picture. A failure that another attempt may mend is raised, as long as there is another."""
        name = f"render:{platform.name}"

        async def work(step: Step) -> Rendered:
            return await self._render(step, platform, made)

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

    async def _render(self, step: Step, platform: Platform, made: Made) -> Rendered:
        rendition = await self._renderer.render(await self._decoded(made), platform, focal=made.focal)
        size = (rendition.width, rendition.height)
        file = await self._store(step, platform.name, rendition.data, rendition.content_type, size)
        stored = _picture(file)
        return Rendered(
            image=RenderedPicture(
                platform=platform.name, quality=rendition.quality, **stored.model_dump(by_alias=False)
            )
        )

    async def _store(self, step: Step, name: str, data: bytes, content_type: str, size: tuple[int, int]) -> FileRow:
        file_id = new_id()
        key = self._key(name, file_id, content_type)
        await self._storage.put(key, data, content_type)
        file = FileRow(
            id=file_id,
            role="master" if name == "master" else "rendition",
            name=name,
            key=key,
            content_type=content_type,
            size=len(data),
            width=size[0],
            height=size[1],
        )
        step.keep(file)
        return file

    def _key(self, name: str, file_id: str, content_type: str) -> str:
        return f"generations/{self._context.job.generation_id}/{file_id}-{name}.{_SUFFIXES[content_type]}"


def _picture(file: FileRow) -> StoredPicture:
    return StoredPicture(
        file_id=file.id,
        content_type=file.content_type,
        size=file.size,
        width=file.width or 0,
        height=file.height or 0,
    )
