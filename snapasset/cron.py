"""When a schedule fires: crontab(5) in a time zone, to the minute. All times are ms since the epoch.

Around a change of clocks it does as Debian's cron does: a job of a fixed hour that falls into the skipped hour fires right
after it, and one that would come twice fires once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from snapasset.errors import InvalidInput

_FIELDS: Final = 5
"""`cronsim` takes a sixth one, for seconds; a reconciler that looks once a second could not keep it."""


def next_fire(cron: str, zone: str, after: int) -> int:
    """The first time later than `after` at which `cron` fires in `zone`.

    Raises `InvalidInput` that names `cron` or `zone` when it is malformed, unknown, or never comes.
    """
    try:
        moment = datetime.fromtimestamp(after / 1000, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(fields={"zone": "is no time zone that is known here, as Europe/Berlin is one"}) from None
    malformed = InvalidInput(
        fields={"cron": "must be five fields as in crontab(5), of a time that comes, for example 0 2 * * *"}
    )
    if len(cron.split()) != _FIELDS:
        raise malformed
    try:
        times = (round(fire.astimezone(UTC).timestamp() * 1000) for fire in CronSim(cron, moment))
        # In an hour that the clock shows twice, the first to come may be one of its first showing.
        fire_at = next((time for time in times if time > after), None)
    except CronSimError:
        raise malformed from None
    if fire_at is None:
        raise InvalidInput(fields={"cron": "never comes"})
    return fire_at
