"""Who watches all jobs of an owner in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.event import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from snapasset.event import News, Tick
    from snapasset.feed import OwnerReceiver


class OwnerWatches:
    """The receivers of each owner. False when there are none."""

    def __init__(self) -> None:
        self._receivers: dict[str, list[OwnerReceiver]] = {}

    def __bool__(self) -> bool:
        return bool(self._receivers)

    def add(self, owner: str, receiver: OwnerReceiver) -> None:
        self._receivers.setdefault(owner, []).append(receiver)

    def remove(self, owner: str, receiver: OwnerReceiver) -> bool:
        """Whether that was the owner's last."""
        receivers = self._receivers.get(owner)
        if receivers is None or receiver not in receivers:
            return False
        receivers.remove(receiver)
        if receivers:
            return False
        del self._receivers[owner]
        return True

    def clear(self) -> None:
        self._receivers.clear()

    def tell(self, news: Iterable[News]) -> None:
        """Tell each owner's of ticks, and once that there are events."""
        hinted: set[str] = set()
        for item in news:
            owner = item.owner
            if owner not in self._receivers:
                continue
            if not isinstance(item, Event):
                self.hint(owner, item)
            elif owner not in hinted:
                hinted.add(owner)
                self.hint(owner)

    def hint(self, owner: str, tick: Tick | None = None) -> None:
        """Tell one owner's; they may leave while they are told."""
        for receiver in tuple(self._receivers.get(owner, ())):
            receiver(tick)
