"""What the fault tests share: a Redis of their own to do harm to, and what a process costs while it lasts."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from tests.servers.redis import running_redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from tests.servers.redis import RedisServer

HEAL_SECONDS = 5.0
"""How long it may take to go on after Redis is back."""

CORE = 0.1
"""Most of a core that this process may use while Redis is away."""


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


@asynccontextmanager
async def calm(log: pytest.LogCaptureFixture, *, seconds: float = 3.0, lines: int = 6) -> AsyncGenerator[None]:
    """Run the block, let the fault last, and fail if this process spun or babbled all the while.

    What is measured is processor time, which others on this machine do not change.
    """
    log.set_level(logging.INFO)
    log.clear()
    yield
    used, began = time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    used, lasted = time.process_time() - used, time.monotonic() - began
    assert used / lasted < CORE, f"{used / lasted:.2f} of a core"
    said = [record for record in log.records if record.levelno >= logging.INFO]
    assert len(said) <= lines, "\n".join(record.getMessage() for record in said)
