"""`python -m worker`: run jobs of every queue until told to stop. Any number of these may run, on any number of hosts.

The first SIGTERM or SIGINT begins the drain: nothing new is claimed, running jobs get DRAIN_SECONDS, the rest goes back with
its finished steps. A second one ends the process at once: the record is made for that.

Exit status: 0 after a stop in good order, 1 when a part could not be opened, 2 for a configuration that cannot be used.
"""

from __future__ import annotations

from snapasset.early import end_when_told

if __name__ == "__main__":
    end_when_told()  # before the imports that follow

import logging
import sys
from typing import TYPE_CHECKING

from uvicorn.loops.auto import auto_loop_factory

from snapasset import __version__, process
from snapasset.standing import made_by
from snapasset.vitals import look_into_storage
from worker import processors
from worker.engine import running_engine
from worker.health import health_listener

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapasset.job_type import Catalogue
    from snapasset.settings import Settings
    from snapasset.standing import Standing
    from snapasset.vitals import Keeping
    from worker.engine import Engine

log = logging.getLogger("worker")


def main(kinds: Callable[[Settings], Catalogue] = processors.catalogue) -> int:
    """Run the worker; returns the exit status. `kinds` makes another catalogue than the product's."""
    return process.run(lambda settings: _work(settings, kinds), auto_loop_factory())


async def _work(settings: Settings, kinds: Callable[[Settings], Catalogue]) -> int:
    """Work until a signal comes. Returns how many jobs ignore that they are to end."""
    told = process.told_to_stop()
    catalogue = kinds(settings)
    async with process.opened(running_engine(settings, catalogue, "worker"), told) as engine:
        if engine is None:
            return 0
        listener = health_listener(
            settings,
            live=lambda: engine.runner.lives,
            ready=lambda: bool(engine.runner.accepts),
            database=engine.database,
            metrics=engine.metrics,
        )
        async with listener as port:
            keeping = await look_into_storage(engine.storage, settings.health_seconds)
            _announce(engine, catalogue, port, await engine.provider.look(), keeping)
            await told.wait()
            log.info("stopping: running jobs have %g s to end; a second signal stops at once", settings.drain_seconds)
            await engine.runner.stop()
    return engine.runner.stuck


def _announce(engine: Engine, catalogue: Catalogue, port: int | None, standing: Standing, keeping: Keeping) -> None:
    log.info(
        "worker is ready",
        extra={
            "mode": engine.switch.mode,
            "database": engine.database.name,
            **keeping.told(engine.storage.name),
            **made_by(engine.provider.name, standing),
            "version": __version__,
            "workerId": engine.runner.worker_id,
            "queues": list(catalogue.queues),
            **({} if port is None else {"healthPort": port}),
        },
    )


if __name__ == "__main__":
    sys.exit(main())
