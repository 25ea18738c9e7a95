"""image-renditions: more pictures from a master that is there already: other platforms, another focal point or fit. Free."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, create_model

from snapasset.job_type import Access, JobType, Wire
from snapasset.storage import Storage
from worker.images.render import Renderer
from worker.masters import Masters
from worker.renditions import Renditions
from worker.renditions.origin import Origin
from worker.renditions.request import Cut, platforms_of
from worker.renditions.result import Pictures

if TYPE_CHECKING:
    from worker.context import JobContext
    from worker.images.decode import Master
    from worker.images.platforms import PlatformTable

_RENDER: Final = (10.0, 95.0)
"""The part of the job's progress that rendering covers; the master is decoded before."""


class CutAgain(Cut):
    """Pictures from the master of one of the caller's generations."""

    generation_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{1,64}$")]


class MorePictures(Wire):
    """The job's result: a picture for each platform in the order asked for."""

    generation_id: str
    images: Pictures


def image_renditions(platforms: PlatformTable) -> JobType[CutAgain, MorePictures]:
    """The kind, with this deployment's platforms."""

    async def run(
        context: JobContext[CutAgain], storage: Storage, renderer: Renderer, masters: Masters
    ) -> MorePictures:
        """Make every rendition that can be made. Raises what kept the job from having any."""
        generation_id = context.args.generation_id
        stored = await masters.find(generation_id, context.job.owner)
        origin = Origin.model_validate_json(stored.made)

        async def load() -> Master:
            return await renderer.decode(await storage.get(stored.key), origin.source)

        renditions = Renditions(context, context.args, storage, renderer, platforms.pick(context.args.platforms), load)
        return MorePictures(generation_id=generation_id, images=await renditions.make(_RENDER, origin.focal))

    return JobType(
        kind="image-renditions",
        queue="image-renditions",  # of its own: what is free and takes a second need not wait for generations
        args=create_model("CutAgain", __base__=CutAgain, platforms=(platforms_of(platforms), ...)),
        result=MorePictures,
        run=run,
        tools=(Storage, Renderer, Masters),
        attempts=3,
        timeout=300.0,
        access=Access.SESSION,
        generation="existing",
    )
