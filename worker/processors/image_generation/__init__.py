"""image-generation: one master from words, cut for each platform.

One paid master, many renditions: the master is a step of its own and is never made twice once it is stored; what it came
to is kept with the generation, so that more can be cut from it later.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from snapasset.errors import SnapAssetError
from snapasset.job_type import Access, JobType
from snapasset.records.costs import Charge
from snapasset.storage import Storage
from snapasset.storage.kept import KeptStorage
from worker.images.render import Renderer
from worker.processors.image_generation.previews import Previews
from worker.processors.image_generation.request import GenerateImage, request_model
from worker.processors.image_generation.result import Decoded, Generated, GeneratedPictures, Thumbnail
from worker.providers import ImageProvider, ImageRequest
from worker.renditions import Renditions, key_of, store, told_of
from worker.renditions.origin import Origin
from worker.renditions.request import FocalPoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.records.files import FileRow
    from snapasset.settings import Settings
    from worker.context import JobContext, Step
    from worker.images.decode import Master
    from worker.images.platforms import Platform, PlatformTable
    from worker.providers import Charge as Told
    from worker.providers import GeneratedImage

_MASTER: Final = "master"

_GENERATE: Final = (10.0, 40.0)
_DECODE: Final = (40.0, 47.0)
_THUMBNAIL: Final = (47.0, 50.0)
_RENDER: Final = (50.0, 95.0)
"""The parts of the job's progress that its steps cover; storing a picture belongs to rendering it."""


def image_generation(settings: Settings, platforms: PlatformTable) -> JobType[GenerateImage, GeneratedPictures]:
    """The kind, with this deployment's limits and platforms."""

    async def run(
        context: JobContext[GenerateImage],
        provider: ImageProvider,
        storage: Storage,
        renderer: Renderer,
    ) -> GeneratedPictures:
        """Make the master, then every rendition that can be made. Raises what kept the job from having any."""
        return await _Generation(context, platforms, provider, storage, renderer).run()

    def quote(args: GenerateImage, provider: ImageProvider, *_: object) -> int | None:
        """What the one picture that is paid for is expected to cost."""
        return provider.estimate(_order(args, provider, platforms.pick(args.platforms)))

    return JobType(
        kind="image-generation",
        queue="image-generation",
        args=request_model(platforms, settings.prompt_max_length),
        result=GeneratedPictures,
        run=run,
        tools=(ImageProvider, Storage, Renderer),
        attempts=3,
        timeout=600.0,
        access=Access.SESSION,
        generation="new",
        quote=quote,
    )


def _order(
    args: GenerateImage, provider: ImageProvider, platforms: Sequence[Platform], owner: str | None = None
) -> ImageRequest:
    """The one picture from which all others are cut."""
    size = provider.plan_size(platforms)
    return ImageRequest(
        prompt=args.prompt, width=size.width, height=size.height, image_type=args.image_type, owner=owner
    )


def _charge(provider: ImageProvider, made: GeneratedImage, told: Told) -> Charge:
    """What a picture cost, as the record keeps it."""
    return Charge(
        provider=provider.name,
        model=made.model,
        request_id=told.request_id,
        size=f"{made.width}x{made.height}",
        quality=told.quality,
        usage=json.dumps(dict(told.usage)),
        priced=told.priced,
        micro_usd=told.micro_usd,
    )


class _Generation:
    """One attempt at one generation."""

    def __init__(
        self,
        context: JobContext[GenerateImage],
        platforms: PlatformTable,
        provider: ImageProvider,
        storage: Storage,
        renderer: Renderer,
    ) -> None:
        self._context = context
        self._provider = provider
        self._storage = storage
        self._renderer = renderer
        self._platforms = platforms.pick(context.args.platforms)
        self._previews: Previews | None = None

    async def run(self) -> GeneratedPictures:
        context = self._context
        if self._provider.paid and isinstance(self._storage, KeptStorage):
            await self._storage.make_sure()
        made = await context.step(
            "generate", self._generate, output=Generated, span=_GENERATE, paid=self._provider.paid
        )
        if self._previews is not None:
            await self._previews.remove()

        async def load() -> Master:
            key = key_of(context.job.generation_id, made.master.file_id, _MASTER, made.master.content_type)
            return await self._renderer.decode(await self._storage.get(key), made.source)

        renditions = Renditions(context, context.args, self._storage, self._renderer, self._platforms, load)

        async def decode(_: Step) -> Decoded:
            size = (await renditions.master()).size
            return Decoded(width=size.width, height=size.height)

        async def thumbnail(step: Step) -> Thumbnail:
            small = await self._renderer.thumbnail(await renditions.master())
            file = await self._store(step, "thumbnail", small.data, small.content_type, (small.width, small.height))
            return Thumbnail(thumbnail=told_of(file))

        await context.step("decode", decode, output=Decoded, span=_DECODE)
        try:
            await context.step("thumbnail", thumbnail, output=Thumbnail, span=_THUMBNAIL)
        except SnapAssetError as error:
            if error.retryable and not context.last_attempt:
                raise
            await context.give_up("thumbnail", error)  # the gallery shows a gap; what was asked for is not lost to that
        images = await renditions.make(_RENDER, made.focal)
        return GeneratedPictures(
            simulated=made.simulated,
            model=made.model,
            understood=made.understood,
            master=made.master,
            images=images,
        )

    async def _generate(self, step: Step) -> Generated:
        order = _order(self._context.args, self._provider, self._platforms, self._context.job.owner)
        self._previews = Previews(step, self._storage, self._context.job.generation_id)
        try:
            made = await self._provider.generate(order, step.tick, self._previews.take)
        finally:
            await self._previews.end()
        if made.charge is not None:
            step.charge(_charge(self._provider, made, made.charge))
        file = await self._store(step, _MASTER, made.data, made.content_type, (made.width, made.height))
        origin = Origin(
            model=made.model,
            simulated=made.simulated,
            source=made.source,
            understood=made.understood,
            focal_point=None if made.focal is None else FocalPoint(x=made.focal[0], y=made.focal[1]),
        )
        step.describe(origin)
        return Generated(master=told_of(file), **origin.model_dump(by_alias=False))

    async def _store(self, step: Step, role: str, data: bytes, content_type: str, size: tuple[int, int]) -> FileRow:
        return await store(
            step,
            self._storage,
            generation_id=self._context.job.generation_id,
            role=role,
            name=role,
            data=data,
            content_type=content_type,
            size=size,
            paid=role == _MASTER and self._provider.paid,
        )
