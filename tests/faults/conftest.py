"""What the fault tests share: a Redis of their own to do harm to, and what a process costs while it lasts."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.servers.redis import running_redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Iterator

    from tests.servers.redis import RedisServer

HEAL_SECONDS = 5.0
"""How long it may take to go on after Redis is back."""

CORE = 0.1
"""Most of a core that this process may use while Redis is away."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


class Cost:
    """What this process uses of a core from now on.

    What is measured is processor time, which others on this machine do not change; nor does what thousands of tests before have
    left in this process, among which it would take half a second to look for garbage.
    """

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        self._used, self._began = time.process_time(), time.monotonic()

    @contextmanager
    def aside(self) -> Generator[None]:
        """Leave out what is done in this block, which must not await: the test does it, not what is tested."""
        used, began = time.process_time(), time.monotonic()
        yield
        self._used += time.process_time() - used
        self._began += time.monotonic() - began

    def assert_small(self, *, at_least: float) -> None:
        """Fail if it was too much. `at_least`: seconds; of less, one reconnect could be a large part."""
        used, lasted = time.process_time() - self._used, time.monotonic() - self._began
        gc.unfreeze()
        assert lasted >= at_least, "too short a time to judge by"
        print(f"measured: {used / lasted:.3f} of a core, for {lasted:.1f} s")
        assert used / lasted < CORE, f"{used / lasted:.2f} of a core"


def assert_said_little(log: pytest.LogCaptureFixture, lines: int) -> None:
    said = [record for record in log.records if record.levelno >= logging.INFO]
    assert len(said) <= lines, "\n".join(record.getMessage() for record in said)


@asynccontextmanager
async def calm(log: pytest.LogCaptureFixture, *, seconds: float = 3.0, lines: int = 6) -> AsyncGenerator[None]:
    """Run the block, let the fault last, and fail if this process spun or babbled all the while."""
    log.set_level(logging.INFO)
    log.clear()
    yield
    cost = Cost()
    await asyncio.sleep(seconds)
    cost.assert_small(at_least=seconds)
    assert_said_little(log, lines)
