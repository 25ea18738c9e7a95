"""Whether rings of one queue are taken in this process: a ring that is taken and refused is one that nobody else answers.

Invariant: while the gate is closed nobody here waits for a ring, in either queue; what was taken before is answered.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator


class _Turn:
    """One time that a worker of SAQ's waits for a ring, and then answers it."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.task = task
        self.waits = True


_turn: ContextVar[_Turn] = ContextVar("turn")


class Gate:
    """Open at first."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._turns: set[_Turn] = set()

    def set(self, *, is_open: bool) -> None:
        """Open or close it. Closing sends away whoever waits for a ring; a ring that comes just then is swept later."""
        if is_open:
            self._open.set()
        elif self._open.is_set():
            self._open.clear()
            for turn in self._turns:
                if turn.waits:
                    turn.task.cancel()

    async def passed(self) -> None:
        """Return once it is open."""
        await self._open.wait()

    @contextmanager
    def waiting(self) -> Generator[None]:
        """Wait for a ring within this block; closing the gate cancels the task, until the ring is there."""
        task = asyncio.current_task()
        assert task is not None
        turn = _Turn(task)
        self._turns.add(turn)
        token = _turn.set(turn)
        try:
            yield
        finally:
            _turn.reset(token)
            self._turns.discard(turn)


def ring_came() -> None:
    """Say, from the task that answers a ring, that whoever waited for it waits no more."""
    turn = _turn.get(None)
    if turn is not None:
        turn.waits = False
