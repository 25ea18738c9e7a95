"""Who may have killed the worker that ran it runs alone in this process, when it is its last chance.

A job that takes its process down takes the jobs beside it along; each such time costs them an attempt as well. So a job
whose last attempt was lost with its worker, and that has no more than this one, runs while nothing else does here: if it
is the culprit it harms nobody but itself, and if it is not it has nobody to fear. While it waits for that it is held and
has not begun: if one of those that it waits for takes the process down, its attempt is not counted.

A processor that ignores its end is still there, whatever the record thinks of its job. Whoever is to be alone waits for it
as well, for a while; if it never ends, no one can be alone in this process any more.

Invariant: between `alone` and `free` no other attempt runs in this process, and none is claimed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_PATIENCE_SECONDS: Final = 30.0


class Solitude:
    """Counts what runs, and keeps one job apart from it. `on_change` is called when `wanted` has changed."""

    def __init__(self, on_change: Callable[[], None], patience: float = _PATIENCE_SECONDS) -> None:
        """`patience`: seconds that one who is to be alone waits for those who ignore their end, nothing claimed meanwhile."""
        self._on_change = on_change
        self._patience = patience
        self._outlasting: set[asyncio.Task[Any]] = set()
        self._busy = 0
        self._wanted = False
        self._quiet = asyncio.Event()
        self._quiet.set()

    @property
    def wanted(self) -> bool:
        """Whether a job runs alone, or waits for that: nothing is to be claimed meanwhile."""
        return self._wanted

    def enter(self) -> None:
        """Something begins that must not meet a job that runs alone: a claim, and the attempts that come of it."""
        self._busy += 1
        self._quiet.clear()

    def leave(self) -> None:
        """It has ended."""
        self._busy -= 1
        if self._busy == 0:
            self._quiet.set()

    def outlast(self, stuck: asyncio.Task[Any]) -> None:
        """Take note of something that goes on after whoever began it has left."""
        self._outlasting.add(stuck)
        stuck.add_done_callback(self._outlasting.discard)

    async def alone(self, called_off: asyncio.Event) -> bool:
        """Wait until all else that has entered has left, and has ended.

        False if another one is alone, when it is called off before, or when one that has left does not end. Called by somebody inside. After True, `free` must follow.
        """
        if self._wanted or called_off.is_set():
            return False
        self._want(wanted=True)
        self.leave()
        left, off = asyncio.ensure_future(self._all_left()), asyncio.ensure_future(called_off.wait())
        granted = False
        try:
            await asyncio.wait((left, off), return_when=asyncio.FIRST_COMPLETED)
            granted = not called_off.is_set() and left.result()
        finally:
            left.cancel()
            off.cancel()
            self.enter()
            if not granted:
                self._want(wanted=False)
        return granted

    async def _all_left(self) -> bool:
        await self._quiet.wait()
        if self._outlasting:
            await asyncio.wait(self._outlasting, timeout=self._patience)
        if all(task.done() for task in self._outlasting):
            return True
        log.warning("a job that is to run alone goes back: a processor here ignores its end; start this process anew")
        return False

    def free(self) -> None:
        """Be alone no more."""
        self._want(wanted=False)

    def _want(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._on_change()
