"""Queues in the record's state machine: paused, resumed and limited at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import hypothesis.strategies as st
from hypothesis.stateful import rule

from snapasset.records.queues import LimitQueue, PauseQueue, ResumeQueue
from tests.contracts.record_machine import Machine, choose, numbers
from tests.contracts.record_view import QUEUES

if TYPE_CHECKING:
    from tests.contracts.record_model_queues import Rate

bounds = st.sampled_from([None, None, 1, 2])
rates = st.sampled_from([None, (1, 2000), (2, 60_000)])


class QueueRules(Machine):
    @rule(
        what=st.sampled_from(["pause", "resume", "resume", "limit", "limit", "free"]),
        queue=numbers,
        concurrency=bounds,
        rate=rates,
    )
    def manage(self, what: str, queue: int, concurrency: int | None, rate: Rate | None) -> None:
        name = choose(queue, QUEUES[:1], QUEUES)
        mine = self.model.queues[name]
        if what in ("pause", "resume"):
            mine.paused = what == "pause"
            self.world.write(PauseQueue(name) if mine.paused else ResumeQueue(name))
        elif what == "free":
            self.limit(name, None, None)
        else:
            self.limit(name, concurrency, rate)

    def limit(self, name: str, concurrency: int | None, rate: Rate | None) -> None:
        self.model.queues[name].limit(concurrency, rate)
        self.world.write(LimitQueue(name, concurrency, *(rate or (None, None))))
