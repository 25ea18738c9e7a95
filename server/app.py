"""The whole service in one process: record, queue, feed, files, worker, and the API in front of them.

The only file of the server that knows the worker: without Redis this process does the work itself.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from server.file_urls import FileUrls
from server.routes import application
from server.state import Life, Stage, State
from server.stream_tokens import StreamTokens, read_secret
from server.streams.hub import Hub
from server.studio_files import read_studio
from server.user_tokens import opened_user_tokens
from snapasset.database.choose import make_data_dir
from worker import processors
from worker.engine import running_engine

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.applications import Starlette

    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings


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

    return application(lifespan, settings.cors_origins)


async def _open(stack: AsyncExitStack, settings: Settings, catalogue: Catalogue) -> State:
    """Open every part; `stack` closes them in the opposite order."""
    life = Life()
    make_data_dir(settings)
    secret = read_secret(settings)
    engine = await stack.enter_async_context(running_engine(settings, catalogue, "api"))
    file_urls = FileUrls(secret, settings.file_url_seconds)
    users = await stack.enter_async_context(opened_user_tokens(settings))
    hub = Hub(engine.database, engine.switch, settings, file_urls, engine.metrics)

    async def drain() -> int:
        life.stage = Stage.DRAINING
        await asyncio.gather(hub.drain(), engine.runner.stop())
        return engine.runner.stuck

    stack.push_async_callback(drain)
    return State(
        settings=settings,
        catalogue=catalogue,
        database=engine.database,
        switch=engine.switch,
        storage=engine.storage,
        provider=engine.provider,
        client=engine.client,
        hub=hub,
        life=life,
        stream_tokens=StreamTokens(secret),
        users=users,
        file_urls=file_urls,
        metrics=engine.metrics,
        studio=read_studio(),
        drain=drain,
        lives=lambda: engine.runner.lives,
    )
