"""The whole service in one process: record, queue, feed, files, worker, and the API in front of them.

The only file of the server that knows the worker: without Redis this process does the work itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from server.file_urls import FileUrls
from server.hub import Hub
from server.routes import application
from server.state import Life, Stage, State
from server.stream_tokens import StreamTokens, read_secret
from snapasset.client import JobClient
from snapasset.database.choose import choose_database
from snapasset.reconciler import Reconciler
from snapasset.storage import Storage
from snapasset.storage.belonging import see_that_it_belongs
from snapasset.storage.local import LocalStorage
from snapasset.switch import Switch
from worker import processors
from worker.images.pool import PixelPool
from worker.images.render import Renderer
from worker.masters import Masters
from worker.providers import ImageProvider
from worker.providers.sketch import SketchProvider
from worker.removals import Removals
from worker.runner import Runner
from worker.storeroom import Storeroom

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from starlette.applications import Starlette

    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings

log = logging.getLogger(__name__)

_RING_MARGIN_SECONDS: Final = 60
"""A ring outlives the longest job it may run by this much."""

_RESTART_SECONDS: Final = 1.0


def create_app(settings: Settings, catalogue: Catalogue | None = None) -> Starlette:
    """The application with everything it needs; nothing is opened before its lifespan begins.

    The lifespan raises `BadConfiguration`, `DatabaseUnavailable` or `StorageUnavailable` when it cannot begin.
    """
    kinds = processors.catalogue(settings) if catalogue is None else catalogue

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[State]:
        async with AsyncExitStack() as stack:
            state = await _open(stack, settings, kinds)
            state["life"].stage = Stage.SERVING
            yield state

    return application(lifespan)


async def _open(stack: AsyncExitStack, settings: Settings, catalogue: Catalogue) -> State:
    """Open every part; `stack` closes them in the opposite order."""
    life = Life()
    database = choose_database(settings)
    secret = read_secret(settings)
    stack.push_async_callback(database.close)
    await database.open()

    longest = max((job_type.timeout for job_type in catalogue), default=0.0)
    switch = Switch(catalogue.queues, settings, ring_timeout=math.ceil(longest) + _RING_MARGIN_SECONDS)
    stack.push_async_callback(switch.close)
    await switch.open(database.record_id)
    database.listen(switch.feed.publish)

    storage = LocalStorage(settings.data_dir / "files")
    stack.push_async_callback(storage.close)
    await see_that_it_belongs(storage, database)
    storeroom = Storeroom(database, storage)
    pool = await stack.enter_async_context(PixelPool())
    provider = SketchProvider(pool)
    stack.push_async_callback(provider.close)

    client = JobClient(database, switch, catalogue, settings)
    await client.keep_schedules()
    hub = Hub(database, switch, settings)
    runner = Runner(
        database=database,
        switch=switch,
        catalogue=catalogue,
        tools={
            ImageProvider: provider,
            Storage: storage,
            Renderer: Renderer(pool),
            Masters: Masters(database),
            Storeroom: storeroom,
        },
        settings=settings,
    )

    async def drain() -> int:
        life.stage = Stage.DRAINING
        hub.close()
        await runner.stop()
        return runner.stuck

    stack.push_async_callback(drain)
    await runner.start()
    await stack.enter_async_context(_kept_up(Reconciler(database, switch, settings).run))
    await stack.enter_async_context(_kept_up(Removals(storeroom).run))
    return State(
        settings=settings,
        catalogue=catalogue,
        database=database,
        switch=switch,
        storage=storage,
        provider=provider.name,
        client=client,
        hub=hub,
        life=life,
        stream_tokens=StreamTokens(secret),
        file_urls=FileUrls(secret, settings.file_url_seconds),
        drain=drain,
    )


@asynccontextmanager
async def _kept_up(run: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    """Have `run` run meanwhile, held by this frame and begun again should it ever end."""

    async def keep() -> None:
        while True:
            try:
                await run()
            except Exception:
                log.exception("a part that must run for ever ended")
            await asyncio.sleep(_RESTART_SECONDS)

    task = asyncio.create_task(keep(), name=run.__qualname__)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
