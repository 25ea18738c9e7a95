"""The studio as it is served: kept for good by its names, small, careful, and never in the place of an answer of the API."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from server.studio_files import FOLDER, Studio, is_view, read_studio
from tests.server.service import Service, opened, settings_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import httpx

INDEX = """<!doctype html><html lang="en"><head><title>SnapAsset</title>
<link rel="icon" href="/assets/icon-1.svg"><script type="module" crossorigin src="/assets/index-1.js"></script>
<link rel="stylesheet" crossorigin href="/assets/index-1.css"></head><body></body></html>"""
SCRIPT = b"export const answer = 42;\n" * 100
AS_BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
FILES = {
    "index.html": INDEX.encode(),
    "assets/index-1.js": SCRIPT,
    "assets/index-1.js.br": b"as if by brotli",
    "assets/index-1.js.gz": gzip.compress(SCRIPT),
    "assets/index-1.css": b"body { color: red }",
    "assets/icon-1.svg": b"<svg/>",
    "assets/later-1.js.map": b"{}",
    ".vite/manifest.json": b"{}",
    "manifest.json": b"{}",
    "secret.txt": b"not of the studio",
}


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "dist"
    for name, body in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


def whole(folder: Path) -> Studio:
    studio = read_studio(folder)
    assert studio is not None
    return studio


@pytest.fixture
async def service(tmp_path: Path, built: Path) -> AsyncGenerator[Service]:
    async with opened(settings_for(tmp_path / "data"), studio=whole(built)) as service:
        shutil.rmtree(built)  # from here on nothing can be read any more
        yield service


def problem(answer: httpx.Response) -> tuple[int, str, str]:
    return answer.status_code, answer.headers["content-type"], answer.json()["code"]


NOTHING = (404, "application/problem+json", "not_found")


async def test_the_first_page_is_asked_for_anew_each_time(service: Service) -> None:
    page = await service.http.get("/")
    assert (page.status_code, page.text) == (200, INDEX)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    again = await service.http.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == page.headers["etag"]
    assert again.headers["content-security-policy"] == page.headers["content-security-policy"]


async def test_the_first_page_allows_nothing_inline_and_nothing_from_elsewhere(service: Service) -> None:
    policy = (await service.http.get("/")).headers["content-security-policy"]
    rules = {name: values for name, *values in (rule.split() for rule in policy.split(";"))}
    assert rules["default-src"] == ["'self'"]
    assert rules["img-src"] == ["'self'", "blob:", "data:"]
    assert rules["base-uri"] == rules["object-src"] == rules["frame-ancestors"] == ["'none'"]
    assert not rules.keys() & {"script-src", "style-src", "connect-src"}, "they fall back to default-src"
    assert "unsafe" not in policy


async def test_an_asset_is_kept_for_good(service: Service) -> None:
    answer = await service.http.get("/assets/index-1.css")
    assert (answer.status_code, answer.content) == (200, FILES["assets/index-1.css"])
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["vary"] == "accept-encoding"
    assert "content-encoding" not in answer.headers
    again = await service.http.get("/assets/index-1.css", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (again.headers["vary"], again.headers["cache-control"]) == (
        answer.headers["vary"],
        answer.headers["cache-control"],
    )


@pytest.mark.parametrize(
    ("accepted", "coding", "length"),
    [
        ("gzip, br", "br", len(b"as if by brotli")),
        ("gzip;q=0.5, br;q=0.4", "gzip", len(FILES["assets/index-1.js.gz"])),
        ("br;q=0, gzip;q=0", None, len(SCRIPT)),
    ],
)
async def test_an_asset_is_sent_in_the_form_that_is_asked_for(
    service: Service, accepted: str, coding: str | None, length: int
) -> None:
    head = await service.http.head("/assets/index-1.js", headers={"accept-encoding": accepted})
    assert head.headers.get("content-encoding") == coding
    assert int(head.headers["content-length"]) == length
    assert head.headers["content-type"] == "text/javascript; charset=utf-8"
    assert head.headers["vary"] == "accept-encoding"


async def test_each_form_has_its_own_tag(service: Service) -> None:
    tags: dict[str, str] = {}
    for coding in ("br", "gzip", "identity"):
        head = await service.http.head("/assets/index-1.js", headers={"accept-encoding": coding})
        tags[coding] = head.headers["etag"]
    assert len(set(tags.values())) == 3
    other = {"accept-encoding": "gzip", "if-none-match": tags["br"]}
    assert (await service.http.get("/assets/index-1.js", headers=other)).status_code == 200


async def test_what_was_zipped_unzips_to_the_same(service: Service) -> None:
    answer = await service.http.get("/assets/index-1.js", headers={"accept-encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == SCRIPT


@pytest.mark.parametrize(
    "name",
    [
        "index-2.js", "index-1.js.br", "index-1.js.gz", "later-1.js.map", "../index.html", "..%2findex.html", "%00", "", ".",
        "../.vite/manifest.json", "../manifest.json", "manifest.json", "index-1.js/", "/etc/passwd", "../../data/snapasset.db", "index.html",
    ],
)  # fmt: skip
@pytest.mark.parametrize("headers", [{}, AS_BROWSER], ids=["program", "browser"])
async def test_an_unknown_asset_is_a_problem_and_never_a_page(
    service: Service, name: str, headers: dict[str, str]
) -> None:
    answer = await service.http.get(f"/assets/{name}", headers=headers)
    assert problem(answer) == NOTHING
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/jobs/x", "/jobs/x/", "/generations/0198-abc"])
async def test_a_browser_on_its_way_to_a_view_gets_the_first_page(service: Service, path: str) -> None:
    page = await service.http.get(path, headers=AS_BROWSER)
    assert (page.status_code, page.text) == (200, INDEX)
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["vary"] == "accept"
    assert page.headers["content-security-policy"].startswith("default-src 'self'; img-src")
    again = await service.http.get(path, headers={**AS_BROWSER, "if-none-match": page.headers["etag"]})
    assert again.status_code == 304
    head = await service.http.head(path, headers=AS_BROWSER)
    assert (head.status_code, head.headers["etag"]) == (200, page.headers["etag"])


@pytest.mark.parametrize(
    "path", ["/nothing", "/a/b/c/", "/jobs", "/jobs/", "/jobs//x", "/jobs/x/y", "/generations/x/y", "/healthy"]
)
async def test_where_there_is_no_view_the_page_says_so_and_its_status_too(service: Service, path: str) -> None:
    page = await service.http.get(path, headers=AS_BROWSER)
    assert (page.status_code, page.text) == (404, INDEX)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (page.headers["cache-control"], page.headers["vary"]) == ("no-cache", "accept")
    assert page.headers["content-security-policy"].startswith("default-src 'self'; img-src")
    known = {"if-none-match": (await service.http.get("/")).headers["etag"]}
    assert (await service.http.get(path, headers=AS_BROWSER | known)).status_code == 404


def test_the_views_are_those_that_the_studio_knows() -> None:
    ours = (FOLDER.parent / "src" / "app" / "address.ts").read_text("utf-8")
    [known] = re.findall(r"^const WORK = /\^(.*)\$/;$", ours, re.MULTILINE)
    pattern = known.replace("\\/", "/")
    for path in (
        "/jobs/x",
        "/jobs/x/",
        "/generations/x",
        "/jobs",
        "/jobs/",
        "/jobs//x",
        "/jobs/x/y",
        "/jobsx/y",
        "/x/jobs/y",
    ):
        assert bool(re.fullmatch(pattern, path)) == is_view(path), path


@pytest.mark.parametrize(
    "accepted", ["application/json", "application/problem+json, image/*", "text/html;q=0, */*", "text/plain"]
)
async def test_who_takes_no_page_gets_a_problem_at_the_beginning_too(
    service: Service, tmp_path: Path, accepted: str
) -> None:
    assert problem(await service.http.get("/", headers={"accept": accepted})) == NOTHING
    async with opened(settings_for(tmp_path / "without")) as without:
        assert problem(await without.http.get("/", headers={"accept": accepted})) == NOTHING


@pytest.mark.parametrize("accepted", ["*/*", "text/*", "application/json, */*;q=0.1", "", "nonsense"])
async def test_who_takes_anything_gets_the_page_at_the_beginning(
    service: Service, tmp_path: Path, accepted: str
) -> None:
    page = await service.http.get("/", headers={"accept": accepted})
    assert (page.status_code, page.headers["vary"]) == (200, "accept")
    async with opened(settings_for(tmp_path / "without")) as without:
        page = await without.http.get("/", headers={"accept": accepted})
        assert (page.status_code, page.headers["vary"]) == (200, "accept")


@pytest.mark.parametrize("accepted", ["*/*", "application/json", "image/avif,*/*;q=0.8", "text/html;q=0, */*"])
async def test_a_program_gets_a_problem_there(service: Service, accepted: str) -> None:
    for path in ("/jobs/x", "/nothing"):
        assert problem(await service.http.get(path, headers={"accept": accepted})) == NOTHING


@pytest.mark.parametrize(
    "path",
    [
        "/api", "/api/", "/api/nothing", "/api/jobs/x/y", "/health/nothing", "/page/nothing.js", "/page", "/metrics/x",
        "/assets", "/openapi.json/x", "/favicon.ico", "/manifest.json", "/jobs/index-1.js.map", "/.env", "/wp-login.php",
    ],
)  # fmt: skip
async def test_what_means_something_here_is_no_view_of_the_studio(service: Service, path: str) -> None:
    assert problem(await service.http.get(path, headers=AS_BROWSER)) == NOTHING


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_only_looking_leads_to_a_view(service: Service, method: str) -> None:
    assert problem(await service.http.request(method, "/jobs/x", headers=AS_BROWSER)) == NOTHING


async def test_methods_and_known_addresses_answer_as_without_a_studio(service: Service) -> None:
    refused = await service.http.get("/api/jobs/x/cancel", headers=AS_BROWSER)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert (await service.http.get("/health/live", headers=AS_BROWSER)).headers["content-type"] == "application/json"
    assert (await service.http.get("/page/index.html", headers=AS_BROWSER)).status_code == 200


async def test_without_a_studio_the_page_stands_in_its_place(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path)) as service:
        assert 'src="/page/app.js"' in (await service.http.get("/")).text
        for path in ("/jobs/x", "/nothing", "/assets/index-1.js"):
            assert problem(await service.http.get(path, headers=AS_BROWSER)) == NOTHING


def test_what_was_not_built_is_no_studio(tmp_path: Path, built: Path) -> None:
    assert read_studio(tmp_path / "nothing") is None
    (built / "index.html").unlink()
    assert read_studio(built) is None


@pytest.mark.parametrize("lost", ["assets/index-1.js", "assets/index-1.css", "assets/icon-1.svg"])
def test_half_a_studio_is_none_and_it_is_said(built: Path, lost: str, caplog: pytest.LogCaptureFixture) -> None:
    (built / lost).unlink()
    assert read_studio(built) is None
    [said] = caplog.records
    assert said.getMessage() == "the studio is incomplete; the plain page is served"
    assert json.dumps(vars(said)["missing"]) == json.dumps([lost.removeprefix("assets/")])


def test_a_studio_without_its_folder_of_files_is_none(built: Path) -> None:
    shutil.rmtree(built / "assets")
    assert read_studio(built) is None
    (built / "assets").mkdir()
    (built / "index.html").write_text("<!doctype html>")
    assert read_studio(built) is None


def test_a_folder_that_cannot_be_read_is_said(built: Path, caplog: pytest.LogCaptureFixture) -> None:
    (built / "index.html").unlink()
    (built / "index.html").mkdir()
    assert read_studio(built) is None
    assert [record.getMessage() for record in caplog.records] == ["the studio cannot be read; the plain page is served"]


def test_a_file_that_lost_its_smaller_forms_is_served_as_it_is(built: Path) -> None:
    (built / "assets" / "index-1.js.br").unlink()
    assert set(whole(built).assets["index-1.js"].forms) == {None, "gzip"}


def test_it_is_looked_for_where_it_is_built() -> None:
    assert FOLDER.parts[-2:] == ("web", "dist")
