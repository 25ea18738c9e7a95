"""Many jobs at once: all are taken or none is, whatever is wrong and wherever in the batch it stands."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from snapasset.job import new_id
from snapasset.records.jobs import CountByQueue
from snapasset.settings import Settings
from tests.server.service import ADMIN, ALICE, BOB, GOOD, opened, settings_for

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.server.service import Service

KEY = {**ALICE, "idempotency-key": "order-4711"}


def image(ref: str | None = None, *parents: str, **changes: Any) -> dict[str, Any]:
    """One good job of a batch, named `ref`, that depends on `parents`."""
    item: dict[str, Any] = {"kind": "image-generation", "data": GOOD}
    if ref is not None:
        item["ref"] = ref
    if parents:
        item["options"] = {"dependsOn": list(parents)}
    return {**item, **changes}


async def _written(service: Service) -> int:
    counts = await service.state["database"].read(CountByQueue())
    return sum(sum(queue.values()) for queue in counts.values())


def _complaints(answer: httpx.Response) -> set[str]:
    return {error["field"] for error in answer.json().get("errors", [])}


async def test_the_answer_names_each_job_in_the_order_it_was_asked_for(service: Service) -> None:
    answer = await service.batch(image("hero"), {"kind": "noop", "data": {}}, image(options={"delay": 60}))
    assert (answer.status_code, set(answer.json())) == (202, {"jobs"})
    assert answer.headers["cache-control"] == "no-store"
    hero, noop, later = answer.json()["jobs"]
    assert set(hero) == {"ref", "jobId", "generationId", "status", "streamToken", "estimatedCost", "links"}
    assert set(noop) == {"jobId", "status", "streamToken", "estimatedCost", "links"}
    assert set(later) == {"jobId", "generationId", "status", "streamToken", "estimatedCost", "links"}
    assert (hero["ref"], hero["status"], later["status"]) == ("hero", "waiting", "delayed")
    for told, kind in ((hero, "image-generation"), (noop, "noop"), (later, "image-generation")):
        job = await service.job(told["jobId"])
        assert (job["kind"], job["status"], job["links"]) == (kind, told["status"], told["links"])
        assert job.get("generationId") == told.get("generationId")
        # Of an ended job's stream to its end: it answers, and does not stay.
        await service.http.delete(f"/api/jobs/{told['jobId']}", headers=ALICE)
        at = f"{told['links']['events']}?after=999&token={told['streamToken']}"
        assert (await service.http.get(at)).status_code == 204


async def test_a_batch_without_an_identity_makes_one_session_for_all_its_jobs(service: Service) -> None:
    answer = await service.batch(image(), image(), headers={})
    assert answer.status_code == 202
    assert len(answer.headers.get_list("set-cookie")) == 1
    assert len((await service.get("/api/jobs", who={}))["jobs"]) == 2


async def test_a_job_may_name_another_that_stands_after_it(service: Service) -> None:
    child, parent = await service.submit_all(image("child", "parent"), image("parent"))
    assert ((await service.job(child))["status"], (await service.job(child))["dependsOn"]) == ("blocked", [parent])
    assert ((await service.job(parent))["status"], (await service.job(parent))["dependsOn"]) == ("waiting", [])


async def test_ids_and_references_stand_side_by_side(service: Service) -> None:
    before = await service.submit()
    parent, child = await service.submit_all(image("parent"), image("child", "parent", before))
    assert (await service.job(child))["dependsOn"] == [parent, before]
    await service.run(before)
    assert (await service.job(child))["status"] == "blocked"
    await service.run(parent)
    assert (await service.job(child))["status"] == "waiting"


async def test_a_long_chain_in_any_order_is_taken(service: Service) -> None:
    chain = [image("0"), *(image(str(n), str(n - 1)) for n in range(1, 100))]
    ids = (await service.submit_all(*chain[::-1]))[::-1]
    assert (await service.job(ids[0]))["status"] == "waiting"
    for parent, child in pairwise(ids):
        job = await service.job(child)
        assert (job["status"], job["dependsOn"]) == ("blocked", [parent])


class Bad(NamedTuple):
    """A bad item and what is said of it when it is the second of three."""

    name: str
    item: Any
    fields: set[str]
    code: str = "invalid_input"


def _bad(name: str, *fields: str, code: str = "invalid_input", **changes: Any) -> Bad:
    return Bad(name, image(**changes), {f"jobs.1.{field}" for field in fields}, code)


MISSING = new_id()
BAD = [
    _bad("unknown kind", "kind", kind="nothing"),
    _bad("kind of another spelling", "kind", kind="Image-Generation"),
    _bad("kind is null", "kind", kind=None),
    _bad("over-long kind", "kind", kind="a" * 81),
    Bad("no kind", {"data": {}}, {"jobs.1.kind"}),
    Bad("no data", {"kind": "noop"}, {"jobs.1.data"}),
    Bad("a string", "noop", {"jobs.1"}),
    Bad("null", None, {"jobs.1"}),
    _bad("data is a list", "data", data=[GOOD]),
    _bad("data is null", "data", data=None),
    _bad("empty prompt", "data.prompt", data={**GOOD, "prompt": ""}, code="invalid_prompt"),
    _bad("unknown platform", "data.platforms.0", data={**GOOD, "platforms": ["myspace"]}, code="unknown_platform"),
    _bad("unknown field of the kind", "data.colour", data={**GOOD, "colour": "red"}),
    _bad("NaN in the data", "data.prompt", data={**GOOD, "prompt": float("nan")}),
    _bad("options in the data", "data.options", data={**GOOD, "options": {"priority": 1}}),
    _bad("several at once", "data.prompt", "data.x", data={"platforms": ["open-graph"], "x": 1}),
    _bad("unknown field", "colour", colour="red"),
    _bad("options is null", "options", options=None),
    _bad("unknown option", "options.colour", options={"colour": "red"}),
    _bad("priority nobody knows", "options.priority", options={"priority": "urgent"}),
    _bad("delay too far", "options.delay", options={"delay": 31 * 86_400}),
    _bad("run-at too far", "options.runAt", options={"runAt": "9999-12-31T23:59:59Z"}),
    _bad("delay and run-at", "options.runAt", options={"delay": 1, "runAt": "2020-01-01T00:00:00Z"}),
    _bad("time to live too long", "options.ttl", options={"ttl": 31 * 86_400}),
    _bad("no attempts", "options.attempts", options={"attempts": 0}),
    _bad("empty reference", "ref", ref=""),
    _bad("odd reference", "ref", ref="a b"),
    _bad("reference with quotes", "ref", ref='a","jobId":"b'),
    _bad("reference with a line end", "ref", ref="a\n"),
    _bad("over-long reference", "ref", ref="a" * 65),
    _bad("reference is a number", "ref", ref=1),
    _bad("reference of another", "ref", ref="first"),
    _bad("waits for itself", "options.dependsOn", ref="me", options={"dependsOn": ["me"]}),
    _bad("waits for a missing job", "options.dependsOn.1", options={"dependsOn": ["first", MISSING]}),
    _bad("waits for an unknown reference", "options.dependsOn.0", options={"dependsOn": ["nobody"]}),
    _bad("waits for one twice", "options.dependsOn", options={"dependsOn": ["first", "first"]}),
    _bad("waits for too many", "options.dependsOn", options={"dependsOn": [f"a-{n}" for n in range(21)]}),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
async def test_one_bad_job_refuses_all_and_is_named_with_its_place(service: Service, bad: Bad) -> None:
    content = json.dumps({"jobs": [image("first"), bad.item, image("last")]})
    headers = {**ALICE, "content-type": "application/json"}
    answer = await service.http.post("/api/jobs/batch", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, bad.code), answer.text
    assert _complaints(answer) == bad.fields
    assert await _written(service) == 0


async def test_a_circle_names_all_that_are_in_it_and_no_other(service: Service) -> None:
    answer = await service.batch(image("a", "c"), image("b", "a"), image("c", "b"), image("d", "a"), image("e"))
    assert answer.status_code == 422
    assert _complaints(answer) == {f"jobs.{position}.options.dependsOn" for position in range(3)}
    assert await _written(service) == 0


async def test_a_strangers_job_as_parent_is_like_a_missing_one(service: Service) -> None:
    theirs = await service.submit(who=BOB)
    answers = [await service.batch(image("a"), image("b", "a", parent)) for parent in (theirs, MISSING)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json()["errors"] == answers[1].json()["errors"]
    assert _complaints(answers[0]) == {"jobs.1.options.dependsOn.1"}
    assert await _written(service) == 1


async def test_a_parent_that_has_failed_refuses_all(service: Service) -> None:
    parent = await service.submit()
    await service.fail(await service.claim())
    answer = await service.batch(image("a"), image("b", "a"), image("c", parent))
    assert (answer.status_code, answer.json()["code"]) == (409, "dependency_failed")
    assert await _written(service) == 0


async def test_a_generation_that_is_not_the_callers_refuses_all(service: Service) -> None:
    theirs = await service.make("master", who=BOB)
    data = {"generationId": theirs.generation_id, "platforms": ["open-graph"]}
    answer = await service.batch(image(), {"kind": "image-renditions", "data": data})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["detail"] == "jobs.1: There is no such generation."
    assert await _written(service) == 0


async def test_a_kind_that_is_not_for_the_caller_refuses_all(service: Service) -> None:
    guarded: dict[str, Any] = {"kind": "guarded", "data": {}}
    answer = await service.batch(image(), guarded)
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_user")
    assert await _written(service) == 0
    assert (await service.batch(image(), guarded, headers=ADMIN)).status_code == 202


async def test_a_batch_that_does_not_fit_below_the_callers_limit_is_refused_whole(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path, live_jobs_per_owner=3)) as service:
        await service.submit()
        answer = await service.batch(image(), image(), image())
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_jobs")
        assert await _written(service) == 1
        assert (await service.batch(image(), image())).status_code == 202


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "jobs"), ({"jobs": []}, "jobs"), ({"jobs": None}, "jobs"), ({"jobs": {}}, "jobs"),
        ({"jobs": [image()] * 101}, "jobs"), ({"jobs": [image()], "options": {}}, "options"),
    ],
)  # fmt: skip
async def test_a_batch_that_is_none_is_named(service: Service, body: Any, field: str) -> None:
    answer = await service.http.post("/api/jobs/batch", json=body, headers=ALICE)
    assert (answer.status_code, _complaints(answer)) == (422, {field})
    assert await _written(service) == 0


async def test_a_hundred_jobs_are_taken(service: Service) -> None:
    ids = await service.submit_all(*[image()] * 100)
    assert len(set(ids)) == await _written(service) == 100


async def test_a_body_of_a_megabyte_is_taken_and_one_of_more_is_not(service: Service) -> None:
    headers = {**ALICE, "content-type": "application/json"}
    body = json.dumps({"jobs": [image()]}).encode()
    most = Settings.model_fields["batch_max_bytes"].default
    assert most == 1_000_000
    taken = await service.http.post("/api/jobs/batch", content=body.ljust(most), headers=headers)
    assert taken.status_code == 202
    refused = await service.http.post("/api/jobs/batch", content=body.ljust(most + 1), headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (413, "body_too_large")
    assert await _written(service) == 1


async def test_while_the_server_stops_no_batch_is_taken(service: Service) -> None:
    await service.state["drain"]()
    answer = await service.batch(image())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert await _written(service) == 0


BATCH: tuple[Any, ...] = (image("a"), image("b", "a"), {"kind": "noop", "data": {}})


async def test_the_same_batch_again_gets_the_same_answer_and_makes_nothing(service: Service) -> None:
    first = await service.batch(*BATCH, headers=KEY)
    await service.run(first.json()["jobs"][0]["jobId"])
    again = await service.batch(*BATCH, headers=KEY)
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await _written(service) == 2  # and one that has ended
    assert len((await service.get("/api/jobs"))["jobs"]) == 3


@pytest.mark.parametrize(
    "other",
    [
        BATCH[:2],
        (*BATCH, BATCH[2]),
        (BATCH[0], BATCH[2], BATCH[1]),
        (image("a"), image("b"), BATCH[2]),
        (image("a"), image("c", "a"), BATCH[2]),
        (image("a", data={**GOOD, "prompt": "another"}), *BATCH[1:]),
        (image("a", options={"priority": -1}), *BATCH[1:]),
    ],
    ids=["fewer", "more", "order", "parents", "reference", "data", "options"],
)
async def test_the_key_with_another_batch_is_refused(service: Service, other: tuple[Any, ...]) -> None:
    await service.batch(*BATCH, headers=KEY)
    answer = await service.batch(*other, headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await _written(service) == 3


async def test_a_key_of_a_batch_is_none_for_a_single_job_nor_the_other_way_round(service: Service) -> None:
    single = {**ALICE, "idempotency-key": "order-4712"}
    await service.batch(image(), headers=KEY)
    await service.http.post("/api/jobs/image-generation", json=GOOD, headers=single)
    for answer in (
        await service.http.post("/api/jobs/image-generation", json=GOOD, headers=KEY),
        await service.batch(image(), headers=single),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    assert await _written(service) == 2


async def test_a_refused_batch_leaves_its_key_free(service: Service) -> None:
    assert (await service.batch(image("a", MISSING), headers=KEY)).status_code == 422
    assert (await service.batch(image("a"), headers=KEY)).status_code == 202


async def test_a_key_without_an_identity_is_refused(service: Service) -> None:
    answer = await service.batch(image(), headers={"idempotency-key": "order-4711"})
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "set-cookie" not in answer.headers
    assert await _written(service) == 0


async def test_fifty_at_once_with_one_key_make_one_batch(service: Service) -> None:
    answers = await asyncio.gather(*(service.batch(*BATCH, headers=KEY) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert await _written(service) == 3
