"""What a URL's query asks for: filters, limits and cursors, each complaint naming its parameter."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from snapasset.errors import InvalidInput
from snapasset.job import Status
from snapasset.records.jobs import FindJobs

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.datastructures import QueryParams


JOBS_LIMIT: Final = 100
EVENTS_LIMIT: Final = 500
_DEFAULT_LIMIT: Final = 50
_MOST_VALUES: Final = 20
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
"""As many digits as every reader of JSON keeps exact."""

_CURSOR: Final = re.compile(r"([0-9]{1,15})\.([0-9a-f-]{36})")


def find_jobs(query: QueryParams, owner: str) -> tuple[FindJobs, int]:
    """What a list asks for, with room for one job more than its limit, which tells whether there is another page."""
    refuse_others(query, {"status", "kind", "createdAfter", "createdBefore", "limit", "cursor"})
    limit = whole_number(query, "limit", _DEFAULT_LIMIT, low=1, high=JOBS_LIMIT)
    statuses = names(query, "status")
    if unknown := [status for status in statuses if status not in set(Status)]:
        raise InvalidInput(fields={"status": f"{unknown[0][:40]!r} is none of {', '.join(Status)}"})
    asked = FindJobs(
        owner,
        statuses=statuses,
        kinds=names(query, "kind"),
        created_after=_time(query, "createdAfter"),
        created_before=_time(query, "createdBefore"),
        before=_read_cursor(query),
        limit=limit + 1,
    )
    return asked, limit


def page_of(query: QueryParams) -> tuple[tuple[int, str] | None, int]:
    """Where the page of a list without filters begins, and how much is on it."""
    refuse_others(query, {"limit", "cursor"})
    return _read_cursor(query), whole_number(query, "limit", _DEFAULT_LIMIT, low=1, high=JOBS_LIMIT)


def cursor_after(created_at: int, last_id: str) -> str:
    """Where a page ends: the cursor that asks for what is beyond its last one."""
    return base64.urlsafe_b64encode(f"{created_at}.{last_id}".encode()).decode().rstrip("=")


def events_range(query: QueryParams) -> tuple[int, int]:
    """After which seq, and how many events at most, a timeline asks for."""
    refuse_others(query, {"after", "limit"})
    after = whole_number(query, "after", 0, low=0, high=10**15 - 1)
    return after, whole_number(query, "limit", EVENTS_LIMIT, low=1, high=EVENTS_LIMIT)


def whole_number(query: QueryParams, name: str, default: int, *, low: int, high: int) -> int:
    """A parameter that is a whole number from `low` to `high`."""
    text = query.get(name)
    if text is None:
        return default
    if not _NUMBER.fullmatch(text) or not low <= int(text) <= high:
        raise InvalidInput(fields={name: f"must be a whole number from {low} to {high}"})
    return int(text)


def flag(query: QueryParams, name: str) -> bool:
    """A parameter that is `true` or `false`, which it is when it is missing."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise InvalidInput(fields={name: "must be true or false"})
    return text == "true"


def refuse_others(query: QueryParams, known: Collection[str]) -> None:
    """Refuse a query with parameters that are not known."""
    # A filter that is misspelt and ignored would show what was to be left out.
    if unknown := [name for name in query if name not in known]:
        raise InvalidInput(fields={name[:100]: "is not a parameter of this address" for name in unknown[:20]})


def names(query: QueryParams, name: str) -> tuple[str, ...]:
    """A parameter that takes several words, repeated or with commas between."""
    values = [value for text in query.getlist(name) for value in text.split(",") if value]
    if len(values) > _MOST_VALUES:
        raise InvalidInput(fields={name: f"takes at most {_MOST_VALUES} values"})
    return tuple(values)


def _time(query: QueryParams, name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(fields={name: "must be a time as in 2026-01-31T12:00:00Z"})
    return round(moment.timestamp() * 1000)


def _read_cursor(query: QueryParams) -> tuple[int, str] | None:
    text = query.get("cursor")
    if text is None:
        return None
    try:
        place = base64.b64decode(text[:200] + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        place = ""
    match = _CURSOR.fullmatch(place)
    if match is None:
        raise InvalidInput(fields={"cursor": "must be a nextCursor of this list"})
    return int(match[1]), match[2]
