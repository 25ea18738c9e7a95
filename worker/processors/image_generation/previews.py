"""Unfinished pictures, shown while the finished one is being made: each a file of its own, told of once, gone soon after the job.

Invariant: nothing that happens to a preview changes the job. Each is stored beside the call, never by it. The record knows each
before it is stored and until it is gone. `worker.spent` removes them all a little after the end of the job, whoever stored them,
so that a page that was told of one a moment before the picture came still finds it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from snapasset.errors import StorageFailed, Unavailable
from snapasset.job import new_id
from snapasset.job_type import Wire
from snapasset.records.files import FileRow
from worker.renditions import key_of

if TYPE_CHECKING:
    from snapasset.storage import Storage
    from worker.context import Step
    from worker.providers import Preview

log = logging.getLogger(__name__)

ROLE: Final = "preview"


class ShownPreview(Wire):
    """A preview as events tell of it: the file is there until the job has ended, and a little longer."""

    index: int
    file_id: str
    content_type: str
    size: int
    width: int
    height: int


class Previews:
    """The previews of one call."""

    def __init__(self, step: Step, storage: Storage, generation_id: str | None) -> None:
        self._step = step
        self._storage = storage
        self._generation_id = generation_id
        self._waiting: deque[Preview] = deque()
        self._showing: asyncio.Task[None] | None = None

    def take(self, preview: Preview) -> None:
        """Have one stored and told of, after those before it. Called on the loop, and returns at once."""
        self._waiting.append(preview)
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._show_all(), name="previews")

    async def end(self) -> None:
        """Store and tell of no more: the call is over."""
        if self._showing is not None:
            self._showing.cancel()
            await asyncio.wait({self._showing})

    async def _show_all(self) -> None:
        while self._waiting:
            try:
                await self._show(self._waiting.popleft())
            except (Unavailable, StorageFailed) as error:
                log.warning("a preview is not shown", extra={"error": error.detail})
            except Exception:
                log.exception("a preview is not shown")

    async def _show(self, preview: Preview) -> None:
        file_id, size = new_id(), len(preview.data)
        key = key_of(self._generation_id, file_id, ROLE, preview.content_type)
        about: dict[str, Any] = {
            "content_type": preview.content_type,
            "size": size,
            "width": preview.width,
            "height": preview.height,
        }
        shown = ShownPreview(index=preview.index, file_id=file_id, **about)

        stored = False

        async def store() -> None:
            nonlocal stored
            await self._storage.put(key, preview.data, preview.content_type)
            stored = True

        held = await self._step.show(FileRow(file_id, ROLE, str(preview.index), key, **about), ROLE, shown, store)
        if stored and not held:
            await self._storage.delete((key,))  # its row may have been seen, and removed, before the file was there
