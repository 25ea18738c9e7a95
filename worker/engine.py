"""All that a process needs to run jobs, opened in order: the same in a worker and, embedded, in the API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from snapasset.client import JobClient
from snapasset.database.choose import choose_database
from snapasset.metrics import Metrics
from snapasset.reconciler import Reconciler
from snapasset.records.events import MissingEvents
from snapasset.storage import Storage
from snapasset.storage.belonging import see_that_it_belongs
from snapasset.storage.choose import choose_storage
from snapasset.storage.kept import KeptStorage
from snapasset.storage.sought import SoughtStorage
from snapasset.switch import Switch
from worker.embedded import Embedded
from worker.images.pool import PixelPool
from worker.images.render import Renderer
from worker.masters import Masters
from worker.providers import ImageProvider
from worker.providers.choose import choose_provider
from worker.removals import Removals
from worker.runner import Runner
from worker.spent import SpentRemovals
from worker.storeroom import Storeroom
from worker.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence

    from snapasset.database import Database
    from snapasset.event import Event
    from snapasset.job_type import Catalogue
    from snapasset.records.events import Missing
    from snapasset.settings import Settings

log = logging.getLogger(__name__)

_RING_SECONDS: Final = 7 * 86_400
"""When SAQ gives up on a ring. Attempts have time-outs of their own, and the record tells which workers have died; whatever a
ring leads to, a wait for the database among it, must not be broken off by it. It only clears away what a dead worker left."""

_RESTART_SECONDS: Final = 1.0


class Engine(NamedTuple):
    """What was opened. `provider`: who makes the pictures."""

    database: Database
    switch: Switch
    storage: Storage
    provider: ImageProvider
    client: JobClient
    runner: Runner
    metrics: Metrics


@asynccontextmanager
async def running_engine(
    settings: Settings, catalogue: Catalogue, role: Literal["worker", "api"]
) -> AsyncGenerator[Engine]:
    """Jobs are run as long as the block runs: all in a worker, in the API what `FALLBACK_WORKER` says.

    At the end running jobs get the drain, then go back. Raises `BadConfiguration`, `DatabaseUnavailable` or, for a folder,
    `StorageUnavailable` when it cannot begin; a storage beyond a network is looked for meanwhile.
    """
    async with AsyncExitStack() as stack:
        database = choose_database(settings)
        stack.push_async_callback(database.close)
        await database.open()
        switch = await _open_switch(stack, settings, catalogue, database, serves=role == "worker")
        place = await choose_storage(settings, database)
        stack.push_async_callback(place.close)
        storage = KeptStorage(place, database)
        storeroom = Storeroom(database, storage)
        pool = await stack.enter_async_context(PixelPool())
        async with begun(_open_storage(place, database)) as opened:  # each may be silent for seconds
            provider = await choose_provider(settings, pool)
            stack.push_async_callback(provider.close)
            await opened
        tools: dict[type, object] = {
            ImageProvider: provider,
            Storage: storage,
            Renderer: Renderer(pool),
            Masters: Masters(database),
            Storeroom: storeroom,
        }
        client = JobClient(database, switch, catalogue, settings, tools)
        await client.keep_schedules()
        metrics = Metrics(catalogue, switch)
        runner = Runner(
            database=database,
            switch=switch,
            catalogue=catalogue,
            tools=tools,
            settings=settings,
            metrics=metrics,
            role=role,
            accept=None if role == "worker" else (),
        )
        stack.push_async_callback(runner.stop)
        await runner.start()
        await stack.enter_async_context(kept_up(Reconciler(database, switch, catalogue.kinds_by_queue, settings).run))
        if isinstance(place, SoughtStorage):
            await stack.enter_async_context(kept_up(place.run))
        await stack.enter_async_context(kept_up(Removals(storeroom).run))
        kinds = tuple(job_type.kind for job_type in catalogue)
        await stack.enter_async_context(kept_up(SpentRemovals(storeroom, kinds).run))
        await stack.enter_async_context(kept_up(Uploads(storage).run))
        if role == "api":
            embedded = Embedded(runner, database, switch, catalogue, settings)
            await embedded.decide()
            await stack.enter_async_context(kept_up(embedded.run))
        yield Engine(database, switch, storage, provider, client, runner, metrics)


async def _open_storage(storage: Storage, database: Database) -> None:
    if isinstance(storage, SoughtStorage):
        await storage.open()
    else:
        await see_that_it_belongs(storage, database)


@asynccontextmanager
async def begun(work: Coroutine[None, None, None]) -> AsyncGenerator[asyncio.Task[None]]:
    """`work` under way; what the block has not waited for is given up at its end."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # whoever waited has it, and asyncio would complain that nobody did


async def _open_switch(
    stack: AsyncExitStack, settings: Settings, catalogue: Catalogue, database: Database, *, serves: bool
) -> Switch:
    async def look_up(missing: Sequence[Missing]) -> list[Event]:
        return await database.read(MissingEvents(missing))

    switch = Switch(catalogue.queues, settings, ring_timeout=_RING_SECONDS, serves=serves)
    stack.push_async_callback(switch.close)
    await switch.open(database.record_id, look_up)
    database.listen(switch.feed.publish)
    return switch


@asynccontextmanager
async def kept_up(run: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
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
