"""How news of jobs reaches whoever watches them in this process: the contract, one adapter a file beside it.

The feed only carries news. It may lose any of it: the record has every event, and who finds a hole in the seqs reads it
there. What it may not do is reorder the events of one job from one process, or keep a caller waiting.

Who watches all jobs of an owner hears no events, only that there may be some: their order, which is one for all the jobs,
is the record's to say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snapasset.event import News, Tick

Receiver = Callable[["News"], None]
"""Called on the event loop with each piece of news; must be quick and must not raise."""

OwnerReceiver = Callable[["Tick | None"], None]
"""Called with each tick of an owner's jobs, and with None when the record may have events of theirs that were not there
before; must be quick and must not raise."""


class Feed(ABC):
    """A carrier of news between the processes of one system, or within one."""

    @abstractmethod
    def publish(self, news: Sequence[News]) -> None:
        """Send news on its way, in order; returns at once and never raises."""

    @abstractmethod
    async def subscribe(self, job_id: str, receiver: Receiver) -> None:
        """Have `receiver` called with the job's news. When this returns, news published from now on arrives."""

    @abstractmethod
    def unsubscribe(self, job_id: str, receiver: Receiver) -> None:
        """Stop it; does nothing when it was not subscribed."""

    @abstractmethod
    async def subscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        """Have `receiver` told of all jobs of an owner. When this returns, it hears of what is published from now on."""

    @abstractmethod
    def unsubscribe_owner(self, owner: str, receiver: OwnerReceiver) -> None:
        """Stop it; does nothing when it was not subscribed."""

    @abstractmethod
    async def close(self) -> None:
        """Drop all receivers."""
