"""GET /api/usage tells each caller their own; an admin gives credits, and a job takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.records.costs import Charge
from snapasset.records.endings import Fail
from snapasset.records.steps import FinishStep, StartStep
from tests.contracts.record_jobs import FAULT
from tests.server.described import Described
from tests.server.service import ADMIN, ALICE, BOB, Service, settings_for
from tests.server.test_costs import post, shop

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from snapasset.job import Job

NOTHING = {"usd": 0, "calls": 0, "pictures": 0, "doubtfulCalls": 0, "unpricedCalls": 0}


NOBODIES = (
    "",
    "session:0f3c",
    "user:ann",
    "admin",
    "system",
    "nobody",
    f"session:{'a' * 64}\n",
    f"session:{'A' * 64}",
    "a" * 999,
)
"""Names that nobody can have who asks for pictures."""


async def usage(service: Service, who: dict[str, str] = ALICE) -> Any:
    answer = await service.http.get("/api/usage", headers=who)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    described = Described((await service.http.get("/openapi.json")).json())
    return described.body("/api/usage", "get", 200, answer.text)


async def give(service: Service, who: Any = ADMIN, **changes: Any) -> httpx.Response:
    gift = {"owner": (await usage(service))["owner"], "credits": 5, "name": "order-1", **changes}
    return await service.http.post("/api/usage/credits", json=gift, headers=who)


async def make(service: Service, charge: Charge | None) -> Job:
    """A job of Alice's whose call was charged, or, without a charge, lost."""
    await service.submit()
    job = await service.claim()
    database = service.state["database"]
    await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=10))
    if charge is None:
        await database.write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0, doubtful=True))
    else:
        await database.write(FinishStep(job.id, job.fence, "generate", "{}", 40, charge=charge))
        await service.complete(job)
    return job


def sums(used: Any) -> Any:
    return {name: value for name, value in used.items() if name != "since"}


async def test_each_sees_what_was_their_own(tmp_path: Path) -> None:
    async with shop(tmp_path) as service:
        for charge in (Charge(micro_usd=30_100), Charge(), None):
            await make(service, charge)
        told = await usage(service)
        expected = {"usd": 0.0301, "calls": 3, "pictures": 2, "doubtfulCalls": 1, "unpricedCalls": 1}
        assert [sums(told[period]) for period in ("today", "month", "total")] == [expected] * 3
        assert told["month"]["since"].endswith("-01T00:00:00.000Z")
        assert told["month"]["since"] <= told["today"]["since"] < told["limit"]["resetsAt"]
        assert told["total"]["since"] is None
        assert (told["limit"]["dailyUsd"], told["limit"]["leftUsd"], told["credits"]) == (None, None, None)
        for who in (BOB, {}):
            assert sums((await usage(service, who))["total"]) == NOTHING


async def test_what_is_left_of_the_day_is_told(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_owner_usd=1.0) as service:
        await make(service, Charge(micro_usd=100_000))
        assert (await post(service)).status_code == 202
        limit = (await usage(service))["limit"]
        assert (limit["dailyUsd"], limit["leftUsd"]) == (1, 0.65)


async def test_credits_are_given_once_taken_by_jobs_and_told(tmp_path: Path) -> None:
    async with shop(tmp_path, credits_per_picture=2) as service:
        described = Described((await service.http.get("/openapi.json")).json())
        assert (await usage(service))["credits"] == {"left": 0, "perPicture": 2}
        refused = described.body("/api/jobs/image-generation", "post", 402, (await post(service)).text)
        assert (refused["code"], refused["retryable"]) == ("not_enough_credits", False)
        for _ in range(2):
            answer = await give(service)
            assert described.body("/api/usage/credits", "post", 200, answer.text)["creditsLeft"] == 5
        job = await make(service, Charge())
        assert (await usage(service))["credits"]["left"] == 3
        await make(service, None)
        assert (await usage(service))["credits"]["left"] == 3
        assert job.credits == 2
        assert (await post(service)).status_code == 202
        assert (await post(service)).status_code == 402
        assert (await post(service, "noop", {})).status_code == 202
        assert (await post(service, who=ADMIN)).status_code == 202


async def test_where_pictures_are_free_no_credits_are_taken(tmp_path: Path) -> None:
    async with shop(tmp_path, 0, credits_per_picture=2) as service:
        assert (await post(service)).status_code == 202


async def test_only_admins_give_and_only_what_makes_sense(tmp_path: Path) -> None:
    async with shop(tmp_path, credits_per_picture=1) as service:
        for who in (ALICE, {}):
            assert (await give(service, who)).status_code == 401
        assert (await give(service)).status_code == 200
        assert (await give(service, credits=6)).status_code == 409
        answer = await give(service, credits=-6, name="back")
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
        assert "which is 5 credits" in answer.json()["detail"]
        for wrong in (
            {"credits": 0, "name": "nothing"},
            {"credits": 1.5},
            {"name": ""},
            {"more": 1},
            *({"owner": owner} for owner in NOBODIES),
        ):
            assert (await give(service, **wrong)).status_code == 422
        user = "user:0f8fad5b-d9cb-469f-a165-70867728950e"
        assert (await give(service, owner=user, name="order-2")).json()["owner"] == user
        assert (await usage(service))["credits"]["left"] == 5


@pytest.mark.parametrize("name", ["spend_cap_usd", "spend_cap_owner_usd", "credits_per_picture"])
def test_no_limit_is_below_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings_for(tmp_path, **{name: -1})
