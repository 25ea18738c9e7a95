"""A job as plain Python, and what is told of it; `record_model.py` has the changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

LEVEL_MS = 60_000
"""Waiting this long is worth one level of priority."""

DOUBT = "doubt"
LOST: dict[str, Any] = {"code": "worker_lost", "retryable": True}


class Told(NamedTuple):
    """What of an event the model foretells; `detail` is a step's state, an error, a result."""

    type: str
    run: int
    attempt: int
    status: str
    step: str | None
    progress: float
    cancelling: bool
    detail: Any


@dataclass
class ModelStep:
    paid: bool
    state: str = "started"
    output: str | None = None
    doubts: int = 0
    fence: int = 0


@dataclass
class ModelJob:
    id: str
    kind: str
    queue: str
    owner: str
    priority: int
    attempts: int
    ready_at: int
    """When it became ready or will: with the priority, this is its place among those that wait."""
    due_at: int | None
    parents: tuple[str, ...] = ()
    ttl: int | None = None
    status: str = "waiting"
    run: int = 1
    attempt: int = 0
    begun: bool = False
    unbegun: bool = False
    """It is held and has not begun: it is to run alone."""
    fence: int = 0
    beat: int = 0
    step: str | None = None
    progress: float = 0.0
    cancelling: bool = False
    worker: str | None = None
    result: str | None = None
    error: str | None = None
    expires_at: int | None = None
    steps: dict[tuple[int, str], ModelStep] = field(default_factory=dict[tuple[int, str], ModelStep])
    told: list[Told] = field(default_factory=list[Told])
    costs: dict[tuple[int, str, int], int | str | None] = field(
        default_factory=dict[tuple[int, str, int], int | str | None]
    )
    """By run, step and fence: what a call cost, None when it did not say, `DOUBT` when nobody knows whether it was charged."""

    @property
    def ended(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    @property
    def place(self) -> tuple[bool, int, str]:
        return self.priority < 10, self.ready_at - self.priority * LEVEL_MS, self.id

    def tell(self, type_: str, detail: Any = None) -> None:
        self.told.append(
            Told(type_, self.run, self.attempt, self.status, self.step, self.progress, self.cancelling, detail)
        )

    def done(self) -> dict[str, str | None]:
        """The outputs of finished steps, of the newest run where several have one."""
        return {name: step.output for (_, name), step in sorted(self.steps.items()) if step.state == "done"}

    def under_way(self) -> list[ModelStep]:
        return [step for (run, _), step in self.steps.items() if run == self.run and step.state == "started"]

    def doubt_paid_calls(self) -> None:
        for (run, name), step in self.steps.items():
            if run == self.run and step.state == "started" and step.paid:
                step.state, step.doubts = "doubtful", step.doubts + 1
                self.costs.setdefault((run, name, step.fence), DOUBT)

    def pay(self, run: int, name: str, fence: int, micro_usd: int | None) -> None:
        if self.costs.get((run, name, fence), DOUBT) == DOUBT:
            self.costs[run, name, fence] = micro_usd

    def cost(self) -> dict[str, float] | None:
        """What it has come to by now, as it is told."""
        if not self.costs:
            return None
        known = list(self.costs.values())
        return {
            "usd": sum(one for one in known if isinstance(one, int)) / 1_000_000,
            "calls": len(known),
            "doubtfulCalls": known.count(DOUBT),
            "unpricedCalls": known.count(None),
        }

    def leave(self, status: str) -> None:
        """Its executor has it no longer."""
        self.status, self.worker = status, None

    def fail_unstarted(self, code: str) -> None:
        """It ends without an executor."""
        self.status, self.error, self.due_at = "failed", code, None
        self.fence += 1
        self.tell("final", ("error", code))
