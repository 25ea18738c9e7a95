"""What the caller has used and may still use, in dollars and in credits; and how an admin gives credits."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from server.auth import identify_admin, identify_or_nobody
from server.body import read_object, validate
from snapasset.event import iso
from snapasset.job_type import Wire
from snapasset.records.costs import usd
from snapasset.records.usage import GetUsage

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State
    from snapasset.records.usage import Usage, Used
    from snapasset.settings import Settings

log = logging.getLogger(__name__)

_OWNER = r"^(session:[0-9a-f]{64}|user:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$"


def _some(number: int) -> int:
    if number == 0:
        raise PydanticCustomError("nothing", "must not be 0")
    return number


class Gift(Wire):
    """Credits for an owner, once for each `name` of the giver's choice; `credits` below 0 takes some away, of what is left.

    `owner` is one that can submit jobs, spelt as `GET /api/usage` tells it: credits for any other name would be nobody's.
    """

    owner: Annotated[str, Field(pattern=_OWNER, max_length=80)]
    credits: Annotated[
        int,
        Field(ge=-1_000_000_000, le=1_000_000_000, json_schema_extra={"not": {"const": 0}}),
        AfterValidator(_some),
    ]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]


async def look(request: Request[State]) -> Response:
    """GET /api/usage: the caller's; without an identity there is none."""
    identity = await identify_or_nobody(request)
    usage = await request.state["database"].read(GetUsage(identity.owner))
    return _answer(_told(identity.owner, usage, request.state["settings"]))


async def give(request: Request[State]) -> Response:
    """POST /api/usage/credits, for admins: how many the owner has left then. Sent again, it gives nothing more."""
    await identify_admin(request)
    gift = validate(Gift, await read_object(request))
    left = await request.state["client"].grant(gift.owner, gift.credits, gift.name)
    log.info("an admin has given credits", extra={"owner": gift.owner, "credits": gift.credits, "gift": gift.name})
    return _answer({"owner": gift.owner, "creditsLeft": left})


def _answer(body: dict[str, Any]) -> Response:
    return Response(json.dumps(body), headers={"cache-control": "no-store"}, media_type="application/json")


def _told(owner: str, usage: Usage, settings: Settings) -> dict[str, Any]:
    caps, each = settings.spend_caps, settings.credits_per_picture
    cap = None if caps is None else caps.owner
    return {
        "owner": owner,
        "today": _used(usage.today),
        "month": _used(usage.month),
        "total": {**_used(usage.total), "since": None},
        "limit": {
            "dailyUsd": None if cap is None else usd(cap),
            "leftUsd": None if cap is None else usd(max(0, cap - usage.spoken_for)),
            "resetsAt": iso(usage.resets_at),
        },
        "credits": {"left": usage.credits, "perPicture": each} if each else None,
    }


def _used(used: Used) -> dict[str, Any]:
    return {
        "since": iso(used.since),
        "usd": usd(used.micro_usd),
        "calls": used.calls,
        "pictures": used.pictures,
        "doubtfulCalls": used.doubtful,
        "unpricedCalls": used.unpriced,
    }
