"""The backends that the contract suites run over. A new backend is one more line here; no test knows its name."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import pytest
from saq.worker import Worker
from storage3.utils import StorageException

from snapasset.database.sqlite import SqliteDatabase
from snapasset.queue.memory import MemoryQueue
from snapasset.queue.redis import RedisRings
from snapasset.storage.kept import KeptStorage
from snapasset.storage.local import LocalStorage
from tests.contracts.record_backends import clock, database, record
from tests.fakes.supabase import KEY, running_supabase
from tests.fakes.supabase_bucket import opened_bucket
from tests.servers.redis import running_redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
    from pathlib import Path

    from saq.queue.base import Queue
    from saq.types import PartialTimersDict

    from snapasset.storage import Storage
    from tests.servers.redis import RedisServer


__all__ = ["clock", "database", "record"]


class MakeQueue(Protocol):
    """Opens an empty queue of the backend under test; it is closed after the test."""

    async def __call__(self, name: str = "default") -> Queue: ...


Opened = Callable[[str], AbstractAsyncContextManager["Queue"]]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server that all tests of this process share; what they keep there is apart by its `record_id`."""
    with running_redis() as server:
        yield server


def _memory_queues(_request: pytest.FixtureRequest) -> Opened:
    @asynccontextmanager
    async def memory_queue(name: str) -> AsyncGenerator[Queue]:
        queue = MemoryQueue(name)
        await queue.connect()
        yield queue
        await queue.disconnect()

    return memory_queue


def _redis_queues(request: pytest.FixtureRequest) -> Opened:
    server, record_id = request.getfixturevalue("redis_server"), uuid4().hex

    @asynccontextmanager
    async def redis_queue(name: str) -> AsyncGenerator[Queue]:
        queue = RedisRings.for_worker(name, record_id, server.address)
        await queue.connect()
        yield queue
        await queue.disconnect()

    return redis_queue


@pytest.fixture(scope="session")
def supabase_project() -> Iterator[tuple[str, str]]:
    """Address and key of a project: a real one that the environment names, to be filled with buckets, else the fake."""
    url, key = os.environ.get("SUPABASE_TEST_URL"), os.environ.get("SUPABASE_TEST_SERVICE_KEY")
    if url and key:
        yield url, key
        return
    with running_supabase() as fake:
        yield fake.url, KEY


def _local_storage(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Storage]:
    @asynccontextmanager
    async def local_storage(folder: Path) -> AsyncGenerator[Storage]:
        storage = LocalStorage(folder / "files")
        yield storage
        await storage.close()

    return local_storage(request.getfixturevalue("tmp_path"))


def _supabase_storage(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Storage]:
    @asynccontextmanager
    async def supabase_storage(url: str, key: str) -> AsyncGenerator[Storage]:
        bucket = f"snapasset-test-{uuid4().hex}"
        storage = await opened_bucket(url, key, bucket)
        yield storage
        buckets = storage.project.storage
        await buckets.empty_bucket(bucket)
        with suppress(StorageException):  # a real server empties it by and by
            await buckets.delete_bucket(bucket)
        await storage.close()

    return supabase_storage(*request.getfixturevalue("supabase_project"))


QUEUES: dict[str, Callable[[pytest.FixtureRequest], Opened]] = {"memory": _memory_queues, "redis": _redis_queues}
SAFE_QUEUES = ["memory"]
"""Those that also keep what SAQ's own backends lose to a race."""


def _kept_storage(request: pytest.FixtureRequest) -> AbstractAsyncContextManager[Storage]:
    @asynccontextmanager
    async def kept_storage(folder: Path) -> AsyncGenerator[Storage]:
        database = SqliteDatabase(folder / "kept.db", synchronous="NORMAL")
        await database.open()
        storage = KeptStorage(LocalStorage(folder / "files"), database)
        yield storage
        await storage.close()
        await database.close()

    return kept_storage(request.getfixturevalue("tmp_path"))


STORAGES: dict[str, Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Storage]]] = {
    "local": _local_storage,
    "supabase": _supabase_storage,
    "behind the record": _kept_storage,
}


@pytest.fixture(params=QUEUES)
async def make_queue(request: pytest.FixtureRequest) -> AsyncIterator[MakeQueue]:
    opened = QUEUES[request.param](request)
    async with AsyncExitStack() as stack:

        async def make(name: str = "default") -> Queue:
            return await stack.enter_async_context(opened(name))

        yield make


@pytest.fixture
async def queue(make_queue: MakeQueue) -> Queue:
    return await make_queue()


@pytest.fixture(params=STORAGES)
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    async with STORAGES[request.param](request) as opened:
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
