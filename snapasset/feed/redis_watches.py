"""The jobs that somebody in this process watches, and what has been told of each.

Invariant: what others say about a job is only a reason to look into the record; events come from there, or from this
process itself, and of each job each is told once. So whoever owns Redis can make nobody hear of an event that never was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from snapasset.event import Event, Tick
from snapasset.records.events import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snapasset.event import News
    from snapasset.feed import Receiver


class Watch:
    """One watched job."""

    __slots__ = ("_ahead", "_high", "_look", "_lost", "_low", "_tick", "_told", "looking", "receivers")

    def __init__(self) -> None:
        self.receivers: list[Receiver] = []
        self.looking = False
        """Whether its turn to have the record read has come, or will."""
        self._told: int | None = None  # all up to here was told, or was there before anybody came to watch
        self._ahead: set[int] = set()  # told beyond it, after a hole
        self._low = self._high = 0  # what others say there is; 0 and 0: nothing
        self._lost = False  # whether something may have been said that could not be heard
        self._tick: Tick | None = None
        self._look: Look | None = None  # what is being looked for

    @property
    def behind(self) -> bool:
        """Whether the record has to be looked into."""
        return self._lost or self._high > 0

    def hear(self, low: int, high: int) -> None:
        """Somebody says that the record has events from `low` to `high`."""
        if self._told is None or high > self._told:
            self._low = min(low, self._low or low)
            self._high = max(high, self._high)
            self._tick = None

    def hear_tick(self, tick: Tick) -> None:
        """Tell a tick of others once all that was said before it has been told."""
        if self.behind or self.looking:
            self._tick = tick
        else:
            self.tell(tick)

    def hear_nothing(self) -> None:
        """Somebody may have said something that could not be heard."""
        self._lost = True

    def missing(self, job_id: str, limit: int) -> Missing | None:
        """What to look for now, at most `limit` events, and what is heard from now on is new; None: nothing any more."""
        if self._look is None:
            if not self.behind:
                return None
            after = self._told if self._told is not None else 0 if self._lost else self._low - 1
            self._look = Look(after, None if self._lost else self._high)
            self._low = self._high = 0
            self._lost = False
        return self._look.missing(job_id, limit)

    def found(self, page: Sequence[Event]) -> None:
        """What was there of what was `missing`."""
        self.tell_stored(page)
        if self._look is not None and not self._look.goes_on(page):
            self._look = None

    def tell(self, news: News) -> None:
        """Tell all watchers; they may leave while they are told."""
        for receiver in tuple(self.receivers):
            receiver(news)

    def tell_own(self, news: News) -> None:
        """Tell what this very process has done."""
        if isinstance(news, Event):
            self._note(news.seq)
        self.tell(news)

    def tell_stored(self, events: Iterable[Event]) -> None:
        """Tell what the record has, in order, but for what was told already."""
        for event in events:
            if (self._told is None or event.seq > self._told) and event.seq not in self._ahead:
                self._note(event.seq)
                self.tell(event)

    def tell_tick(self) -> None:
        """Tell the tick that had to wait, if there is one."""
        held, self._tick = self._tick, None
        if held is not None:
            self.tell(held)

    def _note(self, seq: int) -> None:
        if self._told is None:
            self._told = seq
        elif seq > self._told:
            self._ahead.add(seq)
            while self._told + 1 in self._ahead:
                self._told += 1
                self._ahead.discard(self._told)


class Look:
    """One way through the record, page by page."""

    __slots__ = ("_up_to", "after")

    def __init__(self, after: int, up_to: int | None) -> None:
        """`up_to`: the last seq that is looked for; None for all there is."""
        self.after = after
        self._up_to = up_to

    def missing(self, job_id: str, limit: int) -> Missing:
        """The next page: a job's seqs have no holes, so this many events are in it, if the record has them."""
        most = self.after + limit
        return Missing(job_id, self.after, most if self._up_to is None else min(most, self._up_to))

    def goes_on(self, page: Sequence[Event]) -> bool:
        """Whether there may be another page after this one."""
        if not page:
            return False
        self.after = page[-1].seq
        return self._up_to is None or self.after < self._up_to
