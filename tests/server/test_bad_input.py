"""Whatever is sent, the answer is a problem with a stable code that names what is wrong, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from snapasset.records.jobs import CountByQueue
from tests.server.service import ALICE, GOOD

if TYPE_CHECKING:
    import httpx

    from tests.server.service import Service

JSON = {"content-type": "application/json", **ALICE}


class Bad(NamedTuple):
    """One bad body for an image, and what is to be said about it."""

    name: str
    body: Any
    status: int
    code: str
    fields: set[str]


def _with(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def _options(**options: Any) -> dict[str, Any]:
    return {**GOOD, "options": options}


def _names(count: int) -> list[str]:
    return [f"options.dependsOn.{position}" for position in range(count)]


def _refused(name: str, body: Any, *fields: str, code: str = "invalid_input") -> Bad:
    return Bad(name, body, 422, code, set(fields))


_MISSING = "depends on missing ones"

INVALID = [
    _refused("no prompt", {"platforms": ["instagram-post"]}, "prompt"),
    _refused("no platforms", {"prompt": "a"}, "platforms"),
    _refused("nothing", {}, "prompt", "platforms"),
    _refused("empty prompt", _with(prompt=""), "prompt", code="invalid_prompt"),
    _refused("blank prompt", _with(prompt=" \n\t\u2003"), "prompt", code="invalid_prompt"),
    _refused("over-long prompt", _with(prompt="x" * 4_001), "prompt", code="invalid_prompt"),
    _refused("prompt is a number", _with(prompt=7), "prompt"),
    _refused("prompt is null", _with(prompt=None), "prompt"),
    _refused("prompt is NaN", _with(prompt=float("nan")), "prompt"),
    _refused("platforms is a string", _with(platforms="instagram-post"), "platforms"),
    _refused("platforms is empty", _with(platforms=[]), "platforms"),
    _refused("platform is NaN", _with(platforms=[float("nan")]), "platforms.0"),
    _refused(
        "unknown platform", _with(platforms=["instagram-post", "myspace"]), "platforms.1", code="unknown_platform"
    ),
    _refused("only an unknown platform", _with(platforms=["myspace"]), "platforms.0", code="unknown_platform"),
    _refused("platform in capitals", _with(platforms=["Instagram-Post"]), "platforms.0", code="unknown_platform"),
    _refused("platform named twice", _with(platforms=["instagram-post"] * 2), "platforms"),
    _refused("unknown image type", _with(imageType="loud"), "imageType"),
    _refused("image type is a boolean", _with(imageType=True), "imageType"),
    _refused("unknown field", _with(colour="red"), "colour"),
    _refused("a field in Python's spelling", _with(image_type="vivid"), "image_type"),
    _refused("server-owned fields", _with(status="completed", owner="me", jobId="x"), "status", "owner", "jobId"),
    _refused("several at once", {"prompt": 1, "platforms": [], "x": 1}, "prompt", "platforms", "x"),
    _refused("a field with an odd name", _with(**{"a\r\nb\u2028": 1}), "a\r\nb\u2028"),
    _refused("priority in words nobody knows", _options(priority="urgent"), "options.priority"),
    _refused("priority too high", _options(priority=11), "options.priority"),
    _refused("priority too low", _options(priority=-11), "options.priority"),
    _refused("priority is a fraction", _options(priority=1.5), "options.priority"),
    _refused("priority is a boolean", _options(priority=True), "options.priority"),
    _refused("priority is huge", _options(priority=10**40), "options.priority"),
    _refused("priority is a list", _options(priority=[1]), "options.priority"),
    _refused("delay is negative", _options(delay=-1), "options.delay"),
    _refused("delay is NaN", _options(delay=float("nan")), "options.delay"),
    _refused("delay is infinite", _options(delay=float("inf")), "options.delay"),
    _refused("delay is text", _options(delay="5"), "options.delay"),
    _refused("delay is too far", _options(delay=31 * 86_400), "options.delay"),
    _refused("run-at is no time", _options(runAt="tomorrow"), "options.runAt"),
    _refused("run-at has no zone", _options(runAt="2030-01-01T00:00:00"), "options.runAt"),
    _refused("run-at is a number", _options(runAt=1_900_000_000), "options.runAt"),
    _refused("run-at is too far", _options(runAt="9999-12-31T23:59:59Z"), "options.runAt"),
    _refused("delay and run-at", _options(delay=1, runAt="2020-01-01T00:00:00Z"), "options.runAt"),
    _refused("no attempts", _options(attempts=0), "options.attempts"),
    _refused("attempts is text", _options(attempts="3"), "options.attempts"),
    _refused("unknown option", _options(colour="red", owner="me"), "options.colour", "options.owner"),
    _refused("no time to live", _options(ttl=0), "options.ttl"),
    _refused("time to live is negative", _options(ttl=-1), "options.ttl"),
    _refused("time to live is NaN", _options(ttl=float("nan")), "options.ttl"),
    _refused("time to live is infinite", _options(ttl=float("inf")), "options.ttl"),
    _refused("time to live is text", _options(ttl="5"), "options.ttl"),
    _refused("time to live is a boolean", _options(ttl=True), "options.ttl"),
    _refused("time to live is too long", _options(ttl=30 * 86_400 + 1), "options.ttl"),
    _refused("depends on a string", _options(dependsOn="a"), "options.dependsOn"),
    _refused("depends on null", _options(dependsOn=None), "options.dependsOn"),
    _refused("depends on numbers", _options(dependsOn=[1, 2]), "options.dependsOn.0", "options.dependsOn.1"),
    _refused("depends on odd names", _options(dependsOn=["", "a b", "a" * 65, "\u00e9"]), *_names(4)),
    _refused("depends on a job twice", _options(dependsOn=["a", "a"]), "options.dependsOn"),
    _refused("depends on too many", _options(dependsOn=[f"a-{n}" for n in range(21)]), "options.dependsOn"),
    _refused(_MISSING, _options(dependsOn=["a", "b"]), *_names(2)),
    _refused("options is null", _with(options=None), "options"),
    _refused("options is a list", _with(options=[]), "options"),
    _refused("a list", [GOOD]),
    _refused("a string", "hello"),
    _refused("null", None),
    _refused("a number", 5),
]

MALFORMED = {
    "empty": b"",
    "cut short": b'{"prompt": "a", "platf',
    "trailing text": b'{"prompt":"a"} x',
    "a trailing comma": b'{"prompt":"a",}',
    "single quotes": b"{'prompt': 'a'}",
    "10,000 nested brackets": b'{"prompt":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 open brackets": b"[" * 10_000,
    "10,000 nested objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "500 nested brackets": b'{"prompt":' + b"[" * 500 + b"]" * 500 + b"}",
    "230 nested brackets": b'{"prompt":' + b"[" * 230 + b"]" * 230 + b"}",
    "a name twice": b'{"prompt":"a","prompt":"b","platforms":["instagram-post"]}',
    "a name twice, deep": b'{"prompt":"a","platforms":[{"a":1,"a":2}]}',
    "half a surrogate pair": b'{"prompt":"\\ud800","platforms":["instagram-post"]}',
    "bytes that are no UTF-8": b'{"prompt":"\xff"}',
    "UTF-16": '{"prompt":"a"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a raw line end in a string": b'{"prompt":"a\nb"}',
    "a number of 5,000 digits": b'{"prompt":' + b"1" * 5_000 + b"}",
    "NUL": b"\x00",
}

TYPES = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ""]


async def _post(service: Service, content: Any, kind: str = "image-generation", **headers: str) -> httpx.Response:
    return await service.http.post(f"/api/jobs/{kind}", content=content, headers={**JSON, **headers})


async def _written(service: Service) -> dict[str, dict[str, int]]:
    return await service.state["database"].read(CountByQueue())


def _check(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert set(problem) >= {"type", "title", "status", "code", "detail", "retryable", "requestId"}
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert "set-cookie" not in answer.headers
    return problem


@pytest.mark.parametrize("bad", INVALID, ids=lambda bad: bad.name)
async def test_what_breaks_a_rule_is_named(service: Service, bad: Bad) -> None:
    problem = _check(await _post(service, json.dumps(bad.body)), bad.status, bad.code)
    assert {error["field"] for error in problem.get("errors", [])} == bad.fields
    assert all(error["message"] for error in problem.get("errors", []))
    assert await _written(service) == {}


@pytest.mark.parametrize("bad", [bad for bad in INVALID if bad.name != _MISSING], ids=lambda bad: bad.name)
async def test_who_asks_what_it_would_cost_is_told_the_same(service: Service, bad: Bad) -> None:
    answers = [
        _check(await _post(service, json.dumps(bad.body), kind), bad.status, bad.code)
        for kind in ("image-generation", "image-generation/estimate")
    ]
    first, second = ({**answer, "requestId": None} for answer in answers)
    assert second == first


@pytest.mark.parametrize("name", MALFORMED)
async def test_what_is_no_json_is_malformed(service: Service, name: str) -> None:
    for kind in ("image-generation", "image-generation/estimate"):
        _check(await _post(service, MALFORMED[name], kind), 400, "malformed")
    assert await _written(service) == {}


@pytest.mark.parametrize("content_type", TYPES)
async def test_another_content_type_is_refused(service: Service, content_type: str) -> None:
    answer = await _post(service, json.dumps(GOOD), **{"content-type": content_type})
    _check(answer, 415, "unsupported_media_type")


async def test_parameters_of_the_content_type_do_no_harm(service: Service) -> None:
    answer = await _post(service, json.dumps(GOOD), **{"content-type": "Application/JSON; charset=utf-8"})
    assert answer.status_code == 202


async def test_a_body_that_says_it_is_too_large_is_not_read(service: Service) -> None:
    async def never() -> Any:
        yield pytest.fail("it was read")

    answer = await _post(service, never(), **{"content-length": "65537"})
    _check(answer, 413, "body_too_large")


async def test_a_body_that_grows_too_large_is_refused_while_it_is_read(service: Service) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            assert sent < 1_000_000, "it was read on and on"
            sent += 10_000
            yield b" " * 10_000

    _check(await _post(service, endless()), 413, "body_too_large")


async def test_the_largest_body_is_taken(service: Service) -> None:
    body = json.dumps(GOOD).encode()
    assert (await _post(service, body + b" " * (65_536 - len(body)))).status_code == 202
    _check(await _post(service, body + b" " * (65_537 - len(body))), 413, "body_too_large")


@pytest.mark.parametrize(
    "kind", ["nothing", "Image-Generation", "image_generation", "a" * 5_000, "%00", "%F0%9F%A6%8A", ".."]
)
async def test_an_unknown_kind_is_not_found(service: Service, kind: str) -> None:
    for asked in (kind, f"{kind}/estimate"):
        answer = await _post(service, json.dumps(GOOD), kind=asked.replace("..", "%2e%2e"))
        problem = _check(answer, 404, "unknown_kind")
        assert len(problem["detail"]) < 500


async def test_many_unknown_fields_get_few_complaints(service: Service) -> None:
    body = {**GOOD, **{f"field-{number}": 1 for number in range(2_000)}}
    problem = _check(await _post(service, json.dumps(body)), 422, "invalid_input")
    assert len(problem["errors"]) <= 20


async def test_odd_but_good_prompts_are_kept_as_they_are(service: Service) -> None:
    prompt = "a\r\n\u2028\x00\x1b[31m \U0001f98a \"'<script>&amp; ' OR 1=1 --"
    job_id = await service.submit(body={**GOOD, "prompt": prompt})
    answer = await service.http.get(f"/api/jobs/{job_id}", headers=ALICE)
    assert answer.json()["data"]["prompt"] == prompt


async def test_a_prompt_may_be_as_long_as_the_setting_says(service: Service) -> None:
    await service.submit(body={**GOOD, "prompt": "\U0001f98a" * 4_000})


async def test_a_whole_number_may_be_spelt_with_a_point(service: Service) -> None:
    answer = await _post(service, json.dumps(_options(priority=-2.0, attempts=2.0)))
    job = (await service.http.get(answer.headers["location"], headers=ALICE)).json()
    assert (job["priority"], job["attempts"]) == (-2, 2)


async def test_a_missing_job_is_not_found(service: Service) -> None:
    for job_id in ("x", "00000000-0000-7000-8000-000000000000", "a" * 3_000, "%00", "%27%20OR%201=1"):
        _check(await service.http.get(f"/api/jobs/{job_id}", headers=ALICE), 404, "not_found")


async def test_an_ended_job_cannot_be_cancelled(service: Service) -> None:
    job_id = await service.submit()
    assert (await service.http.post(f"/api/jobs/{job_id}/cancel", headers=ALICE)).status_code == 200
    for method, path in (("POST", f"/api/jobs/{job_id}/cancel"), ("DELETE", f"/api/jobs/{job_id}")):
        _check(await service.http.request(method, path, headers=ALICE), 409, "conflict")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("limit=", "limit"), ("limit=1e1", "limit"),
        ("limit=%C2%B2", "limit"), (f"limit={'9' * 400}", "limit"), ("limit=-1", "limit"),
        ("status=done", "status"), ("status=waiting,done", "status"), (f"kind={'a,' * 30}", "kind"),
        ("createdAfter=yesterday", "createdAfter"), ("createdBefore=2026-01-01T00:00:00", "createdBefore"),
        ("cursor=x", "cursor"), ("cursor=!!", "cursor"), ("cursor=%00", "cursor"), (f"cursor={'A' * 500}", "cursor"),
        ("cursor=", "cursor"), ("staus=failed", "staus"),
    ],
)  # fmt: skip
async def test_a_bad_query_is_named(service: Service, query: str, field: str) -> None:
    for who in (ALICE, {}):
        problem = _check(await service.http.get(f"/api/jobs?{query}", headers=who), 422, "invalid_input")
        assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize("query", ["after=-1", "after=x", f"after={'9' * 30}", "limit=0", "limit=501", "page=2"])
async def test_a_bad_range_of_a_timeline_is_named(service: Service, query: str) -> None:
    job_id = await service.submit()
    problem = _check(
        await service.http.get(f"/api/jobs/{job_id}/timeline?{query}", headers=ALICE), 422, "invalid_input"
    )
    assert [error["field"] for error in problem["errors"]] == [query.partition("=")[0]]


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/jobs/", "/api/jobs/x/y", "/page/", "/page/../app.py"])
async def test_an_unknown_address_is_a_problem(service: Service, path: str) -> None:
    _check(await service.http.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/jobs/x", "DELETE, GET, HEAD, POST"),
        ("DELETE", "/api/jobs", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("OPTIONS", "/api/kinds", "GET, HEAD"),
        ("GET", "/api/jobs/x/cancel", "POST"),
        ("GET", "/api/jobs/image-generation/estimate", "POST"),
        ("DELETE", "/api/jobs/image-generation/estimate", "POST"),
    ],
)
async def test_another_method_is_refused_and_the_right_ones_are_named(
    service: Service, method: str, path: str, allowed: str
) -> None:
    answer = await service.http.request(method, path)
    _check(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed
