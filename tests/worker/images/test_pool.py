"""The threads that touch pixels."""

from __future__ import annotations

import asyncio
import os
import threading

import pytest

from worker.images.pool import PixelPool


async def test_there_are_as_many_threads_as_cores_unless_said():
    assert PixelPool().threads == os.cpu_count()
    assert PixelPool(3).threads == 3


async def test_no_more_works_at_once_than_there_are_threads():
    running, most, lock, gate = 0, 0, threading.Lock(), threading.Event()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 2:
                gate.set()
        gate.wait(5)
        with lock:
            running -= 1

    async with PixelPool(2) as pool:
        await asyncio.gather(*(pool.run(work) for _ in range(8)))
    assert most == 2


async def test_a_pool_that_is_not_open_says_so():
    pool = PixelPool(1)
    with pytest.raises(RuntimeError, match="not open"):
        await pool.run(int)
    pool.open()
    pool.open()
    assert await pool.run(int, "7") == 7
    await pool.close()
    await pool.close()
    with pytest.raises(RuntimeError, match="not open"):
        await pool.run(int)


async def test_closing_waits_for_what_runs_and_drops_what_waits():
    begun, release, finished = threading.Event(), threading.Event(), threading.Event()

    def long_work() -> None:
        begun.set()
        release.wait(5)
        finished.set()

    pool = PixelPool(1)
    pool.open()
    first = asyncio.ensure_future(pool.run(long_work))
    second = asyncio.ensure_future(pool.run(long_work))
    await asyncio.to_thread(begun.wait, 5)
    closing = asyncio.ensure_future(pool.close())
    await asyncio.wait([second])
    assert second.cancelled()
    assert not closing.done()
    release.set()
    await closing
    await first
    assert finished.is_set()


async def test_work_that_nobody_waits_for_any_more_never_begins():
    begun, release, calls = threading.Event(), threading.Event(), 0

    def block() -> None:
        begun.set()
        release.wait(5)

    def count() -> None:
        nonlocal calls
        calls += 1

    async with PixelPool(1) as pool:
        first = asyncio.ensure_future(pool.run(block))
        await asyncio.to_thread(begun.wait, 5)
        unwanted = asyncio.ensure_future(pool.run(count))
        await asyncio.sleep(0)
        unwanted.cancel()
        await asyncio.wait([unwanted])
        release.set()
        await first
        await pool.run(int)
    assert calls == 0


async def test_when_nothing_has_run_for_a_while_the_rest_begins_on_a_thread_of_the_pool():
    rested: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def rest() -> None:
        loop.call_soon_threadsafe(rested.put_nowait, threading.current_thread().name)

    async with PixelPool(1, at_rest=rest, rest_seconds=0.01) as pool:
        await pool.run(int)
        assert (await asyncio.wait_for(rested.get(), 5)).startswith("pixels")
        await pool.run(int)
        await asyncio.wait_for(rested.get(), 5)
    assert rested.empty()


async def test_there_is_no_rest_while_something_runs():
    order: list[str] = []
    begun, release, rested = threading.Event(), threading.Event(), threading.Event()

    def long_work() -> None:
        begun.set()
        release.wait(5)
        order.append("work")

    def rest() -> None:
        order.append("rest")
        rested.set()

    async with PixelPool(2, at_rest=rest, rest_seconds=0.0) as pool:
        await pool.run(int)
        long = asyncio.create_task(pool.run(long_work))
        await asyncio.to_thread(begun.wait, 5)
        for _ in range(20):
            await pool.run(int)
            await asyncio.sleep(0)
        release.set()
        await long
        await asyncio.to_thread(rested.wait, 5)
    assert order == ["work", "rest"]


async def test_a_closed_pool_does_not_rest():
    rested: list[None] = []
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    pool = PixelPool(1, at_rest=lambda: rested.append(None), rest_seconds=0.0)
    pool.open()
    await pool.run(int)
    await pool.close()
    for _ in range(5):
        await asyncio.sleep(0)
    assert rested == []
    assert complaints == []
