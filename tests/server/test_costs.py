"""What jobs cost, over HTTP: what is expected is told with the 202, what was paid with the job; what may be spent has limits."""

from __future__ import annotations

import math
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from snapasset.records.costs import Charge
from snapasset.records.endings import Fail
from snapasset.records.steps import FinishStep, StartStep
from snapasset.storage import Storage
from tests.contracts.record_jobs import FAULT
from tests.server.described import Described
from tests.server.service import ALICE, BOB, GOOD, opened, settings_for
from tests.worker.processors.pictures import Painter
from worker.images.render import Renderer
from worker.masters import Masters
from worker.providers import ImageProvider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import httpx

    from snapasset.job import Job
    from tests.server.service import Service
    from worker.providers import ImageRequest

DOLLAR = 1_000_000
NONE = {"usd": 0, "calls": 0, "doubtfulCalls": 0, "unpricedCalls": 0}


class Till(Painter):
    """A provider whose pictures are expected to cost a quarter of a dollar."""

    price: int | None = DOLLAR // 4

    def estimate(self, request: ImageRequest) -> int | None:
        assert request.width
        return self.price


@asynccontextmanager
async def shop(folder: Path, price: int | None = DOLLAR // 4, **settings: Any) -> AsyncGenerator[Service]:
    till = Till()
    till.price = price
    tools: dict[type, object] = {ImageProvider: till, Storage: None, Renderer: None, Masters: None}
    async with opened(settings_for(folder, **settings), tools=tools) as service:
        yield service


async def post(service: Service, kind: str = "image-generation", body: Any = GOOD, who: Any = ALICE) -> httpx.Response:
    return await service.http.post(f"/api/jobs/{kind}", json=body, headers=who)


async def pay(service: Service, job: Job, micro_usd: int | None = DOLLAR // 10) -> None:
    database = service.state["database"]
    await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=10))
    charge = Charge("till", "till-1", micro_usd=micro_usd)
    await database.write(FinishStep(job.id, job.fence, "generate", "{}", 40, charge=charge))


async def test_what_a_job_is_expected_to_cost_is_told_with_it(tmp_path: Path) -> None:
    async with shop(tmp_path) as service:
        answer = (await post(service)).json()
        assert answer["estimatedCost"] == 0.25
        job = await service.job(answer["jobId"])
        assert (job["estimatedCost"], job["cost"]) == (0.25, NONE)
        assert (await post(service, "noop", {})).json()["estimatedCost"] == 0
        listed = (await service.http.get("/api/jobs", headers=ALICE)).json()["jobs"]
        assert [one["estimatedCost"] for one in listed] == [0, 0.25]


async def test_what_nobody_knows_is_null_and_what_is_free_is_nothing(tmp_path: Path) -> None:
    for price, told in ((None, None), (0, 0)):
        async with shop(tmp_path / str(price), price) as service:
            assert (await post(service)).json()["estimatedCost"] == told


async def test_a_job_says_what_it_has_cost_and_so_do_its_events(tmp_path: Path) -> None:
    async with shop(tmp_path) as service:
        described = Described((await service.http.get("/openapi.json")).json())
        job_id = await service.submit()
        job = await service.claim()
        await pay(service, job)
        await service.complete(job)
        paid = {"usd": 0.1, "calls": 1, "doubtfulCalls": 0, "unpricedCalls": 0}
        assert (await service.job(job_id))["cost"] == paid
        events = (await service.get(f"/api/jobs/{job_id}/timeline"))["events"]
        assert [event["cost"] for event in events if "cost" in event] == [paid, paid]
        for event in events:
            described.check_as("TimelineEvent", event)


async def test_the_same_request_sent_again_is_told_the_same(tmp_path: Path) -> None:
    async with shop(tmp_path) as service:
        headers = {**ALICE, "idempotency-key": "once"}
        answers = [(await post(service, who=headers)).json() for _ in range(2)]
        assert [answer["estimatedCost"] for answer in answers] == [0.25, 0.25]


# --- limits


async def test_what_would_cost_more_than_is_left_is_refused_until_tomorrow(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_owner_usd=0.6) as service:
        described = Described((await service.http.get("/openapi.json")).json())
        for _ in range(2):
            assert (await post(service)).status_code == 202
        before = time.time()
        answer = await post(service)
        body = described.body("/api/jobs/image-generation", "post", 429, answer.text)
        assert (body["code"], body["retryable"]) == ("spend_cap_reached", True)
        left = int(answer.headers["retry-after"])
        midnight = math.ceil(before / 86_400) * 86_400
        assert before + left - 60 < midnight <= time.time() + left + 1
        assert time.strftime("%Y-%m-%dT00:00:00", time.gmtime(midnight)) in body["detail"]
        assert (await post(service, who=BOB)).status_code == 202
        assert (await post(service, "noop", {})).status_code == 202


async def test_a_batch_that_costs_too_much_is_refused_whole(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_usd=0.6) as service:
        wanted = {"kind": "image-generation", "data": GOOD}
        assert (await service.batch(wanted, wanted, wanted)).json()["code"] == "spend_cap_reached"
        assert (await service.batch(wanted, wanted)).status_code == 202


async def test_pictures_that_are_free_are_made_whatever_may_be_spent(tmp_path: Path) -> None:
    async with shop(tmp_path, 0, spend_cap_usd=0) as service:
        assert (await post(service)).status_code == 202


async def test_what_has_no_price_is_refused_where_there_is_a_limit(tmp_path: Path) -> None:
    async with shop(tmp_path, None, spend_cap_usd=100) as service:
        assert (await post(service)).json()["code"] == "spend_cap_reached"


# --- another run


async def lost_one(service: Service) -> str:
    """A job that has failed before anything was paid for."""
    job_id = await service.submit()
    job = await service.claim()
    await service.state["database"].write(Fail(job.id, job.fence, FAULT, retryable=False, delay_ms=0))
    return job_id


async def retry(service: Service, job_id: str, status: int) -> Any:
    answer = await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    assert answer.status_code == status, answer.text
    described = Described((await service.http.get("/openapi.json")).json())
    return described.body("/api/jobs/{jobId}/retry", "post", status, answer.text), answer.headers


async def test_another_run_is_refused_as_another_job_would_be(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_owner_usd=0.3) as service:
        job_id = await lost_one(service)
        other = (await post(service)).json()["jobId"]
        body, headers = await retry(service, job_id, 429)
        assert (body["code"], body["retryable"], int(headers["retry-after"]) > 0) == ("spend_cap_reached", True, True)
        assert body["detail"] == (await post(service)).json()["detail"]
        assert (await service.http.delete(f"/api/jobs/{other}", headers=ALICE)).status_code == 200
        assert (await retry(service, job_id, 202))[0]["status"] == "waiting"


async def test_another_run_takes_credits_as_another_job_would(tmp_path: Path) -> None:
    async with shop(tmp_path, credits_per_picture=2) as service:
        owner = (await service.http.get("/api/usage", headers=ALICE)).json()["owner"]
        await service.state["client"].grant(owner, 3, "a gift")
        job_id = await lost_one(service)
        assert (await post(service)).status_code == 202
        body, _ = await retry(service, job_id, 402)
        assert (body["code"], body["detail"]) == ("not_enough_credits", (await post(service)).json()["detail"])
        await service.state["client"].grant(owner, 1, "one more")
        await retry(service, job_id, 202)


async def test_a_picture_for_another_day_is_asked_about_for_that_day(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_owner_usd=0.3) as service:
        later = {**GOOD, "options": {"delay": 86_400}}
        assert (await post(service, body=later)).status_code == 202
        assert (await post(service)).status_code == 202
        for body in (later, GOOD):
            assert (await post(service, body=body)).json()["code"] == "spend_cap_reached"
