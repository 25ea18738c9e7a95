"""Queues that are paused or limited, as plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field

Rate = tuple[int, int]
"""How many claims, within how many ms."""


@dataclass
class ModelQueue:
    paused: bool = False
    concurrency: int | None = None
    rate: Rate | None = None
    claims: list[int] = field(default_factory=list[int])
    """When it was claimed from, as far as its rate has looked."""

    def room(self, active: int, now: int) -> int | None:
        """How many may be claimed; None: any number."""
        bounds: list[int] = [] if self.concurrency is None else [self.concurrency - active]
        if self.rate is not None:
            most, window = self.rate
            bounds.append(most - sum(at > now - window for at in self.claims))
        return 0 if self.paused else max(0, min(bounds)) if bounds else None

    def count(self, now: int) -> None:
        if self.rate is not None:
            self.claims = [at for at in self.claims if at > now - self.rate[1]] + [now]

    def limit(self, concurrency: int | None, rate: Rate | None) -> None:
        self.concurrency, self.rate = concurrency, rate
        if rate is None:
            self.claims = []
