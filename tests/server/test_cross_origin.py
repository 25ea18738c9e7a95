"""Pages of other origins: those that are listed read every answer and may act, all others are told nothing and may not."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

from server import kinds
from server.app import create_app
from server.auth import COOKIE
from server.cross_origin import MAX_AGE_SECONDS, SENT, SHOWN
from server.problems import methods_of
from server.routes import ROUTES
from server.studio_files import read_studio
from snapasset.errors import BadConfiguration
from snapasset.settings import Settings, read_settings
from tests.server.breakable import Breakable
from tests.server.service import ADMIN, ALICE, GOOD, Service, opened, served, settings_for
from tests.server.test_crowding import MOST, ask, fill
from tests.server.test_protocol import HEAD, connected

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    import httpx
    from starlette.responses import Response

APP: Final = "https://app.example.com"
OTHER: Final = "http://localhost:5173"
LISTED: Final = f"{APP}, {OTHER},"
FROM_APP: Final = {"origin": APP}
ASKS: Final = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-session-id"}
COOKIE_OF_ALICE: Final = {"cookie": f"{COOKIE}={ALICE['x-session-id']}"}
JOB: Final = "/api/jobs/image-generation"
UNLISTED: Final = (
    "https://evil.example",
    "https://app.example.com.evil.example",
    "https://evil-app.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://APP.example.com",
    "http://test",
    LISTED,
    "null",
    "*",
    "",
)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncGenerator[Service]:
    async with opened(settings_for(tmp_path, cors_origins=LISTED, connections_max=MOST)) as service:
        yield service


def granted(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("access-control-")}


def words(header: str) -> list[str]:
    return [word.strip().lower() for word in header.split(",")]


def assert_readable(answer: httpx.Response, origin: str = APP) -> None:
    """Fail unless a page of this origin can read the answer, cookies or not."""
    assert granted(answer.headers) == {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": ", ".join(SHOWN),
    }
    assert "origin" in words(answer.headers["vary"])


def assert_told(answer: str) -> None:
    """The same of an answer as its bytes came, in lower case."""
    head = answer.partition("\r\n\r\n")[0].split("\r\n")
    assert head.count(f"access-control-allow-origin: {APP}") == 1
    assert head.count("access-control-allow-credentials: true") == 1
    assert head.count("vary: origin") == 1


# What is set


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("*", "number 1 in it has a *"),
        ("https://a.example,https://*.a.example", "number 2 in it has a *"),
        ("null", "must begin with"),
        ("a.example", "must begin with"),
        ("ftp://a.example", "must begin with"),
        ("HTTPS://a.example", "must begin with"),
        ("https://a.example/", "no slash"),
        ("https://a.example/page", "no path"),
        ("https://a.example?x", "no more than"),
        ("https://name:word@a.example", "no name"),
        ("https://a.example:443", "none where the scheme's own"),
        ("http://a.example:80", "none where the scheme's own"),
        ("https://a.example:08443", "as browsers send it"),
        ("https://a.example:99999", "cannot be"),
        ("https://a.example:port", "cannot be"),
        ("https://a.example:", "host as browsers send it"),
        ("https://[::1", "cannot be"),
        ("https://", "host as browsers send it"),
        ("https://A.example", "lower case"),
        ("https://bücher.example", "xn--"),
        ("https://a.example https://b.example", "no more than"),
        ("https://a.example;b", "host as browsers send it"),
    ],
)
def test_what_no_browser_sends_ends_the_start(monkeypatch: pytest.MonkeyPatch, value: str, why: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", value)
    with pytest.raises(BadConfiguration) as raised:
        read_settings()
    assert "CORS_ORIGINS" in raised.value.detail
    assert why in raised.value.detail
    assert "a.example" not in raised.value.detail


@pytest.mark.parametrize("value", ["", " ", ","])
def test_none_is_the_default(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CORS_ORIGINS", value)
    assert read_settings().cors_origins == Settings.model_fields["cors_origins"].default == frozenset()


def test_origins_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", f"{LISTED} http://[::1]:3000,http://10.0.0.7,https://xn--bcher-kva.example")
    more = {"http://[::1]:3000", "http://10.0.0.7", "https://xn--bcher-kva.example"}
    assert read_settings().cors_origins == {APP, OTHER} | more


async def test_without_the_setting_there_is_no_layer(settings: Settings) -> None:
    async with opened(settings) as service:
        assert len(service.app.user_middleware) == 1
        answer = await service.http.get("/api/kinds", headers=FROM_APP)
        assert "vary" not in answer.headers
        assert granted(answer.headers) == {}
        asked = await service.http.options(JOB, headers={**FROM_APP, **ASKS})
        assert (asked.status_code, granted(asked.headers)) == (405, {})


# Who may read


@pytest.mark.parametrize("origin", [APP, OTHER])
async def test_a_listed_page_reads_answers(service: Service, origin: str) -> None:
    for path in ("/api/kinds", "/api/jobs", "/health/live", "/openapi.json", "/", "/page/index.html"):
        answer = await service.http.get(path, headers={**ALICE, "origin": origin})
        assert answer.status_code == 200, path
        assert_readable(answer, origin)
    assert_readable(await service.http.head("/api/kinds", headers={"origin": origin}), origin)


@pytest.mark.parametrize("origin", UNLISTED)
async def test_any_other_is_told_nothing(service: Service, origin: str) -> None:
    for path in ("/api/kinds", "/api/nothing"):
        answer = await service.http.get(path, headers={"origin": origin})
        assert granted(answer.headers) == {}
        assert answer.headers["vary"] == "origin"
    asked = await service.http.options(JOB, headers={"origin": origin, **ASKS})
    assert (asked.status_code, granted(asked.headers)) == (405, {})


async def test_what_else_an_answer_depends_on_is_still_said(tmp_path: Path) -> None:
    assets = tmp_path / "dist" / "assets"
    assets.mkdir(parents=True)
    (assets.parent / "index.html").write_text("<script src=/assets/index-1.js></script>")
    (assets / "index-1.js").write_text("1")
    settings = settings_for(tmp_path / "data", cors_origins=LISTED)
    async with opened(settings, studio=read_studio(assets.parent)) as service:
        for headers in (FROM_APP, {}):  # who names no origin may fill a cache as well
            answer = await service.http.get("/assets/index-1.js", headers=headers)
            assert sorted(words(answer.headers["vary"])) == ["accept-encoding", "origin"]


async def test_refusals_and_failures_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_request: Any) -> Response:
        raise RuntimeError

    monkeypatch.setattr(next(route for route in ROUTES if route.endpoint is kinds.describe), "app", broken)
    record: list[Breakable] = []

    def wrap(real: Any) -> Breakable:
        record.append(Breakable(real))
        return record[0]

    async with opened(settings_for(tmp_path, cors_origins=LISTED), wrap=wrap) as service:
        as_alice = {**ALICE, **FROM_APP}

        async def statuses() -> AsyncGenerator[tuple[int, httpx.Response]]:
            http = service.http
            yield 404, await http.get("/api/jobs/nothing", headers=as_alice)
            yield 404, await http.get("/nothing", headers=FROM_APP)
            yield 405, await http.put("/api/jobs", headers=as_alice)
            yield 401, await http.get("/api/jobs", headers={**FROM_APP, "authorization": "Bearer none"})
            yield 400, await http.post(JOB, json=GOOD, headers={**FROM_APP, "idempotency-key": "k"})
            yield 413, await http.post(JOB, json={"prompt": "a" * 70_000}, headers=as_alice)
            yield 415, await http.post(JOB, content=b"x", headers=as_alice)
            yield 422, await http.post(JOB, json={}, headers=as_alice)
            yield 500, await http.get("/api/kinds", headers=as_alice)
            record[0].away = True
            yield 503, await http.get("/api/jobs", headers=as_alice)

        async for status, answer in statuses():
            assert answer.status_code == status, answer.text
            assert_readable(answer)


async def test_all_that_the_description_names_can_be_sent_and_read(service: Service) -> None:
    described = await service.get("/openapi.json")
    parts = described["components"]
    operations = [
        operation for path in described["paths"].values() for word, operation in path.items() if word != "parameters"
    ]
    parameters = [
        parts["parameters"][one["$ref"].rpartition("/")[2]] if "$ref" in one else one
        for operation in operations
        for one in operation.get("parameters", ())
    ]
    schemes = parts["securitySchemes"].values()
    taken = {one["name"].lower() for one in [*parameters, *schemes] if one.get("in") == "header"}
    given = {
        header.lower()
        for operation in operations
        for answer in [*operation["responses"].values(), *parts.get("responses", {}).values()]
        for header in answer.get("headers", ())
    }
    assert {"x-session-id", "idempotency-key", "last-event-id"} <= taken
    assert {"etag", "location"} <= given
    assert taken <= {*SENT, "accept"}, "browsers would not send it"
    of_browsers = {"cache-control", "content-type", "content-length"}
    not_for_scripts = {"set-cookie", "www-authenticate", "allow", "cross-origin-resource-policy"}
    assert given - of_browsers - not_for_scripts <= set(SHOWN), "a page could not read it"


# Who may send what


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
async def test_every_route_says_what_may_be_sent(service: Service, path: str) -> None:
    answer = await service.http.options(path.replace("{", "").replace("}", ""), headers={**FROM_APP, **ASKS})
    assert (answer.status_code, answer.content) == (204, b"")
    assert_readable_preflight(answer)
    expected = set[str]().union(*(route.methods or () for route in ROUTES if route.path == path))
    methods = {word.upper() for word in words(answer.headers["access-control-allow-methods"])}
    assert expected <= methods == methods_of(ROUTES, path.replace("{", "").replace("}", ""))


def assert_readable_preflight(answer: httpx.Response) -> None:
    told = granted(answer.headers)
    assert told["access-control-allow-origin"] == APP
    assert told["access-control-allow-credentials"] == "true"
    assert told["access-control-max-age"] == str(MAX_AGE_SECONDS)
    assert words(told["access-control-allow-headers"]) == list(SENT)
    assert answer.headers["vary"] == "origin"


async def test_where_several_routes_meet_all_their_methods_are_told(service: Service) -> None:
    for path, methods in (
        ("/api/jobs/one", ["delete", "get", "head", "post"]),
        ("/api/jobs/batch", ["delete", "get", "head", "post"]),
        ("/api/events/token", ["post"]),
        ("/api/kinds", ["get", "head"]),
        ("/nothing", ["delete", "get", "head", "post"]),
    ):
        answer = await service.http.options(path, headers={**FROM_APP, **ASKS})
        assert words(answer.headers["access-control-allow-methods"]) == methods, path


async def test_another_question_with_this_method_is_refused_as_ever(service: Service) -> None:
    answer = await service.http.options(JOB, headers=FROM_APP)
    assert answer.status_code == 405
    assert_readable(answer)


# Streams, and what is answered beyond the application


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_streams_can_be_read(service: Service, plain: bool, version: str) -> None:
    job_id = await service.submit()
    await service.run(job_id)
    async with served(service, plain=plain) as port:
        for path in (f"/api/jobs/{job_id}/events", f"/api/jobs/{job_id}/events?after=5", "/api/jobs/x/events"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            lines = [f"GET {path} HTTP/{version}", "host: x", f"x-session-id: {ALICE['x-session-id']}"]
            writer.write("\r\n".join([*lines, f"origin: {APP}", "connection: close", "", ""]).encode())
            async with asyncio.timeout(5):
                answer = (await reader.read()).decode().lower()
            writer.close()
            assert_told(answer)
        assert answer.startswith("http/1.1 404 ")


async def test_the_stream_of_all_jobs_can_be_read(service: Service) -> None:
    async with served(service) as port, connected(port) as wire:
        session = f"x-session-id: {ALICE['x-session-id']}"
        wire.writer.write(f"GET /api/events HTTP/1.1\r\nhost: x\r\n{session}\r\norigin: {APP}\r\n\r\n".encode())
        async with asyncio.timeout(5):
            assert_told((await wire.reader.readuntil(b"\r\n\r\n")).decode().lower())
            await wire.reader.readuntil(b'"connected"')


async def test_who_finds_no_room_can_read_that(service: Service) -> None:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(service))
        await fill(stack, service, port)
        origin = f"origin: {APP}\r\n"
        for path, method, status in (
            ("/api/kinds", "GET", 503),
            (JOB, "POST", 503),
            ("/api/events", "GET", 200),
            ("/health/live", "GET", 200),
        ):
            answer = await ask(port, path, method, origin)
            assert answer.startswith(f"http/1.1 {status} ")
            assert_told(answer)
            assert "access-control-allow-origin" not in await ask(
                port, path, method, "origin: https://evil.example\r\n"
            )
        asks = f"{origin}access-control-request-method: POST\r\n"
        answer = await ask(port, JOB, "OPTIONS", asks)
        assert answer.startswith("http/1.1 204 ")
        assert_told(answer)


async def test_who_finds_no_room_is_not_led_in_by_a_question(settings: Settings) -> None:
    async with opened(settings.model_copy(update={"connections_max": MOST})) as service, AsyncExitStack() as stack:
        port = await stack.enter_async_context(served(service))
        await fill(stack, service, port)
        answer = await ask(port, JOB, "OPTIONS", f"origin: {APP}\r\naccess-control-request-method: POST\r\n")
        assert answer.startswith("http/1.1 503 ")


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (408, b"content-length: 9\r\n\r\n{"),
        (408, b"x-more: "),
        (431, b"".join(b"x-%d: %b\r\n" % (number, b"a" * 9_000) for number in range(20))),
        (400, b"x-more: 1\r\na b: c\r\n\r\n"),
        (400, b"transfer-encoding: chunked\r\n\r\nzz\r\n"),
    ],
)
async def test_what_never_becomes_a_request_is_refused_readably(tmp_path: Path, status: int, sent: bytes) -> None:
    settings = settings_for(tmp_path, cors_origins=LISTED, request_seconds=0.2)
    async with opened(settings) as service, served(service) as port:
        for origin in (APP, "https://evil.example"):
            async with connected(port, HEAD, f"origin: {origin}\r\n".encode(), sent) as wire, asyncio.timeout(5):
                head = (await wire.reader.readuntil(b"\r\n\r\n")).decode().lower()
            assert head.startswith(f"http/1.1 {status} ")
            assert ("access-control-" in head) is (origin == APP)
            if origin == APP:
                assert_told(head)


async def test_whose_origin_did_not_arrive_is_refused_without(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, cors_origins=LISTED, request_seconds=0.2)
    async with opened(settings) as service, served(service) as port, connected(port) as wire, asyncio.timeout(5):
        head = (await wire.reader.readuntil(b"\r\n\r\n")).decode().lower()
    assert head.startswith("http/1.1 408 ")
    assert "access-control-" not in head


# Pictures


async def test_pictures_stay_as_they_were_for_img(service: Service) -> None:
    made = await service.make("instagram-post")
    images = (await service.get(f"/api/generations/{made.generation_id}"))["images"]
    for path, policy in ((images[0]["url"], "cross-origin"), (images[0]["url"].partition("?")[0], "same-origin")):
        answer = await service.http.get(path, headers={**ALICE, **FROM_APP})
        assert answer.headers.get_list("cross-origin-resource-policy") == [policy]
        assert_readable(answer)
        # An <img> names no origin, and may be what a browser keeps.
        assert (await service.http.get(path, headers=ALICE)).headers["vary"] == "origin"


# Who may act, where a cookie says who it is


SAME_SITE: Final = {"sec-fetch-site": "same-site"}
CROSS_SITE: Final = {"sec-fetch-site": "cross-site"}


@pytest.mark.parametrize("site", [{}, SAME_SITE, CROSS_SITE])
async def test_a_listed_page_acts_with_the_cookie_and_no_other_does(service: Service, site: dict[str, str]) -> None:
    job_id = await service.submit()
    for origin, status in ((UNLISTED[0], 403), (APP, 200)):
        headers = {**COOKIE_OF_ALICE, "origin": origin, **site}
        answer = await service.http.post(f"/api/jobs/{job_id}/cancel", headers=headers)
        assert answer.status_code == status
    if site:  # whose origin is not said at all
        answer = await service.http.post(JOB, json=GOOD, headers={**COOKIE_OF_ALICE, **site})
        assert answer.status_code == 403


@pytest.mark.parametrize("who", [ALICE, ADMIN], ids=["session", "token"])
async def test_who_is_known_by_a_header_needs_no_cookie(service: Service, who: dict[str, str]) -> None:
    answer = await service.http.post(JOB, json=GOOD, headers={**who, **FROM_APP, **CROSS_SITE})
    assert answer.status_code == 202
    assert_readable(answer)
    assert "set-cookie" not in answer.headers


async def test_a_session_begins_where_its_cookie_would_be_kept(service: Service) -> None:
    for site, status in ((SAME_SITE, 202), (CROSS_SITE, 401)):
        answer = await service.http.post(JOB, json=GOOD, headers={**FROM_APP, **site})
        service.http.cookies.clear()
        assert answer.status_code == status
        assert ("set-cookie" in answer.headers) is (status == 202)
    assert "x-session-id" in answer.json()["detail"]
    assert (await service.http.get("/api/events", headers={**FROM_APP, **CROSS_SITE})).status_code == 401


def test_the_real_service_takes_the_setting(tmp_path: Path) -> None:
    layers = [len(create_app(settings_for(tmp_path, cors_origins=given)).user_middleware) for given in ("", APP)]
    assert layers == [1, 2]
