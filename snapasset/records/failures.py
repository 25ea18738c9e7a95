"""Failures of late that say something of whoever makes the pictures, whichever process met them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snapasset.database import Read, Statement
from snapasset.records.placeholders import marks

if TYPE_CHECKING:
    from snapasset.database import Steps

_LATE_MS: Final = 120_000
_NEXT: Final = 100
"""Of the jobs that wait for their time, so many of the next are looked at: thousands may be put off."""

_BY_PROVIDER: Final = """error LIKE '%"code": "provider_%'"""


@dataclass(frozen=True, slots=True)
class ProviderFailedAt(Read["int | None"]):
    """When a job of `kinds` last failed by its provider, or is to be tried again for that; None: not within two minutes."""

    kinds: tuple[str, ...]

    def steps(self) -> Steps[int | None]:
        ((ended, delayed),) = yield Statement(
            "SELECT (SELECT max(finished_at) FROM jobs "
            f"WHERE kind IN ({marks(len(self.kinds), 3)}) AND status = 'failed' AND finished_at > now_ms() - $1 "
            f"AND {_BY_PROVIDER}), "
            "(SELECT max(updated_at) FROM (SELECT error, updated_at FROM jobs WHERE status = 'delayed' "
            f"ORDER BY due_at LIMIT $2) AS next WHERE updated_at > now_ms() - $1 AND {_BY_PROVIDER})",
            (_LATE_MS, _NEXT, *self.kinds),
        )
        return max((at for at in (ended, delayed) if at is not None), default=None)
