"""What the server's process and the worker's have in common: how they begin, how they are told to stop, how they end.

Exit status: 0 after a stop in good order, 1 when a part could not be opened, 2 for a configuration that cannot be used.

Invariant: once `told_to_stop` was called no signal is lost, whatever is being opened meanwhile, and as process 1 of a
container as well, where the kernel drops the signals that nobody has asked for. Before that `snapasset.early` ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from snapasset import garbage, logs, memory
from snapasset.errors import BadConfiguration, SnapAssetError
from snapasset.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from snapasset.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")


def run(
    work: Callable[[Settings], Coroutine[Any, Any, int | None]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> int:
    """Read the settings and do `work` with them; returns the exit status.

    `work` returns how many jobs ignore that they are to end: they would be waited for without end, so the process ends
    without them, and the record gives them to others.
    """
    memory.use_one_arena()
    try:
        settings = read_settings()
        logs.configure(settings)
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            if runner.run(work(settings)):
                logging.shutdown()
                os._exit(0)
    except SnapAssetError as error:
        sys.stderr.write(f"snapasset: {error.detail}\n")
        return 2 if isinstance(error, BadConfiguration) else 1
    except KeyboardInterrupt:
        return 130
    return 0


def told_to_stop() -> asyncio.Event:
    """An event that the first SIGTERM or SIGINT sets. The second ends the process at once: the record is made for that."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def tell(number: int) -> None:
        if told.is_set():
            os._exit(128 + number)
        told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":
            signal.signal(number, lambda got, _frame: loop.call_soon_threadsafe(tell, got))
        else:
            loop.add_signal_handler(number, tell, number)
    return told


@asynccontextmanager
async def opened(parts: AbstractAsyncContextManager[T], told: asyncio.Event) -> AsyncGenerator[T | None]:
    """Have `parts` open as long as the block runs; None when `told` comes before they are, and all is closed again."""
    async with AsyncExitStack() as stack:
        opened_parts = await _unless(told, stack.enter_async_context(parts))
        garbage.search_seldom()
        yield opened_parts


async def _unless(told: asyncio.Event, opening: Awaitable[T]) -> T | None:
    scope = asyncio.timeout(None)

    async def break_off() -> None:
        await told.wait()
        scope.reschedule(asyncio.get_running_loop().time())

    breaking_off = asyncio.create_task(break_off(), name="told to stop")
    try:
        async with scope:
            return await opening
    except (TimeoutError, SnapAssetError):
        if not told.is_set():
            raise
        log.info("stopping: not all was open yet")
        return None
    finally:
        breaking_off.cancel()
