"""The heart of a process with many attempts: each beats as often as the others, and never all of them in one moment."""

from __future__ import annotations

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from snapasset.records.claims import Beat
from snapasset.settings import Settings
from tests.worker.engine import wait_until
from worker.heart import Heart

if TYPE_CHECKING:
    from collections.abc import Collection

    from snapasset.database import Database, Write
    from worker.attempt import Attempt

MANY = 200


class Beaten:
    """Counts the beats of each job, and how many came in one turn of the loop."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()
        self.at_once = 0
        self.most_at_once = 0
        self.there = asyncio.Event()
        self.there.set()

    async def write(self, change: Write[Any]) -> bool | None:
        if not isinstance(change, Beat):
            return None
        self.of[change.job_id] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        await self.there.wait()
        return False

    async def until(self, jobs: Collection[str], times: int) -> None:
        await wait_until(lambda: all(self.of[job] >= times for job in jobs))


class Running(SimpleNamespace):
    """What the heart asks of an attempt."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def learn(self, _cancelling: bool | None) -> None: ...


def attempts(count: int) -> list[Attempt]:
    return [
        cast("Attempt", Running(job=SimpleNamespace(id=str(number), fence=1, progress=0.0), context=None))
        for number in range(count)
    ]


def heart(beaten: Beaten, working: Collection[Attempt], beat_seconds: float) -> Heart:
    def sign() -> Any:
        return SimpleNamespace(id="w")

    settings = Settings(beat_seconds=beat_seconds, presence_seconds=60)
    return Heart(cast("Database", beaten), sign, lambda: working, settings)


async def test_those_that_began_together_do_not_beat_together() -> None:
    beaten, working = Beaten(), attempts(MANY)
    ours = heart(beaten, working, beat_seconds=0.4)
    await ours.start()
    await beaten.until([one.job.id for one in working], 3)
    await ours.stop()
    assert beaten.most_at_once < MANY / 2
    assert max(beaten.of.values()) <= 3 + 2


async def test_one_that_is_new_beats_within_the_pause_and_one_that_has_ended_no_more() -> None:
    beaten, working = Beaten(), attempts(2)
    first, second = (one.job.id for one in working)
    now = working[:1]
    ours = heart(beaten, now, beat_seconds=0.05)
    await ours.start()
    await beaten.until([first], 2)
    now[:] = working[1:]
    await beaten.until([second], 2)
    beats = beaten.of[first]
    await beaten.until([second], 4)
    await ours.stop()
    assert beaten.of[first] <= beats + 1


async def test_after_a_record_that_did_not_answer_all_beat_at_once() -> None:
    """Nobody's silence lasts longer than that of the record."""
    beaten, working = Beaten(), attempts(20)
    jobs = [one.job.id for one in working]
    ours = heart(beaten, working, beat_seconds=0.2)
    await ours.start()
    await beaten.until(jobs, 1)
    beaten.there.clear()
    await asyncio.sleep(0.5)  # all are due meanwhile
    before = Counter(beaten.of)
    beaten.most_at_once = 0
    beaten.there.set()
    await beaten.until(jobs, max(before.values()) + 1)
    await ours.stop()
    assert beaten.most_at_once >= len(jobs) / 2
