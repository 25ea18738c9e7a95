"""The real application behind a real server in a thread, for tests that are not coroutines.

Only the picture work is replaced: its kinds store a few bytes for each picture, so that a job ends at once.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from server.app import create_app
from server.serving import Server
from snapasset.job_type import Catalogue
from snapasset.storage import Storage
from tests.server.service import settings_for, wait_until
from worker import processors
from worker.images.fit import Fit
from worker.images.provenance import SourceType
from worker.processors.image_generation.result import Generated, GeneratedPictures
from worker.processors.image_renditions import MorePictures
from worker.renditions import store, told_of
from worker.renditions.origin import Origin
from worker.renditions.result import Details, Rendered, RenderedPicture

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from server.state import State
    from snapasset.job_type import JobType
    from snapasset.records.files import FileRow
    from snapasset.settings import Settings
    from worker.context import JobContext, Step

_ORIGIN = Origin(model="none", simulated=True, source=SourceType.ALGORITHMIC, understood=None, focal_point=None)
_DETAILS = Details(fit=Fit.COVER, quality=80)


def quick_settings(folder: Path) -> Settings:
    # The stream of all jobs has no last frame: it grows old at once.
    old = {"heartbeat_seconds": 0.2, "stream_age_seconds": 0.2}
    return settings_for(folder, wait_max_seconds=1, live_jobs_per_owner=100_000, drain_seconds=0, **old)


def quick_catalogue(settings: Settings) -> Catalogue:
    """The product's kinds, with pictures that cost nothing."""
    quick: dict[str, Callable[..., Any]] = {"image-generation": _generate, "image-renditions": _cut}
    return Catalogue(_quick(job_type, quick.get(job_type.kind)) for job_type in processors.catalogue(settings))


def _quick(job_type: JobType[Any, Any], run: Callable[..., Any] | None) -> JobType[Any, Any]:
    return job_type if run is None else replace(job_type, run=run, tools=(Storage,), quote=None)


async def _store(context: JobContext[Any], step: Step, storage: Storage, role: str, name: str) -> FileRow:
    return await store(
        step,
        storage,
        generation_id=context.job.generation_id,
        role=role,
        name=name,
        data=b"a picture",
        content_type="image/jpeg",
        size=(4, 3),
        details=_DETAILS if role == "rendition" else None,
    )


async def _generate(context: JobContext[Any], storage: Storage) -> GeneratedPictures:
    async def generate(step: Step) -> Generated:
        file = await _store(context, step, storage, "master", "master")
        step.describe(_ORIGIN)
        step.tick(0.5)
        return Generated(master=told_of(file), **_ORIGIN.model_dump(by_alias=False))

    made = await context.step("generate", generate, output=Generated, span=(10, 40))
    return GeneratedPictures(
        simulated=True, model="none", understood=None, master=made.master, images=await _pictures(context, storage)
    )


async def _cut(context: JobContext[Any], storage: Storage) -> MorePictures:
    return MorePictures(generation_id=context.args.generation_id, images=await _pictures(context, storage))


async def _pictures(context: JobContext[Any], storage: Storage) -> tuple[RenderedPicture, ...]:
    async def render(step: Step, platform: str) -> Rendered:
        told = told_of(await _store(context, step, storage, "rendition", platform))
        fields = {**told.model_dump(by_alias=False), **_DETAILS.model_dump(by_alias=False)}
        return Rendered(image=RenderedPicture(platform=platform, **fields))

    images: list[RenderedPicture] = []
    for platform in context.args.platforms:
        step = await context.step(
            f"render:{platform}", lambda step, name=platform: render(step, name), output=Rendered, span=(40, 95)
        )
        images.append(step.image)
    return tuple(images)


@contextmanager
def real_service(folder: Path) -> Generator[str]:
    """The address of a service of this folder."""
    settings = quick_settings(folder)
    listener = socket.create_server(("127.0.0.1", 0))
    started = threading.Event()
    stop: list[Callable[[], None]] = []

    async def serve() -> None:
        app = create_app(settings, quick_catalogue(settings))
        async with app.router.lifespan_context(app) as state:
            told = asyncio.Event()
            server = Server(app, cast("State", state), told)
            stop.append(told.set)
            serving = asyncio.create_task(server.serve([listener]))
            await wait_until(lambda: server.started)
            started.set()
            await serving

    thread = threading.Thread(target=asyncio.run, args=(serve(),), name="real service")
    thread.start()
    try:
        assert started.wait(20), "the service did not start"
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for end in stop:
            end()
        thread.join(20)
        listener.close()
