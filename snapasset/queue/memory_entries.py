"""What a `MemoryQueue` holds: one entry a job, each on one shelf, and agendas of what time will bring.

Nothing here awaits, so each change is one step of the event loop and no other coroutine sees half of it. An entry on a
shelf (ready, scheduled, active) is incomplete; one on none is being aborted or has ended.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from saq.job import TERMINAL_STATUSES, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_TIDY_MIN: Final = 64
"""Size up to which what is void may lie about."""

_CLOCK_STEP: Final = 60.0
"""Seconds by which the wall and the monotonic clock may differ about an age. Beyond it somebody set the wall clock, and
a running job is not stuck because of that. Below it the wall clock decides, as in every SAQ queue."""


class Stamp(NamedTuple):
    """An instant in ms since the epoch, and where it lies on the monotonic clock."""

    wall: int
    monotonic: float

    def age(self, wall: float, monotonic: float) -> float:
        """Seconds since, by the wall clock unless that was set in between."""
        by_wall = wall - self.wall / 1000
        by_monotonic = monotonic - self.monotonic
        return by_wall if abs(by_wall - by_monotonic) <= _CLOCK_STEP else by_monotonic


_NEVER: Final = Stamp(0, 0.0)


@dataclass(slots=True, eq=False)
class Entry:
    """One job: its serialised record, and beside it what decides who may change it and when it is stuck."""

    key: str
    generation: int
    """Numbers each acceptance of a key: a handle from an earlier life of the same key is stale."""
    payload: str | bytes = b""
    status: Status = Status.QUEUED
    shelf: OrderedDict[str, Entry] | None = None
    turn: int = 0
    """Changes with every move, which voids the agenda lines written before."""
    claim: int | None = None
    """The number of the dequeue that holds it; what an earlier dequeue says is stale."""
    attempts: int = 0
    worker_id: str | None = None
    timeout: float = 0
    heartbeat: float = 0
    started: Stamp = _NEVER
    touched: Stamp = _NEVER
    due: float = 0.0
    swept: bool = False
    """The abort under way was asked for by sweep, which may put the job back."""

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL_STATUSES

    def is_stuck(self, wall: float, monotonic: float) -> bool:
        """Whether it ran, or was silent, for longer than it may."""
        return bool(
            (self.timeout and self.started.age(wall, monotonic) > self.timeout)
            or (self.heartbeat and self.touched.age(wall, monotonic) > self.heartbeat)
        )


class Agenda:
    """Entries by the time something falls due for them."""

    def __init__(self) -> None:
        self._lines: list[tuple[float, int, Entry]] = []
        self._tidy_at = _TIDY_MIN

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, when: float, entry: Entry) -> None:
        """Note `entry` as it stands now; its next move voids the line."""
        heapq.heappush(self._lines, (when, entry.turn, entry))
        if len(self._lines) > self._tidy_at:
            self._lines = [line for line in self._lines if line[1] == line[2].turn]
            heapq.heapify(self._lines)
            self._tidy_at = max(_TIDY_MIN, 2 * len(self._lines))

    def due(self, now: float) -> Iterator[Entry]:
        """Take what is due, earliest first."""
        while self._lines and self._lines[0][0] <= now:
            yield from self.first()

    def first(self) -> Iterator[Entry]:
        """Take the earliest line; nothing comes when it is void."""
        _, turn, entry = heapq.heappop(self._lines)
        if turn == entry.turn:
            yield entry


class Entries:
    """All entries, their shelves and their agendas."""

    def __init__(self, wall: Callable[[], float], monotonic: Callable[[], float], max_ended: int) -> None:
        self.wall = wall
        self.monotonic = monotonic
        self.by_key: dict[str, Entry] = {}
        self.ready: OrderedDict[str, Entry] = OrderedDict()
        self.scheduled: OrderedDict[str, Entry] = OrderedDict()
        self.active: OrderedDict[str, Entry] = OrderedDict()
        self.held: dict[str, Entry] = {}
        """By key, what some dequeue holds: the active ones, and those that are being aborted."""
        self._max_ended = max_ended
        self._numbers = count(1)
        self._by_wall = Agenda()
        self._by_monotonic = Agenda()
        self._endings = Agenda()
        self._aborting: dict[str, float] = {}
        self._tidy_at = _TIDY_MIN
        self._locks: dict[str, float] = {}

    def get(self, key: str) -> Entry | None:
        """The entry of `key`, unless it has expired."""
        self.expire()
        return self.by_key.get(key)

    def taken(self, key: str) -> bool:
        """Whether `key` is incomplete or lately asked to abort, so that it may not be enqueued."""
        entry = self.get(key)
        incomplete = entry is not None and entry.shelf is not None
        return incomplete or self._aborting.get(key, 0.0) > self.monotonic()

    @property
    def incomplete(self) -> int:
        return len(self.ready) + len(self.scheduled) + len(self.active)

    def stuck(self) -> list[Entry]:
        wall, monotonic = self.wall(), self.monotonic()
        return [entry for entry in self.held.values() if entry.is_stuck(wall, monotonic)]

    def stamp(self, at: int, known: Stamp = _NEVER) -> Stamp:
        """`at` (ms since the epoch) placed on both clocks; `known` when that is the same instant."""
        if at == known.wall:
            return known
        return Stamp(at, self.monotonic() - (self.wall() - at / 1000))

    def new(self, key: str) -> Entry:
        """An entry for a new life of `key`; nobody sees it before `accept`."""
        return Entry(key, next(self._numbers))

    def accept(self, entry: Entry) -> None:
        """Let `entry` take the place of an earlier life of its key, which has ended or is given up."""
        former = self.by_key.get(entry.key)
        if former is not None:
            self._place(former, None, held=False)
        self.by_key[entry.key] = entry

    def bring_back(self, entry: Entry) -> bool:
        """Know `entry` again, though it may have been forgotten at its end; False when its key has a new life."""
        return self.by_key.setdefault(entry.key, entry) is entry

    def make_ready(self, entry: Entry) -> None:
        """Put at the end of those that wait for a worker."""
        self._aborting.pop(entry.key, None)
        entry.swept = False
        self._place(entry, self.ready, held=False)

    def put_off(self, entry: Entry, until: float) -> None:
        """Make ready at `until` (seconds since the epoch), by the wall clock."""
        self._place(entry, self.scheduled, held=False)
        entry.due = until
        self._by_wall.add(until, entry)

    def put_off_for(self, entry: Entry, seconds: float) -> None:
        """Make ready in so many seconds, even if the wall clock is set back meanwhile."""
        self._aborting.pop(entry.key, None)
        entry.swept = False
        self.put_off(entry, self.wall() + seconds)
        self._by_monotonic.add(self.monotonic() + seconds, entry)

    def promote(self) -> list[Entry]:
        """Make ready whatever is due; return it, earliest first."""
        promoted: list[Entry] = []
        for agenda, now in ((self._by_wall, self.wall()), (self._by_monotonic, self.monotonic())):
            for entry in agenda.due(now):
                self._place(entry, self.ready, held=False)
                promoted.append(entry)
        return promoted

    def hand_out(self, entry: Entry) -> None:
        """Mark as taken by the dequeue that calls this; any earlier claim is void."""
        self._place(entry, self.active, held=True)
        entry.claim = next(self._numbers)
        entry.status = Status.ACTIVE
        entry.started = entry.touched = self.stamp(int(self.wall() * 1000))

    def set_aside(self, entry: Entry, ttl: float) -> None:
        """Ask the holder to abort: no longer incomplete, its key refused for `ttl` seconds."""
        entry.status = Status.ABORTING
        entry.swept = False
        self._place(entry, None, held=True)
        self.refuse_for(entry.key, ttl)

    def refuse_for(self, key: str, ttl: float) -> None:
        """Refuse to enqueue `key` for `ttl` seconds."""
        self._aborting[key] = self.monotonic() + ttl
        if len(self._aborting) > self._tidy_at:
            self.tidy()

    def allow(self, key: str) -> None:
        self._aborting.pop(key, None)

    def end(self, entry: Entry, status: Status, ttl: float) -> None:
        """Take off its shelf and keep for `ttl` seconds: 0 means for ever, below 0 not at all."""
        entry.status = status
        self._place(entry, None, held=False)
        if ttl < 0:
            self.by_key.pop(entry.key, None)
        elif ttl > 0:
            self._endings.add(self.monotonic() + ttl, entry)

    def expire(self) -> None:
        """Forget ended entries whose time is over, and the first to go where there are too many."""
        for entry in self._endings.due(self.monotonic()):
            self.by_key.pop(entry.key, None)
        while len(self._endings) > self._max_ended:
            for entry in self._endings.first():
                self.by_key.pop(entry.key, None)

    def tidy(self) -> None:
        """Forget everything that has expired."""
        self.expire()
        now = self.monotonic()
        self._aborting = {key: until for key, until in self._aborting.items() if until > now}
        self._tidy_at = max(_TIDY_MIN, 2 * len(self._aborting))

    def lock(self, name: str, seconds: float) -> bool:
        """Take the lock of this name for so many seconds; False while it is taken. The wall clock has no say."""
        now = self.monotonic()
        if self._locks.get(name, now) > now:
            return False
        self._locks[name] = now + seconds
        return True

    def _place(self, entry: Entry, shelf: OrderedDict[str, Entry] | None, *, held: bool) -> None:
        if entry.shelf is not None:
            del entry.shelf[entry.key]
        if shelf is not None:
            shelf[entry.key] = entry
        entry.shelf = shelf
        entry.turn = next(self._numbers)
        if held:
            self.held[entry.key] = entry
        elif entry.claim is not None:
            entry.claim = None
            del self.held[entry.key]
