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
from worker.masters import Masters
from worker.processors.image_generation.earlier import Earlier, find_earlier, likeness_of
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

_SECONDS: Final = 600.0
_RENDERING_SECONDS: Final = 300.0
"""How long an attempt may take at least, and what of it is for all that comes after the master."""

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
        masters: Masters,
    ) -> GeneratedPictures:
        """Make the master, then every rendition that can be made. Raises what kept the job from having any."""
        return await _Generation(context, platforms, provider, storage, renderer, masters).run()

    def quote(args: GenerateImage, provider: ImageProvider, *_: object) -> int | None:
        """What the one picture that is paid for is expected to cost."""
        return provider.estimate(_order(args, provider, platforms.pick(args.platforms)))

    def likeness(args: GenerateImage, provider: ImageProvider, *_: object) -> str | None:
        """The mark of the master that is wanted, where an earlier one will do."""
        return likeness_of(_order(args, provider, platforms.pick(args.platforms)), provider) if args.reuse else None

    return JobType(
        kind="image-generation",
        queue="image-generation",
        args=request_model(platforms, settings.prompt_max_length),
        result=GeneratedPictures,
        run=run,
        tools=(ImageProvider, Storage, Renderer, Masters),
        attempts=3,
        # Whoever gives the provider longer wants the picture: an attempt that ended before would pay for it and drop it.
        timeout=max(_SECONDS, settings.openai_seconds + _RENDERING_SECONDS),
        access=Access.SESSION,
        generation="new",
        quote=quote,
        likeness=likeness,
    )


def _order(
    args: GenerateImage, provider: ImageProvider, platforms: Sequence[Platform], owner: str | None = None
) -> ImageRequest:
    """The one picture from which all others are cut."""
    size = provider.plan_size(platforms)
    return ImageRequest(
        prompt=args.prompt,
        width=size.width,
        height=size.height,
        image_type=args.image_type,
        seed=args.seed,
        owner=owner,
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
        masters: Masters,
    ) -> None:
        self._masters = masters
        self._context = context
        self._provider = provider
        self._storage = storage
        self._renderer = renderer
        self._platforms = platforms.pick(context.args.platforms)
        self._order = _order(context.args, provider, self._platforms, context.job.owner)

    async def run(self) -> GeneratedPictures:
        context = self._context
        made = await self._master()

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
            reused=made.reused_from is not None,
            reused_from=made.reused_from,
        )

    async def _master(self) -> Generated:
        """The master: one that is there already if that will do, else one that is made."""
        earlier = None
        if self._context.args.reuse and not self._context.has_done("generate"):
            earlier = await find_earlier(self._masters, self._storage, self._order, self._provider)
        if earlier is not None:

            async def copy(step: Step) -> Generated:
                return await self._take_again(step, earlier)

            return await self._context.step("generate", copy, output=Generated, span=_GENERATE)
        paid = self._provider.paid
        if paid and isinstance(self._storage, KeptStorage) and not self._context.has_done("generate"):
            await self._storage.make_sure()
        return await self._context.step("generate", self._generate, output=Generated, span=_GENERATE, paid=paid)

    async def _take_again(self, step: Step, earlier: Earlier) -> Generated:
        """A file of its own with the same bytes: what becomes of either generation, the other keeps its master."""
        found = earlier.master
        size = (found.width, found.height)
        file = await self._store(step, _MASTER, earlier.data, found.content_type, size, paid=False)
        origin = Origin.model_validate_json(found.made)
        step.describe(origin, earlier.likeness)
        return Generated(master=told_of(file), reused_from=found.generation_id, **origin.model_dump(by_alias=False))

    async def _generate(self, step: Step) -> Generated:
        order = self._order
        previews = Previews(step, self._storage, self._context.job.generation_id)
        try:
            made = await self._provider.generate(order, step.tick, previews.take)
        finally:
            await previews.end()
        if made.charge is not None:
            step.charge(_charge(self._provider, made, made.charge))
        size = (made.width, made.height)
        file = await self._store(step, _MASTER, made.data, made.content_type, size, paid=self._provider.paid)
        origin = Origin(
            model=made.model,
            simulated=made.simulated,
            source=made.source,
            understood=made.understood,
            focal_point=None if made.focal is None else FocalPoint(x=made.focal[0], y=made.focal[1]),
        )
        step.describe(origin, likeness_of(order, self._provider))
        return Generated(master=told_of(file), **origin.model_dump(by_alias=False))

    async def _store(
        self, step: Step, role: str, data: bytes, content_type: str, size: tuple[int, int], *, paid: bool = False
    ) -> FileRow:
        return await store(
            step,
            self._storage,
            generation_id=self._context.job.generation_id,
            role=role,
            name=role,
            data=data,
            content_type=content_type,
            size=size,
            paid=paid,
        )
