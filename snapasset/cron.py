"""When a schedule fires: crontab(5) in a time zone, to the minute. All times are ms since the epoch.

Around a change of clocks it does as Debian's cron does: a job of a fixed hour that falls into the skipped hour fires right
after it, and one that would come twice fires once.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from snapasset.errors import InvalidInput


def next_fire(cron: str, zone: str, after: int) -> int:
    """The first time later than `after` at which `cron` fires in `zone`.

    Raises `InvalidInput` that names `cron` or `zone` when it is malformed, unknown, or never comes.
    """
    try:
        moment = datetime.fromtimestamp(after / 1000, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInput(fields={"zone": "is no time zone that is known here, as Europe/Berlin is one"}) from None
    try:
        fire = next(CronSim(cron, moment))
    except CronSimError:
        raise InvalidInput(fields={"cron": "must be five fields as in crontab(5), for example 0 2 * * *"}) from None
    except StopIteration:
        raise InvalidInput(fields={"cron": "never comes"}) from None
    return round(fire.astimezone(UTC).timestamp() * 1000)
