"""What was used, and what an admin gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.openapi.building import answer, body, operation
from server.openapi.kinds import ref
from server.openapi.parts import ADMIN, ASKING, CHANGING, SOMEBODY, refusals

if TYPE_CHECKING:
    from server.openapi.building import Operation, Paths


def usage_operations() -> Paths:
    """Look at what was used; give credits."""
    return {"/api/usage": {"get": _look()}, "/api/usage/credits": {"post": _give()}}


def _look() -> Operation:
    return operation(
        "getUsage",
        "Usage",
        "What the caller has used, and may still use",
        {"200": answer("Of today, of this month, and in all.", ref("Usage")), **refusals(*ASKING)},
        security=SOMEBODY,
    )


def _give() -> Operation:
    gift = {"owner": "user:0f8fad5b-d9cb-469f-a165-70867728950e", "credits": 20, "name": "order-17"}
    return operation(
        "giveCredits",
        "Usage",
        "Give an owner credits, once for each name",
        {
            "200": answer("What the owner has left.", ref("CreditsLeft")),
            **refusals(*CHANGING, "body_too_large", "unsupported_media_type", "conflict"),
        },
        security=ADMIN,
        requestBody=body(ref("Gift"), gift),
    )
