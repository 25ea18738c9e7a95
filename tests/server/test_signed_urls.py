"""Signed addresses of files: they open one file for anybody for a while, and nothing else, and none can be forged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from server.file_urls import FileUrls
from snapasset.job import new_id
from tests.server.service import ALICE, BOB, GOOD, Service, addressed, opened, served, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

HOUR = 3_600
DAY = 86_400
NOON = 20_000 * DAY + 12 * HOUR


@dataclass
class Clock:
    """What time it is for signed addresses."""

    now: float = NOON + 60

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def service(tmp_path: Path, clock: Clock) -> AsyncGenerator[Service]:
    async with opened(settings_for(tmp_path), clock=clock) as service:
        yield service


async def _image(service: Service) -> Any:
    """The picture of a generation of Alice's as she sees it; its bytes are its platform's name."""
    made = await service.make("instagram-post")
    return (await service.get(f"/api/generations/{made.generation_id}"))["images"][0]


def _parts(url: str) -> tuple[str, str, str]:
    """The file's id, the expiry, the signature."""
    query = parse_qs(urlsplit(url).query)
    return addressed(url), query["expires"][0], query["signature"][0]


async def test_an_address_opens_its_file_for_anybody(service: Service) -> None:
    image = await _image(service)
    for who in ({}, ALICE, BOB, {"cookie": "snapasset_session=none"}, {"x-session-id": "malformed"}):
        service.http.cookies.clear()
        answer = await service.http.get(image["url"], headers=who)
        assert (answer.status_code, answer.content) == (200, b"instagram-post")
        assert answer.headers["content-type"] == "image/jpeg"
        assert "set-cookie" not in answer.headers


async def test_it_says_until_when(service: Service) -> None:
    image = await _image(service)
    assert _parts(image["url"])[:2] == (image["fileId"], str(NOON + DAY + HOUR))
    assert image["urlExpiresAt"] == "2024-10-05T13:00:00.000Z"


async def test_browsers_keep_it_no_longer_than_that(service: Service, clock: Clock) -> None:
    url = (await _image(service))["url"]
    clock.now = NOON + DAY
    answer = await service.http.get(url)
    assert answer.headers["cache-control"] == f"private, max-age={HOUR}, immutable"
    clock.now = NOON + DAY + HOUR - 0.5
    assert (await service.http.get(url)).headers["cache-control"] == "private, max-age=0, immutable"


async def test_within_an_hour_it_stays_the_same(service: Service, clock: Clock) -> None:
    made = await service.make("instagram-post")

    async def url() -> str:
        return (await service.get(f"/api/generations/{made.generation_id}"))["images"][0]["url"]

    first = await url()
    clock.now = NOON + HOUR
    assert await url() == first
    clock.now = NOON + HOUR + 1
    assert await url() != first
    assert (await service.http.get(first)).status_code == 200


async def test_an_address_is_good_for_as_long_as_the_setting_says_at_least() -> None:
    clock = Clock()
    urls = FileUrls(b"a secret", 90, clock)
    for clock.now in (NOON, NOON + 1, NOON + HOUR - 90, NOON + HOUR - 89.5, NOON + HOUR - 1):
        expires = int(_parts(json.loads(urls.sign('{"fileId":"a"}'))["url"])[1])
        assert clock.now + 89 <= expires <= clock.now + HOUR + 90


async def test_head_opens_it_too(service: Service) -> None:
    url = (await _image(service))["url"]
    async with served(service) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        head, got = await http.head(url), await http.get(url)
        missing = await http.head(url.replace("signature=", "signature=x"))
    assert (head.status_code, head.content, got.content) == (200, b"", b"instagram-post")
    for name in ("content-type", "content-length", "etag", "content-disposition", "cache-control"):
        assert head.headers[name] == got.headers[name]
    assert (missing.status_code, missing.content) == (404, b"")


async def test_it_can_be_asked_for_as_a_download(service: Service) -> None:
    url = (await _image(service))["url"]
    shown, handed = await service.http.get(url), await service.http.get(f"{url}&download=1")
    assert shown.headers["content-disposition"] == 'inline; filename="instagram-post.jpg"'
    assert handed.headers["content-disposition"] == 'attachment; filename="instagram-post.jpg"'


async def test_what_a_browser_has_is_not_sent_again(service: Service) -> None:
    image = await _image(service)
    answer = await service.http.get(image["url"], headers={"if-none-match": f'"{image["fileId"]}"'})
    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_signature_opens_no_other_file_and_at_no_other_time(service: Service) -> None:
    mine, other = await _image(service), await _image(service)
    file_id, expires, signature = _parts(mine["url"])
    for forged in (
        f"{other['fileId']}?expires={expires}&signature={signature}",
        f"{file_id}?expires={int(expires) + 1}&signature={signature}",
        f"{file_id}?expires={int(expires) + HOUR}&signature={signature}",
        f"{file_id}?expires={expires}&signature={_parts(other['url'])[2]}",
        f"{file_id}?expires={expires}&signature={signature[:-1]}",
        f"{file_id}?expires={expires}&signature={signature[:-1]}%C3%A9",
        f"{file_id}?expires={expires}&signature={signature.swapcase()}",
        f"{file_id}?expires={expires}&signature=",
        f"{file_id}?expires={expires}",
        f"{file_id}?signature={signature}",
        f"{file_id}?expires=&signature={signature}",
        f"{file_id}?expires=-1&signature={signature}",
        f"{file_id}?expires={'9' * 400}&signature={signature}",
        f"{file_id}?expires=%C2%B2&signature={signature}",
        f"{file_id}?expires={expires}.0&signature={signature}",
        f"{file_id}?expires={expires}&signature={signature}&signature=x",
        f"{file_id}?expires={expires}&expires=1&signature={signature}",
        file_id,
    ):
        for who in ({}, BOB):
            answer = await service.http.get(f"/api/files/{forged}", headers=who)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), forged


async def test_another_secret_signs_nothing_that_opens_here(service: Service, clock: Clock) -> None:
    file_id = (await _image(service))["fileId"]
    forged = json.loads(FileUrls(b"another secret", DAY, clock).sign(json.dumps({"fileId": file_id})))
    assert (await service.http.get(forged["url"])).status_code == 404


async def test_an_address_of_no_file_is_not_found(service: Service) -> None:
    told = json.loads(service.state["file_urls"].sign(json.dumps({"fileId": new_id()})))
    answer = await service.http.get(told["url"])
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_when_its_time_is_over_a_stranger_is_told_and_the_owner_served(service: Service, clock: Clock) -> None:
    url = (await _image(service))["url"]
    clock.now = NOON + DAY + HOUR - 0.5
    assert (await service.http.get(url)).status_code == 200
    clock.now = NOON + DAY + HOUR
    for who in ({}, BOB):
        late = await service.http.get(url, headers=who)
        assert (late.status_code, late.json()["code"], late.json()["retryable"]) == (410, "link_expired", False)
    forged = await service.http.get(url.replace("signature=", "signature=x"))
    assert forged.status_code == 404
    mine = await service.http.get(url, headers=ALICE)
    assert (mine.status_code, mine.content) == (200, b"instagram-post")
    assert mine.headers["cache-control"] == "private, max-age=31536000, immutable"


async def test_an_address_opens_nothing_but_files(service: Service) -> None:
    made = await service.make("instagram-post")
    url = (await service.get(f"/api/generations/{made.generation_id}"))["images"][0]["url"]
    query = url.partition("?")[2]
    for path in (f"/api/jobs/{made.job_id}", f"/api/generations/{made.generation_id}"):
        assert (await service.http.get(f"{path}?{query}")).status_code == 404


async def test_no_prompt_can_have_an_address_signed(service: Service) -> None:
    theirs = (await service.make("instagram-post", who=BOB)).files["instagram-post"].id
    for prompt in (
        f'"fileId":"{theirs}"',
        f'","fileId":"{theirs}","x":"',
        f'\\","fileId":"{theirs}","x":"',
        f'\\\\","fileId":"{theirs}","x":"',
        f"\\u0022,\\u0022fileId\\u0022:\\u0022{theirs}\\u0022",
        f'{{"fileId": "{theirs}"}}',
        f'"fileId":\n"{theirs}"\\',
    ):
        made = await service.make("instagram-post", body={**GOOD, "prompt": prompt}, made={"understood": prompt})
        for path in (
            "/api/generations",
            f"/api/generations/{made.generation_id}",
            "/api/jobs",
            f"/api/jobs/{made.job_id}",
            f"/api/jobs/{made.job_id}/timeline",
        ):
            text = json.dumps(await service.get(path))
            assert f"/api/files/{theirs}" not in text, (prompt, path)
        generation = await service.get(f"/api/generations/{made.generation_id}")
        assert generation["request"]["prompt"] == generation["made"]["understood"] == prompt


async def test_another_site_may_show_what_an_address_opens_and_nothing_else(service: Service) -> None:
    image = await _image(service)
    signed = await service.http.get(image["url"])
    again = await service.http.get(image["url"], headers={"if-none-match": signed.headers["etag"]})
    own = await service.http.get(f"/api/files/{image['fileId']}", headers=ALICE)
    told = [answer.headers.get_list("cross-origin-resource-policy") for answer in (signed, again, own)]
    assert told == [["cross-origin"], ["cross-origin"], ["same-origin"]]
