"""What jobs cost, over HTTP: what is expected is told before and with the 202, what was paid with the job; there are limits."""

from __future__ import annotations

import math
import sqlite3
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.job import new_id
from snapasset.records.costs import Charge
from snapasset.records.endings import Fail
from snapasset.records.files import FileRow
from snapasset.records.steps import FinishStep, StartStep
from snapasset.storage import Storage
from tests.contracts.record_jobs import FAULT
from tests.server.described import Described
from tests.server.service import ADMIN, ALICE, BOB, GOOD, opened, settings_for
from tests.worker.processors.pictures import Painter
from worker.images.pool import PixelPool
from worker.images.render import Renderer
from worker.masters import Masters
from worker.providers import ImageProvider
from worker.providers.sketch import SketchProvider

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


# --- asked beforehand


async def ask(service: Service, kind: str = "image-generation", body: Any = GOOD, who: Any = ALICE) -> Any:
    """What a job would cost, held against what the document says of the answer."""
    answer = await post(service, f"{kind}/estimate", body, who)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    assert "set-cookie" not in answer.headers
    described = Described((await service.http.get("/openapi.json")).json())
    return described.body(f"/api/jobs/{kind}/estimate", "post", 200, answer.text)


def priced(usd: float | None, set_aside: int = 0) -> dict[str, Any]:
    return {"estimatedCost": usd, "currency": "USD", "credits": set_aside, "refusal": None}


async def everything(service: Service) -> dict[str, int]:
    """How many rows each table has."""
    with closing(sqlite3.connect(service.state["settings"].data_dir / "snapasset.db")) as record:
        names = [name for (name,) in record.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {name: record.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


@pytest.mark.parametrize("price", [DOLLAR // 4, 0, None])
async def test_what_a_job_would_cost_is_told_before_it_is_sent(tmp_path: Path, price: int | None) -> None:
    async with shop(tmp_path, price) as service:
        told = await ask(service)
        assert told == priced(0.25 if price else price)
        assert (await post(service)).json()["estimatedCost"] == told["estimatedCost"]
        assert await ask(service, "noop", {}) == priced(0)


async def test_sketches_are_free(tmp_path: Path) -> None:
    tools: dict[type, object] = {
        ImageProvider: SketchProvider(PixelPool(1)),
        Storage: None,
        Renderer: None,
        Masters: None,
    }
    async with opened(settings_for(tmp_path, spend_cap_usd=0, credits_per_picture=2), tools=tools) as service:
        assert await ask(service) == priced(0)
        assert (await post(service)).json()["estimatedCost"] == 0


async def test_asking_makes_nothing_however_often(tmp_path: Path) -> None:
    async with shop(tmp_path, live_jobs_per_owner=1, spend_cap_owner_usd=0.3) as service:
        before = await everything(service)
        assert "jobs" in before
        for who in (ALICE, {**ALICE, "idempotency-key": "once", "prefer": "wait=5"}, {}):
            for _ in range(3):
                assert await ask(service, who=who) == priced(0.25)
        assert await everything(service) == before
        assert (await post(service)).status_code == 202


async def test_it_says_why_the_job_would_be_refused_in_the_same_words(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_owner_usd=0.6, credits_per_picture=2, live_jobs_per_owner=3) as service:
        client = service.state["client"]
        owner = (await service.http.get("/api/usage", headers=ALICE)).json()["owner"]
        for gift, code in ((0, "not_enough_credits"), (10, None), (0, None), (0, "spend_cap_reached")):
            if gift:
                await client.grant(owner, gift, "a gift")
            told, answer = await ask(service), (await post(service)).json()
            assert {**told, "refusal": None} == priced(0.25, 2)
            said = {"code": code, "message": answer.get("detail"), "retryable": answer.get("retryable")}
            assert told["refusal"] == (said if code else None)
            assert code == answer.get("code")
        assert (await ask(service, "noop", {}))["refusal"] is None
        await post(service, "noop", {})
        assert (await ask(service, "noop", {}))["refusal"]["code"] == "too_many_jobs"
        assert (await ask(service, who=BOB))["refusal"]["code"] == "not_enough_credits"


async def test_what_is_put_off_is_asked_about_for_that_day(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_owner_usd=0.3) as service:
        assert (await post(service)).status_code == 202
        later = {**GOOD, "options": {"delay": 86_400}}
        assert [(await ask(service, body=body))["refusal"] is None for body in (GOOD, later)] == [False, True]


async def test_what_is_there_already_would_cost_nothing(tmp_path: Path) -> None:
    again = {**GOOD, "reuse": True}
    async with shop(tmp_path) as service:
        assert await ask(service, body=again) == priced(0.25)
        await service.submit(body=again)
        job, job_type = await service.claim(), service.state["catalogue"].get("image-generation")
        assert job_type.likeness is not None
        likeness = job_type.likeness(job_type.args.model_validate_json(job.data), Till())
        file = FileRow(new_id(), "master", "master", "key", "image/png", 5, 20, 10)
        database = service.state["database"]
        await database.write(StartStep(job.id, job.fence, "generate", paid=True, progress=10))
        await database.write(FinishStep(job.id, job.fence, "generate", "{}", 40, (file,), "{}", likeness=likeness))
        assert await ask(service, body=again) == priced(0)
        assert (await post(service, body=again)).json()["estimatedCost"] == 0
        assert await ask(service) == await ask(service, body=again, who=BOB) == priced(0.25)


async def test_who_may_not_send_it_may_not_ask(tmp_path: Path) -> None:
    async with shop(tmp_path) as service:
        for kind, who in (("guarded", ALICE), ("image-generation", {"authorization": "Bearer nobody's"})):
            answers = [await post(service, asked, {}, who) for asked in (kind, f"{kind}/estimate")]
            assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(401, "missing_user")] * 2
        assert await ask(service, "guarded", {}, ADMIN) == priced(0)
        answer = await post(service, "image-generation/estimate", who={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403


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
