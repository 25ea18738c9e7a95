"""What the rules of the record's state machine stand on: the record under test beside its model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine

from tests.contracts.record_backends import Clock
from tests.contracts.record_model import Model
from tests.contracts.record_view import Wipe

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from snapasset.database import Database, Read, Write
    from snapasset.errors import SnapAssetError
    from snapasset.event import Event
    from snapasset.job import Job
    from snapasset.records.schedules import ScheduleRow
    from snapasset.records.upkeep import HeldJob
    from tests.contracts.record_backends import Record
    from tests.contracts.record_model_jobs import ModelJob
    from tests.contracts.record_view import Stored

T = TypeVar("T")

OWNERS = ("anna", "ben")
MOST_JOBS = 8
"""More of them would only keep the rules from meeting the same job twice."""

numbers = st.integers(0, 99)


def choose(n: int, likely: Sequence[T], all_: Sequence[T]) -> T:
    """One of `likely`, two times out of three, if there are any."""
    pool = likely if likely and n % 3 else all_
    return pool[n // 3 % len(pool)]


@dataclass(eq=False)
class Grip:
    """What an executor knows of a job that it claimed. It may be long out of date."""

    job_id: str
    fence: int
    run: int
    done: dict[str, str]
    started: set[str] = field(default_factory=set[str])


class World:
    """The record under test, and an event loop to talk to it."""

    def __init__(self, runner: asyncio.Runner, record: Record, database: Database) -> None:
        self.runner = runner
        self.record = record
        self.database = database
        self.heard: list[Event] = []
        database.listen(self.heard.extend)

    def write(self, change: Write[T]) -> T:
        return self.runner.run(self.database.write(change))

    def read(self, question: Read[T]) -> T:
        return self.runner.run(self.database.read(question))


class Machine(RuleBasedStateMachine):
    """The record and its model, side by side.

    The rules are few and have choices in them, because hypothesis leaves whole rules out of its sequences.
    """

    world: World

    def __init__(self) -> None:
        super().__init__()
        world = self.world
        self.model = Model()
        self.model.now = world.record.clock.now = Clock().now  # what a schedule does depends on the time of day
        self.grips: list[Grip] = []
        self.watched: list[HeldJob] = []
        self.seen_due: list[ScheduleRow] = []
        self.before: Stored | None = None
        self.bodies: dict[str, list[dict[str, Any]]] = {}
        world.write(Wipe())
        world.heard.clear()

    def refused(self, change: Write[Any], error: type[SnapAssetError]) -> None:
        with pytest.raises(error):
            self.world.write(change)

    def same(self, answer: Job | None, expected: ModelJob | None) -> None:
        assert (answer and answer.id) == (expected and expected.id)

    def some_job(self, n: int, *likely: str) -> ModelJob:
        jobs = list(self.model.jobs.values())
        return choose(n, [job for job in jobs if job.status in likely], jobs)

    def some_grip(self, n: int) -> tuple[Grip, ModelJob | None]:
        """An executor, and the job if it still holds it."""
        grip = choose(n, [grip for grip in self.grips if self.model.held(grip.job_id, grip.fence)], self.grips)
        return grip, self.model.held(grip.job_id, grip.fence)

    def has_room(self) -> bool:
        return len(self.model.jobs) < MOST_JOBS
