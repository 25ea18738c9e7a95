"""Waiting for what a promise says will happen in so many seconds.

The promises hold on a machine that has time. Others may use this one as well, so each is given `SLACK` times as long
before a test fails; how long it took is printed, which `pytest -rP` shows.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

SLACK: Final = 3.0

TELLS: Final = 2.0
"""Seconds in which /health tells of a change."""

HEALS: Final = 10.0
"""Seconds from the end of a fault until all is as it was."""

TAKES_OVER: Final = 20.0
"""Seconds from the death of a worker until its jobs run elsewhere."""

ENDS: Final = 40.0
"""Seconds in which what a test has submitted ends. No promise: all that is to be known is that it ends."""

_PAUSE: Final = 0.05


async def within(seconds: float, look: Callable[[], Awaitable[T | None]], what: str) -> T:
    """The first true answer of `look`, which should come in `seconds`."""
    began = time.monotonic()
    while not (answer := await look()):
        assert time.monotonic() < began + SLACK * seconds, f"not in {SLACK:g} × {seconds:g} s: {what}"
        await asyncio.sleep(_PAUSE)
    print(f"measured: {what}: {time.monotonic() - began:.1f} s")
    return answer
