"""Hundreds of readers of some jobs, many of whom are cut off all the time, and what each of them must have seen.

Each reader does what an EventSource does: it comes back with the last id that it has, at whichever server lives; now and
then one comes as a page does that was loaded anew, without an id. Some are never cut by the test: the witnesses, who
lose their connection only when their server goes. Every frame is judged as it comes; at the end all is held against the
record.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.faults.patience import HEALS, within
from tests.faults.reading import Reading

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncGenerator, Callable, Sequence

    from tests.flows.process import Server

CUTS_A_SECOND: Final = 60

_RELOADS: Final = 0.15
"""Of those who were cut, how many come back as a page that was loaded anew."""

_PAUSES: Final = (0.02, 0.2)
"""Between how many seconds a reader waits before it comes back when nobody was there, or the stream has ended."""

_SHOWN: Final = 5
"""Most complaints that one reader says aloud; all are counted."""


class Snapshot(NamedTuple):
    """What a fresh reader was told of a job at first."""

    seq: int
    status: str
    run: int
    attempt: int


class Watched:
    """One job, and what its readers together have seen of it."""

    def __init__(self, job_id: str, headers: dict[str, str], runs: int = 1) -> None:
        """`headers` are those of its owner; `runs`: how many it will have had when all is over."""
        self.job_id = job_id
        self.headers = headers
        self.runs = runs
        self.told: dict[int, bytes] = {}
        self.snapshots: set[Snapshot] = set()
        self._finals = 0
        self._news = asyncio.Event()

    def note(self, seq: int, data: bytes, *, final: bool) -> bool:
        """Whether every reader was told the same by this seq."""
        if (known := self.told.get(seq)) is not None:
            return known == data
        self.told[seq] = data
        self._finals += final
        self._news.set()
        return True

    async def reached(self, events: int, finals: int = 0) -> None:
        """Wait until somebody has been told of so many events and finals."""
        while len(self.told) < events or self._finals < finals:
            self._news.clear()
            await self._news.wait()


class Follower:
    """One reader of one job, over all its connections."""

    def __init__(self, watched: Watched, dice: random.Random, tally: Counter[str], *, steady: bool) -> None:
        self.watched = watched
        self.steady = steady
        self.reading: Reading | None = None
        self.complaints: list[str] = []
        self.joined = False
        self.ended = False
        self._dice = dice
        self._tally = tally
        self._asks_for_all = steady or dice.random() < 0.5
        self._last = ""
        self._seen: int | None = 0 if self._asks_for_all else None
        self._final_run = 0
        self._place: tuple[int, int, float] = (0, 0, 0.0)
        """Run, attempt and progress, as told last."""

    @property
    def cuttable(self) -> bool:
        return not self.steady and self.reading is not None and not self.reading.doomed

    def cut(self) -> None:
        """Take its connection away, at any byte."""
        assert self.reading is not None
        way = self._dice.random()
        if way < 0.2:
            self.reading.abort()
        elif way < 0.4:
            self.reading.close()
        else:
            self.reading.cut_next(self._dice.random())
        if self._dice.random() < _RELOADS:
            self._tally["reloads"] += 1
            self._asks_for_all, self._last, self._seen, self._final_run = False, "", None, 0
            self._place = (0, 0, 0.0)
            self.reading.abort()  # nothing that still comes is of this page

    async def follow(self, servers: Callable[[], Sequence[Server]]) -> None:
        """Read until the server says that all is told, whatever becomes of it meanwhile."""
        while True:
            there = servers()
            status, whole = await self._read(self._dice.choice(there).port) if there else (0, False)
            if status == 204:
                self.ended = self._final_run == self.watched.runs
                if self.ended:
                    return
                self._assert(self._final_run > 0, "was stopped before the end")
            elif status not in (0, 200):
                self._complain("refused", f"got the status {status}, which ends an EventSource for good")
                self.ended = True
                return
            if whole or not status:
                await asyncio.sleep(self._dice.uniform(*_PAUSES))

    async def _read(self, port: int) -> tuple[int, bool]:
        """One connection, from its beginning to its end; its status and whether it ended in good order."""
        query = "?after=0" if self._asks_for_all else ""
        path = f"/api/jobs/{self.watched.job_id}/events{query}"
        headers = {**self.watched.headers, **({"last-event-id": self._last} if self._last else {})}
        reading = Reading(path, headers, self._hear)
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().create_connection(lambda: reading, "127.0.0.1", port)
            self.reading = reading
            try:
                await reading.over()
            finally:
                self.reading = None
                reading.abort()
        self._tally["connections"] += bool(reading.status)
        return reading.status, reading.whole

    # What it must see

    def _hear(self, ident: bytes, data: bytes) -> None:
        body = _parsed(data)
        if body["type"] == "connected":
            self._begin(ident.decode(), body)
        elif body.get("tick"):
            self._assert(not ident, "got a tick with an id")
            self._assert(self._final_run < body["run"], "got a tick after the final")
            self._go_to(body)
            self._tally["ticks"] += 1
        else:
            self._take(ident.decode(), data, body)

    def _begin(self, ident: str, body: dict[str, Any]) -> None:
        """Either it goes on where it left off, or it gets a snapshot and goes on from there."""
        self.joined = True
        if self._last or self._asks_for_all:
            self._assert(not ident, "resumed, and got an id with it")
            self._assert(body.get("resumedAfter") == int(self._last or 0), f"resumed after {self._last} and got {body}")
            return
        self._tally["snapshots"] += 1
        seq = body["seq"]
        self.watched.snapshots.add(Snapshot(seq, body["status"], body["run"], body["attempt"]))
        self._assert(ident in (str(seq), ""), f"got a snapshot of {seq} with the id {ident}")
        self._last = ident
        self._seen = seq if ident else seq - 1  # of an ended job the final is still to come

    def _take(self, ident: str, data: bytes, body: dict[str, Any]) -> None:
        seq, final, seen = body["seq"], body["type"] == "final", self._seen
        self._tally["events"] += 1
        if seen is None:
            self._complain("unannounced", f"got event {seq} before any snapshot")
        elif seq > seen + 1:
            self._complain("missing", f"got event {seq} after {seen}", seq - seen - 1)
        elif seq <= seen:
            self._complain("doubled", f"got event {seq} after {seen}")
        self._assert(ident == str(seq), f"got event {seq} with the id {ident}")
        self._assert(self.watched.note(seq, data, final=final), f"was told otherwise of {seq}: {data!r}")
        self._assert(self._final_run < body["run"], f"got event {seq} after the final")
        self._go_to(body)
        self._last, self._seen = ident, seq
        if final:
            self._final_run = body["run"]

    def _go_to(self, body: dict[str, Any]) -> None:
        """Count the ticks that are older than what was told before them: no promise, for a tick has no seq."""
        progress = round(body["progress"], 1) if body["status"] == "active" else 0.0  # as ticks have it
        place = (body["run"], body["attempt"], progress)
        self._tally["stale ticks"] += "tick" in body and place < self._place
        self._place = place

    def _assert(self, right: bool, words: str) -> None:
        if not right:
            self._complain("other", words)

    def _complain(self, what: str, words: str, times: int = 1) -> None:
        self._tally[what] += times
        if len(self.complaints) < _SHOWN:
            self.complaints.append(f"{self.watched.job_id}: a {'witness' if self.steady else 'reader'} {words}")


class Crowd:
    """All readers of a case."""

    def __init__(self, dice: random.Random) -> None:
        self.followers: list[Follower] = []
        self.tally = Counter[str]()
        """How much was seen and done, and what was wrong by its kind."""
        self._dice = dice
        self._cut = asyncio.Event()

    def follow(self, watched: Watched, readers: int, witnesses: int) -> None:
        """Give a job so many readers, and so many more that the test will leave alone."""
        for steady, count in ((False, readers), (True, witnesses)):
            made = (Follower(watched, self._dice, self.tally, steady=steady) for _ in range(count))
            self.followers.extend(made)

    @asynccontextmanager
    async def reading(self, servers: Callable[[], Sequence[Server]]) -> AsyncGenerator[asyncio.TaskGroup]:
        """All of them read, and are cut; after the block, until each has seen all there is. Tasks of the test may join."""
        async with asyncio.TaskGroup() as tasks:
            cutting = tasks.create_task(self._cut_on())
            try:
                async with asyncio.TaskGroup() as reading:
                    for follower in self.followers:
                        reading.create_task(follower.follow(servers))
                    yield reading
                    await self._ended()
            finally:
                cutting.cancel()

    async def suffered(self, cuts: int) -> None:
        """Wait until so many more have been cut off."""
        until = self.tally["cuts"] + cuts
        while self.tally["cuts"] < until:
            self._cut.clear()
            await self._cut.wait()

    async def joined(self) -> bool:
        """Whether every reader has been told something."""
        return all(follower.joined for follower in self.followers)

    def complaints(self, events: dict[str, list[dict[str, Any]]]) -> list[str]:
        """What was wrong, by what they saw and by the record's `events` of each job, in order."""
        found = self._complaints()
        for watched in {follower.watched for follower in self.followers}:
            found += (f"{watched.job_id}: {words}" for words in _differences(watched, events[watched.job_id]))
        return found

    def _complaints(self) -> list[str]:
        found = [f"{self.tally[what]} {what}" for what in ("missing", "doubled") if self.tally[what]]
        return [*found, *(complaint for follower in self.followers for complaint in follower.complaints)]

    async def _ended(self) -> None:
        """Wait until every reader was told that there is no more, or sent away."""

        async def look() -> bool:
            return all(follower.ended for follower in self.followers)

        try:
            await within(2 * HEALS, look, "every reader has seen all there is")
        except AssertionError as late:
            raise AssertionError("\n".join([str(late), *self._complaints()])) from None

    async def _cut_on(self) -> None:
        """Cut them at an even pace: who cannot keep up is not spared."""
        due = time.monotonic()
        while True:
            due += 1 / CUTS_A_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if there := [follower for follower in self.followers if follower.cuttable]:
                self._dice.choice(there).cut()
                self.tally["cuts"] += 1
                self._cut.set()


def _differences(watched: Watched, events: list[dict[str, Any]]) -> list[str]:
    """What its readers were told otherwise than the record has it."""
    found: list[str] = []
    if (told := {seq: json.loads(data) for seq, data in watched.told.items()}) != {e["seq"]: e for e in events}:
        found.append(f"its readers were told {len(told)} events and the record has {len(events)}, or they differ")
    for seq, *rest in watched.snapshots:
        event = events[seq - 1]
        if rest != [event["status"], event["run"], event["attempt"]]:
            found.append(f"a snapshot said {rest} with the seq of {event}")
    return found


@lru_cache(maxsize=4096)
def _parsed(data: bytes) -> dict[str, Any]:
    """The body of a frame, made once for all who get the same."""
    return json.loads(data)
