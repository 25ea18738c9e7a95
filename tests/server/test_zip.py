"""All pictures of a generation in one file, made while it is sent: it opens, it is bounded, it leaves nothing open."""

from __future__ import annotations

import asyncio
import io
import zipfile
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from server.zips import zipped
from snapasset.records.generations import KeptFile
from snapasset.storage.local import LocalStorage
from tests.server.service import ALICE, BOB, Service, opened, served, settings_for, wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

NAMES = ("master", "thumbnail", "open-graph", "instagram-post")
PIECE = 65_536


async def ask(service: Service, generation_id: str, query: str = "", who: dict[str, str] = ALICE) -> httpx.Response:
    return await service.http.get(f"/api/generations/{generation_id}/zip{query}", headers=who)


def entries(data: bytes) -> dict[str, bytes]:
    """What an archive holds, in its order, once it is seen to be sound."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len(set(names)) == len(names)
        return {name: archive.read(name) for name in names}


async def test_it_holds_the_pictures_under_their_names(service: Service) -> None:
    made = await service.make(*NAMES)
    answer = await ask(service, made.generation_id)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    name = f"snapasset-{made.generation_id[-12:]}.zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert entries(answer.content) == {"open-graph.jpg": b"open-graph", "instagram-post.jpg": b"instagram-post"}


async def test_its_entries_are_plain_files_of_their_time(service: Service) -> None:
    made = await service.make(*NAMES)
    told = await service.get(f"/api/generations/{made.generation_id}")
    answer = await ask(service, made.generation_id)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        for entry, image in zip(archive.infolist(), told["images"], strict=True):
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.file_size == entry.compress_size == image["size"]
            assert entry.external_attr >> 16 == 0o644
            moment = datetime.fromisoformat(image["createdAt"]).astimezone(UTC)
            assert entry.date_time == (*moment.timetuple()[:5], moment.second // 2 * 2)  # a zip counts in twos


async def test_only_the_platforms_asked_for_each_once_in_their_order(service: Service) -> None:
    made = await service.make(*NAMES)
    for query, names in {
        "?platforms=open-graph": ["open-graph.jpg"],
        "?platforms=instagram-post,open-graph": ["instagram-post.jpg", "open-graph.jpg"],
        "?platforms=instagram-post&platforms=open-graph": ["instagram-post.jpg", "open-graph.jpg"],
        "?platforms=open-graph,open-graph": ["open-graph.jpg"],
        "?platforms=": ["open-graph.jpg", "instagram-post.jpg"],
    }.items():
        assert list(entries((await ask(service, made.generation_id, query)).content)) == names, query


async def test_the_master_comes_when_it_is_asked_for(service: Service) -> None:
    made = await service.make(*NAMES)
    whole = entries((await ask(service, made.generation_id, "?master=true")).content)
    assert list(whole) == ["open-graph.jpg", "instagram-post.jpg", "master.jpg"]
    assert whole["master.jpg"] == b"master"
    one = entries((await ask(service, made.generation_id, "?master=true&platforms=open-graph")).content)
    assert list(one) == ["open-graph.jpg", "master.jpg"]
    assert "master.jpg" not in entries((await ask(service, made.generation_id, "?master=false")).content)


async def test_of_each_platform_the_newest_picture_is_in_it(service: Service) -> None:
    made = await service.make(*NAMES)
    path = f"/api/generations/{made.generation_id}/renditions"
    await service.http.post(path, json={"platforms": ["open-graph"]}, headers=ALICE)
    await service.picture(await service.claim("image-renditions"), "open-graph", b"a newer one")
    whole = entries((await ask(service, made.generation_id)).content)
    assert whole == {"instagram-post.jpg": b"instagram-post", "open-graph.jpg": b"a newer one"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?platforms=myspace", "platforms"), ("?platforms=open-graph,facebook-post", "platforms"),
        ("?platforms=master", "platforms"), ("?platforms=Open-Graph", "platforms"),
        (f"?platforms={'open-graph,' * 21}", "platforms"), (f"?platforms={'x' * 3_000}", "platforms"),
        ("?master=1", "master"), ("?master=", "master"), ("?platform=open-graph", "platform"),
    ],
)  # fmt: skip
async def test_a_bad_query_is_named(service: Service, query: str, field: str) -> None:
    made = await service.make(*NAMES)
    answer = await ask(service, made.generation_id, query)
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])
    assert len(answer.text) < 1_000


async def test_without_pictures_there_is_none(service: Service) -> None:
    only_master = await service.make("master")
    answer = await ask(service, only_master.generation_id)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert list(entries((await ask(service, only_master.generation_id, "?master=true")).content)) == ["master.jpg"]


async def test_a_strangers_is_not_found_whatever_is_asked_of_it(service: Service) -> None:
    made = await service.make(*NAMES)
    for who in (BOB, {}):
        for query in ("", "?platforms=myspace", "?nonsense=1"):
            assert (await ask(service, made.generation_id, query, who)).status_code == 404


async def test_a_picture_that_is_gone_is_named_in_a_text_and_the_rest_is_there(service: Service) -> None:
    made = await service.make(*NAMES)
    await service.state["storage"].delete([made.files["open-graph"].key])
    whole = entries((await ask(service, made.generation_id, "?master=true")).content)
    assert list(whole) == ["instagram-post.jpg", "master.jpg", "MISSING.txt"]
    assert whole["MISSING.txt"].decode().splitlines()[1:] == ["open-graph.jpg"]
    await service.state["storage"].delete([file.key for file in made.files.values()])
    assert list(entries((await ask(service, made.generation_id)).content)) == ["MISSING.txt"]


async def test_an_empty_picture_is_an_empty_entry(service: Service) -> None:
    await service.submit()
    job = await service.claim()
    await service.picture(job, "open-graph", b"")
    assert entries((await ask(service, job.generation_id or "")).content) == {"open-graph.jpg": b""}


async def test_head_tells_what_get_would_and_reads_nothing(tmp_path: Path) -> None:
    storage = Endless(tmp_path / "files")
    async with opened(settings_for(tmp_path), storage=storage) as service:
        made = await service.make("open-graph")
        async with served(service) as port, httpx.AsyncClient(headers=ALICE) as http:
            head = await http.head(f"http://127.0.0.1:{port}/api/generations/{made.generation_id}/zip")
    assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "application/zip")
    assert head.headers["content-disposition"].startswith("attachment; ")
    assert storage.begun == 0


class Endless(LocalStorage):
    """A storage whose files have `pieces` pieces, without an end by default, and that counts who reads."""

    def __init__(self, folder: Path, pieces: int = 10**9) -> None:
        super().__init__(folder)
        self.pieces = pieces
        self.begun = self.open = self.read = 0

    async def stream(self, key: str, chunk_size: int = PIECE) -> AsyncGenerator[bytes]:
        del key
        self.begun += 1
        self.open += 1
        try:
            for _ in range(self.pieces):
                self.read += chunk_size
                yield bytes(chunk_size)
                await asyncio.sleep(0)
        finally:
            self.open -= 1


def _kept(name: str) -> KeptFile:
    return KeptFile(name, "a", "rendition", name, name, "image/png", 1, 1, 1, None, 1_700_000_000_000)


async def test_no_more_than_a_piece_or_two_is_in_memory(tmp_path: Path) -> None:
    storage = Endless(tmp_path, pieces=50)
    sent = most = 0
    whole = io.BytesIO()
    async for piece in zipped(storage, [_kept("a"), _kept("b"), _kept("c")]):
        sent += len(piece)
        most = max(most, len(piece))
        assert storage.read - sent <= 2 * PIECE
        whole.write(piece)
    assert most <= 2 * PIECE + 1_000
    assert {name: len(data) for name, data in entries(whole.getvalue()).items()} == {
        f"{name}.png": 50 * PIECE for name in "abc"
    }
    assert storage.open == 0
    await storage.close()


async def test_a_reader_that_goes_away_leaves_no_file_open(tmp_path: Path) -> None:
    storage = Endless(tmp_path / "files")
    async with opened(settings_for(tmp_path), storage=storage) as service:
        made = await service.make("open-graph", "instagram-post")
        async with served(service) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            session = ALICE["x-session-id"]
            path = f"/api/generations/{made.generation_id}/zip"
            writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nx-session-id: {session}\r\n\r\n".encode())
            await reader.readexactly(3 * PIECE)
            assert storage.open == 1
            writer.close()
            await wait_until(lambda: storage.open == 0)
            assert storage.begun == 1


async def test_a_zip_that_is_given_up_leaves_no_file_open(tmp_path: Path) -> None:
    storage = Endless(tmp_path)
    async with aclosing(zipped(storage, [_kept("a")])) as pieces:
        await anext(pieces)
        await anext(pieces)
    await wait_until(lambda: storage.open == 0)
    await storage.close()


class Broken(Endless):
    """A storage that breaks in the middle of a file."""

    async def stream(self, key: str, chunk_size: int = PIECE) -> AsyncGenerator[bytes]:
        async for piece in super().stream(key, chunk_size):
            yield piece
        raise OSError("the disk is gone")


async def test_one_that_breaks_in_the_middle_does_not_pass_for_whole(tmp_path: Path) -> None:
    async with opened(settings_for(tmp_path), storage=Broken(tmp_path / "files", pieces=3)) as service:
        made = await service.make("open-graph")
        async with served(service) as port, httpx.AsyncClient(headers=ALICE) as http:
            with pytest.raises(httpx.RemoteProtocolError):
                await http.get(f"http://127.0.0.1:{port}/api/generations/{made.generation_id}/zip")
