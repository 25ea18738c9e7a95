"""A job as the record holds it. Depends on nothing."""

from __future__ import annotations

import os
import threading
import time
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple


class Status(StrEnum):
    """Where a job stands. `active` with `cancel_requested` is the state of being cancelled."""

    WAITING = "waiting"
    DELAYED = "delayed"
    BLOCKED = "blocked"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class Priority(IntEnum):
    """The named priorities; any whole number from -10 to 10 is one, the higher runs first."""

    CRITICAL = 10
    HIGH = 5
    NORMAL = 0
    LOW = -5


class Job(NamedTuple):
    """One row of `jobs`, in the order of `records.jobs.COLUMNS`.

    A NamedTuple, not a dataclass: one is made from a row at every transition, and this is four times cheaper.
    Times are milliseconds since the epoch by the database's clock; `progress` is 0 to 100; `data`, `result` and
    `error` are JSON texts in the wire's own spelling. `fence` rises whenever the right to work on the job changes
    hands; whoever holds an older one is refused. `run` counts the starts a user asked for, `attempt` those within it.
    `depends_on` is the JSON list of the jobs that must complete first, `dependants` counts the jobs that wait for this
    one; a job that was not begun by `expires_at` fails. `estimate` is what it is expected to cost, in millionths of a US
    dollar: 0 when nothing, None when nobody knows; `cost` is a JSON text of what it has cost by now, None when nothing; `credits` is how many
    credits of its owner's a run takes that pays.
    """

    id: str
    kind: str
    queue: str
    owner: str
    status: str
    priority: int
    data: str
    result: str | None
    error: str | None
    generation_id: str | None
    run: int
    attempt: int
    attempts: int
    fence: int
    beat: int
    seq: int
    step: str | None
    progress: float
    cancel_requested: int
    worker_id: str | None
    created_at: int
    due_at: int | None
    started_at: int | None
    finished_at: int | None
    updated_at: int
    depends_on: str | None = None
    dependants: int = 0
    expires_at: int | None = None
    estimate: int | None = None
    cost: str | None = None
    credits: int = 0

    @property
    def ended(self) -> bool:
        return self.status in ENDED


_RANDOM_BITS: Final = 62
_lock = threading.Lock()
_last: tuple[int, int] = (0, 0)


def new_id() -> str:
    """A fresh UUID version 7 (RFC 9562, 5.7) with 62 random bits; later ids of one process sort after earlier ones.

    Sorted ids keep the record's indexes compact, and break ties between jobs accepted in the same millisecond.
    """
    global _last  # noqa: PLW0603  the monotonic counter of RFC 9562, 6.2 is one per process
    millis = time.time_ns() // 1_000_000
    with _lock:
        last_millis, last_counter = _last
        if millis <= last_millis:
            millis, counter = last_millis, last_counter + 1
            if counter > 0xFFF:
                millis, counter = millis + 1, 0
        else:
            counter = 0
        _last = (millis, counter)
    tail = int.from_bytes(os.urandom(8)) >> (64 - _RANDOM_BITS)
    digits = f"{millis << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | tail:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
