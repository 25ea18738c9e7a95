"""Schedules in the record's state machine: made, changed, removed, and fired by whoever has seen that they are due."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import rule

from snapasset.records.schedules import DueSchedules, FireSchedule, PutSchedule, RemoveSchedule
from tests.contracts.record_backends import Do
from tests.contracts.record_machine import OWNERS, Machine, choose, numbers
from tests.contracts.record_model_jobs import ModelJob
from tests.contracts.record_model_schedules import PERIODS
from tests.contracts.record_view import KINDS, QUEUES

IDS = ("sweep", "greet")


class ScheduleRules(Machine):
    @rule(
        what=st.sampled_from(["put", "put", "look", "fire", "fire", "fire", "remove", "set back"]),
        id_=st.sampled_from(IDS),
        cron=st.sampled_from(sorted(PERIODS)),
        n=numbers,
    )
    def schedule(self, what: str, id_: str, cron: str, n: int) -> None:
        schedules = self.model.schedules
        if what == "put":
            schedules.put(id_, cron, self.model.now)
            self.world.write(PutSchedule(id_, OWNERS[0], KINDS[0], QUEUES[0], "{}", -5, 2, cron, "UTC"))
        elif what == "remove":
            assert self.world.write(RemoveSchedule(id_)) == schedules.remove(id_)
        elif what == "set back":
            self.set_back(id_)
        elif what == "look" or not self.seen_due:
            due = self.world.read(DueSchedules())
            assert [row.id for row in due] == schedules.due(self.model.now)
            self.seen_due += due
        elif self.has_room():
            self.fire(n)

    def fire(self, n: int) -> None:
        """As one of several processes: what it saw may be long out of date."""
        rows, now = self.model.schedules.rows, self.model.now
        current = [seen for seen in self.seen_due if seen.id in rows and rows[seen.id].next_run == seen.next_run]
        seen = choose(n, current, self.seen_due)
        begins = self.model.schedules.fire(seen.id, seen.cron, seen.next_run, now)
        answer = self.world.write(FireSchedule(seen))
        assert (answer is not None) == begins
        if answer is not None:
            assert (answer.kind, answer.queue, answer.owner) == (KINDS[0], QUEUES[0], OWNERS[0])
            job = ModelJob(answer.id, answer.kind, answer.queue, answer.owner, -5, 2, now, None)
            self.model.submit(job)

    def set_back(self, id_: str) -> None:
        """By hand, to the time at which it fired last."""
        row = self.model.schedules.rows.get(id_)
        if row is not None and row.last_run is not None:
            row.next_run = row.last_run
        self.world.write(Do("UPDATE schedules SET next_run = last_run WHERE id = $1 AND last_run IS NOT NULL", (id_,)))
