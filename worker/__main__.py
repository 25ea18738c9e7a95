"""`python -m worker`: run jobs of every queue until told to stop. Any number of these may run, on any number of hosts.

The first SIGTERM or SIGINT begins the drain: nothing new is claimed, running jobs get DRAIN_SECONDS, the rest goes back with
its finished steps. A second one ends the process at once: the record is made for that.

Exit status: 0 after a stop in good order, 1 when a part could not be opened, 2 for a configuration that cannot be used.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

from uvicorn.loops.auto import auto_loop_factory

from snapasset import __version__, logs, memory
from snapasset.errors import BadConfiguration, SnapAssetError
from snapasset.settings import read_settings
from worker import processors
from worker.engine import running_engine
from worker.health import health_listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings
    from worker.engine import Engine

log = logging.getLogger("worker")


def main(kinds: Callable[[Settings], Catalogue] = processors.catalogue) -> int:
    """Run the worker; returns the exit status. `kinds` makes another catalogue than the product's."""
    memory.use_one_arena()
    try:
        settings = read_settings()
        logs.configure(settings)
        with asyncio.Runner(loop_factory=auto_loop_factory()) as runner:
            stuck = runner.run(_work(settings, kinds(settings)))
            if stuck:
                # Jobs that ignore their cancelling would be waited for without end; the record gives them to others.
                logging.shutdown()
                os._exit(0)
    except BadConfiguration as error:
        return _complain(error, 2)
    except SnapAssetError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 130
    return 0


async def _work(settings: Settings, catalogue: Catalogue) -> int:
    """Work until a signal comes. Returns how many jobs ignore that they are to end."""
    stop = _on_signals()
    async with running_engine(settings, catalogue, "worker") as engine:
        listener = health_listener(
            settings,
            live=lambda: engine.runner.lives,
            ready=lambda: bool(engine.runner.accepts),
            database=engine.database,
            metrics=engine.metrics,
        )
        async with listener as port:
            _announce(engine, catalogue, port)
            await stop.wait()
            log.info("stopping: running jobs have %g s to end; a second signal stops at once", settings.drain_seconds)
            await engine.runner.stop()
    return engine.runner.stuck


def _on_signals() -> asyncio.Event:
    """An event that the first signal to stop sets; the second ends the process."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":
            signal.signal(number, lambda got, _frame: loop.call_soon_threadsafe(told, got))
        else:
            loop.add_signal_handler(number, told, number)
    return stop


def _announce(engine: Engine, catalogue: Catalogue, port: int | None) -> None:
    log.info(
        "worker is ready",
        extra={
            "mode": engine.switch.mode,
            "database": engine.database.name,
            "storage": engine.storage.name,
            "provider": engine.provider,
            "version": __version__,
            "workerId": engine.runner.worker_id,
            "queues": list(catalogue.queues),
            **({} if port is None else {"healthPort": port}),
        },
    )


def _complain(error: SnapAssetError, status: int) -> int:
    sys.stderr.write(f"snapasset: {error.detail}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
