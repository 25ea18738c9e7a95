"""The peer: SAQ as its documentation shows it, one queue, one worker, no option that it does not ask for.

`python -m bench.peers.plain_saq`; tasks and answers are those of `bullmq/bullmq.mjs`. It runs on uvloop, as ours does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from saq import Queue, Worker

from bench.queue_log import logged, new_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_AT_ONCE = 50
_PATIENCE = 8.0


def _say(answer: dict[Any, Any]) -> None:
    print(json.dumps(answer), flush=True)


async def _put(queue: Queue, count: int, log: str | None = None, seconds: float = 0.0) -> None:
    async def some(first: int) -> None:
        for number in range(first, count, _AT_ONCE):
            if log is None:
                await queue.enqueue("noop")
            else:
                await queue.enqueue("logged", number=number, log=log, seconds=seconds)

    await asyncio.gather(*(some(first) for first in range(_AT_ONCE)))
    _say({"version": version("saq")})


async def _rate(queue: Queue, *, per_second: float, seconds: float, first: int, log: str, lasts: float) -> None:
    added: dict[int, float | None] = {}

    async def add(number: int) -> None:
        sent = time.time()
        with contextlib.suppress(Exception):
            await queue.enqueue("logged", number=number, log=log, seconds=lasts)
            added[number] = sent

    begun = time.perf_counter()
    adding: list[asyncio.Task[None]] = []
    for at in range(round(per_second * seconds)):
        await asyncio.sleep(max(0.0, begun + at / per_second - time.perf_counter()))
        added[first + at] = None
        adding.append(asyncio.create_task(add(first + at)))
    await asyncio.wait(adding, timeout=_PATIENCE)
    _say(added)


async def _work(queue: Queue, *, concurrency: int, until: int) -> None:
    left, started = until, 0.0

    async def noop(_context: dict[str, Any]) -> None:
        nonlocal started
        started = started or time.perf_counter()

    async def write_down(_context: dict[str, Any], *, number: int, log: str, seconds: float) -> None:
        await logged(log, number, seconds)

    async def count(_context: dict[str, Any]) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            _say({"perSecond": until / (time.perf_counter() - started)})

    worker: Worker[Any] = Worker(
        queue, [("noop", noop), ("logged", write_down)], concurrency=concurrency, after_process=count if until else None
    )
    _say({"ready": True})
    await worker.start()


async def _carry_out(task: dict[str, Any]) -> None:
    act, redis = task.pop("act"), task.pop("redis")
    queue = Queue.from_url(f"redis://{redis['host']}:{redis['port']}/{redis['db']}")
    await queue.connect()
    words = {"perSecond": "per_second"}
    given = {words.get(name, name): value for name, value in task.items()}
    acts: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {"put": _put, "rate": _rate, "work": _work}
    doing = asyncio.create_task(acts[act](queue, **given))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    await asyncio.wait((doing, ended), return_when=asyncio.FIRST_COMPLETED)
    sys.stdout.flush()


if __name__ == "__main__":
    logging.getLogger("saq").setLevel(logging.CRITICAL)
    wanted = json.loads(sys.stdin.readline())
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_carry_out(wanted))
