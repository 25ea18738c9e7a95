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
