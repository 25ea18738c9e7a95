"""What an owner has used: calls and dollars of this day, this month and in all, and what may still be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from snapasset.database import Read, Statement
from snapasset.records.credits import credits_of
from snapasset.records.spending import DAY_MS, promised_to

if TYPE_CHECKING:
    from snapasset.database import Steps


class Used(NamedTuple):
    """What was used from `since` (ms since the epoch) on.

    `pictures` are the calls that brought one, `doubtful` those of which nobody knows, `unpriced` those that did not say enough to tell
    how much they cost; `micro_usd` is the sum of what is known.
    """

    since: int
    calls: int
    pictures: int
    doubtful: int
    unpriced: int
    micro_usd: int


class Usage(NamedTuple):
    """`spoken_for`: what counts against today's limit, in millionths of a US dollar: spent, in doubt, or promised to jobs."""

    today: Used
    month: Used
    total: Used
    spoken_for: int
    credits: int
    resets_at: int


@dataclass(frozen=True, slots=True)
class GetUsage(Read[Usage]):
    """What one owner has used; days and months are those of UTC."""

    owner: str

    def steps(self) -> Steps[Usage]:
        ((now,),) = yield Statement("SELECT now_ms()")
        day = now // DAY_MS * DAY_MS
        month = datetime.fromtimestamp(day / 1000, UTC).replace(day=1)
        return Usage(
            today=(yield from self._since(day)),
            month=(yield from self._since(round(month.timestamp() * 1000))),
            total=(yield from self._since(0)),
            spoken_for=(yield from promised_to(self.owner)),
            credits=(yield from credits_of(self.owner)),
            resets_at=day + DAY_MS,
        )

    def _since(self, since: int) -> Steps[Used]:
        (row,) = yield Statement(
            "SELECT count(*), count(CASE WHEN state = 'charged' THEN 1 END), count(CASE WHEN state = 'doubtful' THEN 1 END), "
            "count(CASE WHEN state = 'charged' AND micro_usd IS NULL THEN 1 END), "
            "CAST(coalesce(sum(micro_usd), 0) AS bigint) FROM costs WHERE owner = $1 AND at >= $2",
            (self.owner, since),
        )
        return Used(since, *row)
