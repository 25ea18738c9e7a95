"""The backends that the contract suites run over. A new backend is one more line here; no test knows its name."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from saq.worker import Worker

from snapasset.queue.memory import MemoryQueue
from snapasset.storage.local import LocalStorage
from tests.contracts.record_backends import clock, database, record

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from saq.queue.base import Queue
    from saq.types import PartialTimersDict

    from snapasset.storage import Storage


__all__ = ["clock", "database", "record"]


class MakeQueue(Protocol):
    """Opens an empty queue of the backend under test; it is closed after the test."""

    async def __call__(self, name: str = "default") -> Queue: ...


@asynccontextmanager
async def _memory_queue(name: str) -> AsyncGenerator[Queue]:
    queue = MemoryQueue(name)
    await queue.connect()
    yield queue
    await queue.disconnect()


@asynccontextmanager
async def _local_storage(folder: Path) -> AsyncGenerator[Storage]:
    storage = LocalStorage(folder / "files")
    yield storage
    await storage.close()


QUEUES: dict[str, Callable[[str], AbstractAsyncContextManager[Queue]]] = {"memory": _memory_queue}
SAFE_QUEUES = ["memory"]
"""Those that also keep what SAQ's own backends lose to a race."""

STORAGES: dict[str, Callable[[Path], AbstractAsyncContextManager[Storage]]] = {"local": _local_storage}


@pytest.fixture(params=QUEUES)
async def make_queue(request: pytest.FixtureRequest) -> AsyncIterator[MakeQueue]:
    opened = QUEUES[request.param]
    async with AsyncExitStack() as stack:

        async def make(name: str = "default") -> Queue:
            return await stack.enter_async_context(opened(name))

        yield make


@pytest.fixture
async def queue(make_queue: MakeQueue) -> Queue:
    return await make_queue()


@pytest.fixture(params=STORAGES)
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with STORAGES[request.param](tmp_path) as opened:
        yield opened


class QuietWorker(Worker[Any]):
    """SAQ's worker as it is, but for the signals of this process."""

    SIGNALS = []  # noqa: RUF012 (as SAQ declares it)


@asynccontextmanager
async def working(
    queue: Queue,
    *functions: Callable[..., Any],
    concurrency: int = 10,
    timers: PartialTimersDict | None = None,
    after_process: Callable[[Any], Any] | None = None,
) -> AsyncGenerator[QuietWorker]:
    """A worker that serves `queue` as long as the block runs; each function goes by its own name.

    Without `timers` it does not sweep: SAQ's Redis queue may sweep a job between its taking and its marking.
    """
    if timers is None:
        await queue.sweep(60)
    worker = QuietWorker(
        queue,
        functions=[(function.__name__, function) for function in functions],
        concurrency=concurrency,
        timers=timers,
        after_process=after_process,
    )
    task = asyncio.create_task(worker.start())
    try:
        yield worker
    finally:
        await worker.stop()
        await task


async def wait_until(true: Callable[[], Awaitable[object]], seconds: float = 5.0) -> None:
    """Return once `true()` is; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.01)
