"""The feed of one process: dictionaries of receivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.feed import Feed, OwnerReceiver, Receiver
from snapasset.feed.owners import OwnerWatches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapasset.event import News


class MemoryFeed(Feed):
    """Carries news within this process and event loop, at once and without loss."""

    def __init__(self) -> None:
        self._receivers: dict[str, list[Receiver]] = {}
        self._owners = OwnerWatches()

    def publish(self, news: Sequence[News]) -> None:
        receivers = self._receivers
        if receivers:
            for item in news:
                # A copy, because a receiver may unsubscribe itself or others while it is called.
                for receiver in tuple(receivers.get(item.job_id, ())):
                    receiver(item)
        if self._owners:
            self._owners.tell(news)

    async def subscribe(self, job_id: str, receiver: Receiver) -> None:
        self._receivers.setdefault(job_id, []).append(receiver)

    def unsubscribe(self, job_id: str, receiver: Receiver) -> None:
        receivers = self._receivers.get(job_id, [])
        if receiver in receivers:
            receivers.remove(receiver)
        if not receivers:
            self._receivers.pop(job_id, None)

    async def subscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        self._owners.add(owner, receiver)

    def unsubscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        self._owners.remove(owner, receiver)

    async def close(self) -> None:
        self._receivers.clear()
        self._owners.clear()
