"""What the caller has used, and may still use."""

from __future__ import annotations

from server.answers.words import Count, Dollars, Time
from snapasset.job_type import Wire


class Used(Wire):
    """The calls to whoever makes the pictures that were paid for, or may have been, from `since` on; null: ever.

    `pictures`: those that brought one. `doubtfulCalls`: those of which nobody knows. `unpricedCalls`: those that were charged and did not
    say enough to tell how much. `usd` is the sum of what is known.
    """

    since: Time | None
    usd: Dollars
    calls: Count
    pictures: Count
    doubtful_calls: Count
    unpriced_calls: Count


class DailyLimit(Wire):
    """What the caller may spend on a day; null where there is no limit. `leftUsd`: less what is promised to jobs, too."""

    daily_usd: Dollars | None
    left_usd: Dollars | None
    resets_at: Time


class Credits(Wire):
    """What a job takes whose picture is paid for, and what is left; what jobs have set aside is not in it."""

    left: int
    per_picture: Count


class Usage(Wire):
    """What the caller has used, in days and months of UTC. `owner` is what an admin knows the caller by; no secret.

    `credits` is null where there are none.
    """

    owner: str
    today: Used
    month: Used
    total: Used
    limit: DailyLimit
    credits: Credits | None


class CreditsLeft(Wire):
    """What an owner has left after a gift."""

    owner: str
    credits_left: int
