"""One Idempotency-Key makes one job, however often the request arrives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.service import ALICE, BOB, GOOD, Service

if TYPE_CHECKING:
    import httpx

KEY = {"idempotency-key": "order-4711"}


async def post(
    service: Service, body: Any = GOOD, *, kind: str = "image-generation", headers: dict[str, str] | None = None
) -> httpx.Response:
    return await service.http.post(f"/api/jobs/{kind}", json=body, headers={**ALICE, **KEY, **(headers or {})})


async def jobs(service: Service, who: dict[str, str] = ALICE) -> list[Any]:
    return (await service.http.get("/api/jobs", headers=who)).json()["jobs"]


async def test_the_same_request_again_gets_the_same_answer_and_makes_nothing(service: Service) -> None:
    first, again = await post(service), await post(service)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert first.headers["location"] == again.headers["location"]
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await jobs(service)) == 1


async def test_the_answer_is_the_same_when_the_job_has_ended_meanwhile(service: Service) -> None:
    first = await post(service)
    await service.run(first.json()["jobId"], {"images": []})
    assert (await post(service)).json() == first.json()


async def test_spaces_and_the_order_of_names_ask_for_nothing(service: Service) -> None:
    first = await post(service)
    turned = b'{ "platforms" : ["instagram-post"],\n "prompt": "a lighthouse at dusk" }'
    headers = {**ALICE, **KEY, "content-type": "application/json"}
    again = await service.http.post("/api/jobs/image-generation", content=turned, headers=headers)
    assert again.json() == first.json()


async def test_a_body_nested_as_deep_as_can_be_is_refused_like_any_other(service: Service) -> None:
    for depth in (*range(200, 900, 50), *range(900, 1010)):
        body = '{"prompt": "x", "platforms": ["open-graph"], "z": ' + "[" * depth + "]" * depth + "}"
        headers = {**ALICE, **KEY, "content-type": "application/json"}
        answer = await service.http.post("/api/jobs/image-generation", content=body, headers=headers)
        assert answer.status_code in {400, 422}, (depth, answer.text)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("image-generation", {**GOOD, "prompt": "another"}),
        ("image-generation", {**GOOD, "options": {"priority": -1}}),
        ("noop", {}),
    ],
)
async def test_the_key_with_another_request_is_refused(service: Service, kind: str, body: Any) -> None:
    await post(service)
    answer = await post(service, body, kind=kind)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert len(await jobs(service)) == 1


async def test_fifty_at_once_make_one_job(service: Service) -> None:
    answers = await asyncio.gather(*(post(service) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len(await jobs(service)) == 1


async def test_a_key_belongs_to_its_owner(service: Service) -> None:
    mine, theirs = await post(service), await post(service, headers=BOB)
    assert mine.json()["jobId"] != theirs.json()["jobId"]
    assert (len(await jobs(service)), len(await jobs(service, BOB))) == (1, 1)


async def test_a_refused_request_leaves_its_key_free(service: Service) -> None:
    assert (await post(service, {"prompt": ""})).status_code == 422
    assert (await post(service)).status_code == 202


async def test_a_key_without_an_identity_is_refused(service: Service) -> None:
    answer = await service.http.post("/api/jobs/image-generation", json=GOOD, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("key", ["", "two words", "a" * 256, "sch\xf6n"])
async def test_a_malformed_key_is_named(service: Service, key: str) -> None:
    answer = await post(service, headers={"idempotency-key": key.encode("latin-1")})  # pyright: ignore[reportArgumentType]
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "idempotency-key"
