"""Files, to their owner only; and the page's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from server.file_urls import FileUrls
from snapasset.errors import StorageUnavailable
from snapasset.job import new_id
from snapasset.records.files import FileRow
from snapasset.records.steps import FinishStep
from snapasset.storage.kept import KeptStorage
from snapasset.storage.local import LocalStorage
from tests.contracts.record_backends import Do
from tests.server.described import Described
from tests.server.service import ALICE, addressed, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.server.service import Service

BYTES = bytes(range(256)) * 1_000


async def stored(
    service: Service,
    name: str = "instagram-post",
    content_type: str = "image/jpeg",
    data: bytes | None = BYTES,
    role: str = "rendition",
) -> str:
    """A file of Alice's, in the record, and in the storage unless it has no data."""
    await service.submit()
    job = await service.claim()
    await service.step(job)
    file = FileRow(new_id(), role, name, f"generations/{new_id()}/a.jpg", content_type, len(data or BYTES), 1, 1)
    if data is not None:
        await service.state["storage"].put(file.key, data, content_type)
    await service.state["database"].write(FinishStep(job.id, job.fence, "generate", "{}", 30, (file,)))
    await service.complete(job)
    return file.id


async def test_a_file_comes_whole_and_may_be_kept(service: Service) -> None:
    file_id = await stored(service)
    answer = await service.http.get(f"/api/files/{file_id}", headers=ALICE)
    assert (answer.status_code, answer.content) == (200, BYTES)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(BYTES))
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["content-disposition"] == 'inline; filename="instagram-post.jpg"'
    again = await service.http.get(f"/api/files/{file_id}", headers={**ALICE, "if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_over_a_real_connection_head_and_get_agree(service: Service) -> None:
    file_id = await stored(service)
    async with served(service) as port:
        at = f"http://127.0.0.1:{port}/api/files/{file_id}"
        async with httpx.AsyncClient(headers=ALICE) as http:
            got, head = await http.get(at), await http.head(at)
    assert got.content == BYTES
    assert head.content == b""
    for name in ("content-type", "content-length", "etag", "content-disposition"):
        assert head.headers[name] == got.headers[name]


async def test_a_file_can_be_asked_for_as_a_download(service: Service) -> None:
    file_id = await stored(service)
    answer = await service.http.get(f"/api/files/{file_id}?download=1", headers=ALICE)
    assert answer.headers["content-disposition"] == 'attachment; filename="instagram-post.jpg"'


@pytest.mark.parametrize(
    "content_type", ["image/svg+xml", "text/html", "image/jpeg; x=<script>", "application/pdf", ""]
)
async def test_what_is_no_picture_is_never_shown(service: Service, content_type: str) -> None:
    file_id = await stored(service, content_type=content_type)
    answer = await service.http.get(f"/api/files/{file_id}", headers=ALICE)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "shown"),
    [('a"; x="b', "a-x-b.jpg"), ("../../etc/passwd", "..-..-etc-passwd.jpg"), ("a\r\nset-cookie: b", "a-set-cookie-b.jpg"),
     ("ä" * 9, "-.jpg"), ("x" * 300, f"{'x' * 80}.jpg"), ("", "file.jpg")],
)  # fmt: skip
async def test_a_file_name_cannot_break_its_header(service: Service, name: str, shown: str) -> None:
    file_id = await stored(service, name=name)
    answer = await service.http.get(f"/api/files/{file_id}", headers=ALICE)
    assert answer.headers["content-disposition"] == f'inline; filename="{shown}"'


async def test_a_file_that_the_storage_lost_is_gone(service: Service) -> None:
    file_id = await stored(service, data=None)
    answer = await service.http.get(f"/api/files/{file_id}", headers=ALICE)
    assert (answer.status_code, answer.json()["code"]) == (410, "file_missing")


async def test_a_preview_that_is_being_removed_is_not_there(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    file_id = await stored(service, data=None, role="preview")
    answer = await service.http.get(f"/api/files/{file_id}", headers=ALICE)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_empty_file_is_a_file(service: Service) -> None:
    file_id = await stored(service, data=b"")
    answer = await service.http.get(f"/api/files/{file_id}", headers=ALICE)
    assert answer.status_code in (200, 410)


async def test_a_file_that_the_record_keeps_for_its_storage_is_served_like_any_other(service: Service) -> None:
    database, storage = service.state["database"], service.state["storage"]
    service.state["storage"] = KeptStorage(storage, database)
    job_id = await service.submit()
    job = await service.claim()
    await service.step(job)
    key = f"generations/{job.generation_id}/a.jpg"
    file = FileRow(new_id(), "master", "master", key, "image/jpeg", len(BYTES), 1, 1, data=BYTES)
    await database.write(FinishStep(job.id, job.fence, "generate", "{}", 30, (file,), "{}"))
    await service.complete(job, {"master": {"fileId": file.id}})
    assert await storage.find(key) is None
    told = (await service.job(job_id))["result"]["master"]
    answer = await service.http.get(told["url"])
    assert (answer.status_code, answer.content) == (200, BYTES)
    assert told["urlExpiresAt"]
    zipped = await service.http.get(f"/api/generations/{job.generation_id}/zip?master=true", headers=ALICE)
    assert BYTES in zipped.content


async def test_one_that_the_storage_does_not_take_is_told_of_by_health(service: Service) -> None:
    database = service.state["database"]
    service.state["storage"] = KeptStorage(service.state["storage"], database)
    job = await service.claim() if await service.submit() else None
    assert job is not None
    await service.step(job)
    file = FileRow(new_id(), "master", "master", "generations/g/a.jpg", "image/jpeg", len(BYTES), 1, 1, data=BYTES)
    await database.write(FinishStep(job.id, job.fence, "generate", "{}", 30, (file,), "{}"))
    await database.write(Do("UPDATE blobs SET created_at = created_at - 180000"))
    body = (await service.http.get("/health")).json()
    Described((await service.http.get("/openapi.json")).json()).check_as("Health", body)
    storage = body["services"]["storage"]
    assert storage["status"] == "ok"
    assert "1, with" in storage["why"]
    assert "the oldest for 3 min" in storage["why"]


class Cut(LocalStorage):
    """A storage that goes away in the middle of a file."""

    async def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        yield (await self.get(key))[:chunk_size]
        raise StorageUnavailable


async def test_a_file_that_breaks_off_is_not_taken_for_whole(service: Service, tmp_path: Path) -> None:
    service.state["storage"] = storage = Cut(tmp_path / "cut")
    file_id = await stored(service)
    async with served(service) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get(f"/api/files/{file_id}", headers=ALICE)
        assert (await http.get("/health/live")).status_code == 200
    await storage.close()


@pytest.mark.parametrize("file_id", ["x", "..%2f..%2fsnapasset.db", "%00", "a" * 3_000, "%27--"])
async def test_an_odd_id_is_not_found(service: Service, file_id: str) -> None:
    answer = await service.http.get(f"/api/files/{file_id}", headers=ALICE)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_addresses_stand_beside_ids_and_nowhere_else() -> None:
    value = {
        "fileId": "0-1",
        "list": [{"fileId": "0-2", "width": 1}, {"other": "fileId"}],
        "said": 'a prompt that says "fileId":"0-3" and \\"fileId\\": \\"0-4\\"',
        'odd"fileId':"0-5",
        "fileId2": "0-6",
        "deep": {"fileId": None},
    }  # fmt: skip
    urls = FileUrls(b"a secret of this test", 3_600, lambda: 3_601)
    for text in (json.dumps(value), json.dumps(value, separators=(",", ":")), json.dumps(value, indent=2)):
        told = json.loads(urls.sign(text))
        for place, file_id in ((told, "0-1"), (told["list"][0], "0-2")):
            assert addressed(place.pop("url")) == file_id
            assert place.pop("urlExpiresAt") == "1970-01-01T03:00:00.000Z"
        assert told == value
    assert urls.sign('{"a":1}') == '{"a":1}'


async def test_the_page_is_served_and_asked_for_anew_each_time(service: Service) -> None:
    page = await service.http.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    again = await service.http.get("/", headers={"if-none-match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_all_that_the_page_names_is_there(service: Service) -> None:
    page = (await service.http.get("/")).text
    named = {part.split('"')[0] for part in page.split('"/page/')[1:]}
    assert named
    types = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
    for name in named:
        answer = await service.http.get(f"/page/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["content-type"] == types[name.rpartition(".")[2]]


@pytest.mark.parametrize(
    "name", ["..%2fapp.py", "%2e%2e/auth.py", "nothing.js", "index.html/", ".", "%00", "/etc/passwd"]
)
async def test_nothing_else_is_served(service: Service, name: str) -> None:
    answer = await service.http.get(f"/page/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
