"""The gallery: what was made, newest first, told apart from the jobs that made it, and removed for good when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import StorageFailed, StorageQuotaExceeded, StorageUnavailable
from snapasset.job import new_id
from snapasset.records.jobs import GetJob
from snapasset.storage.local import LocalStorage
from tests.server.described import Described
from tests.server.service import ALICE, BOB, GOOD, Service, addressed, opened, settings_for
from worker.removals import Removals
from worker.storeroom import Storeroom

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    import httpx

MADE = {
    "model": "sketch",
    "simulated": True,
    "source": "sketch",
    "understood": "sea, dusk",
    "focalPoint": {"x": 0.5, "y": 1},
}


async def generation(service: Service, generation_id: str) -> Any:
    return await service.get(f"/api/generations/{generation_id}")


async def _begun(service: Service) -> tuple[str, str]:
    """The ids of a job that waits, and of its generation."""
    answer = await service.http.post("/api/jobs/image-generation", json=GOOD, headers=ALICE)
    return answer.json()["jobId"], answer.json()["generationId"]


async def _remove(service: Service, generation_id: str, who: dict[str, str] = ALICE) -> httpx.Response:
    return await service.http.delete(f"/api/generations/{generation_id}", headers=who)


def _file(told: Any, file_id: str, size: int) -> dict[str, Any]:
    """What is told of a file, its address apart, once that is seen to be its own."""
    assert addressed(told.pop("url")) == file_id
    assert told.pop("urlExpiresAt").endswith(":00:00.000Z")
    plain = {"fileId": file_id, "contentType": "image/jpeg", "size": size, "width": 20, "height": 10}
    assert {name: told[name] for name in plain} == plain
    return {name: value for name, value in told.items() if name not in plain}


async def test_a_generation_as_it_is_shown(service: Service) -> None:
    made = await service.make("master", "thumbnail", "open-graph", "instagram-post", made=MADE)
    told = await generation(service, made.generation_id)
    at = f"/api/generations/{made.generation_id}"
    assert _file(told.pop("master"), made.files["master"].id, 6) == {}
    assert _file(told.pop("thumbnail"), made.files["thumbnail"].id, 9) == {}
    images = told.pop("images")
    for image, name in zip(images, ("open-graph", "instagram-post"), strict=True):
        rest = _file(image, made.files[name].id, len(name))
        assert rest.pop("createdAt").endswith("Z")
        assert rest == {"platform": name, "fit": "cover", "quality": 80}
    job = await service.job(made.job_id)
    assert told == {
        "generationId": made.generation_id,
        "jobId": made.job_id,
        "createdAt": job["createdAt"],
        "status": "completed",
        "request": job["data"],
        "made": MADE,
        "links": {"self": at, "renditions": f"{at}/renditions", "zip": f"{at}/zip"},
    }


async def test_one_that_has_hardly_begun_has_nothing_to_show(service: Service) -> None:
    _, generation_id = await _begun(service)
    told = await generation(service, generation_id)
    assert told["status"] == "running"
    assert [told[name] for name in ("master", "thumbnail", "images", "made")] == [None, None, [], None]


async def test_its_status_follows_its_job(service: Service) -> None:
    job_id, generation_id = await _begun(service)

    async def status() -> str:
        return (await generation(service, generation_id))["status"]

    async def again() -> None:
        await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)

    assert await status() == "running"
    job = await service.claim()
    assert await status() == "running"
    await service.fail(job)
    assert await status() == "failed"
    await again()
    assert await status() == "running"
    await service.http.delete(f"/api/jobs/{job_id}", headers=ALICE)
    assert await status() == "cancelled"
    await again()
    await service.complete(await service.claim())
    assert await status() == "completed"


async def test_of_each_platform_the_newest_picture_counts(service: Service) -> None:
    made = await service.make("master", "open-graph", "instagram-post")
    body = {"platforms": ["open-graph"]}
    answer = await service.http.post(f"/api/generations/{made.generation_id}/renditions", json=body, headers=ALICE)
    assert answer.status_code == 202
    job = await service.claim("image-renditions")
    newer = await service.picture(job, "open-graph", b"a newer one", {"fit": "contain", "quality": 70})
    told = await generation(service, made.generation_id)
    assert told["status"] == "completed"  # the job that cuts more from it is another one
    await service.complete(job)
    told = await generation(service, made.generation_id)
    assert {image["platform"]: image["fileId"] for image in told["images"]} == {
        "open-graph": newer.id,
        "instagram-post": made.files["instagram-post"].id,
    }
    shown = next(image for image in told["images"] if image["platform"] == "open-graph")
    assert (shown["fit"], shown["quality"], shown["size"]) == ("contain", 70, 11)
    assert (told["jobId"], told["status"]) == (made.job_id, "completed")
    old = made.files["open-graph"].id
    assert (await service.http.get(f"/api/files/{old}", headers=ALICE)).content == b"open-graph"


async def test_they_are_listed_newest_first_page_by_page(service: Service) -> None:
    made = [(await service.make("open-graph")).generation_id for _ in range(6)]
    _, running = await _begun(service)
    made.append(running)
    await service.submit(who=BOB)
    found: list[Any] = []
    cursor = ""
    for size in (3, 3, 1):
        page = await service.get(f"/api/generations?limit=3{cursor}")
        assert len(page["generations"]) == size
        found += page["generations"]
        cursor = f"&cursor={page['nextCursor']}"
    assert [one["generationId"] for one in found] == made[::-1]
    assert cursor == "&cursor=None"
    assert (await service.get("/api/generations?limit=7"))["nextCursor"] is None
    assert [len(one["images"]) for one in found] == [0, *[1] * 6]
    for one in found:
        assert one == await generation(service, one["generationId"])


async def test_new_ones_do_not_move_the_pages(service: Service) -> None:
    made = [(await _begun(service))[1] for _ in range(4)]
    first = await service.get("/api/generations?limit=2")
    await _begun(service)
    second = await service.get(f"/api/generations?limit=2&cursor={first['nextCursor']}")
    listed = [*first["generations"], *second["generations"]]
    assert [one["generationId"] for one in listed] == made[::-1]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("cursor=x", "cursor"),
        ("status=failed", "status"),
    ],
)
async def test_a_bad_query_is_named(service: Service, query: str, field: str) -> None:
    for who in (ALICE, {}):
        answer = await service.http.get(f"/api/generations?{query}", headers=who)
        assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])


async def test_nobody_and_others_have_none_of_mine(service: Service) -> None:
    await service.make("open-graph")
    for who in ({}, BOB):
        assert await service.get("/api/generations", who) == {"generations": [], "nextCursor": None}


@pytest.mark.parametrize("generation_id", ["x", "%00", "a" * 3_000, "%27--", "..%2fx"])
async def test_an_odd_id_is_not_found(service: Service, generation_id: str) -> None:
    for method, ending in (("GET", ""), ("DELETE", ""), ("GET", "/zip")):
        answer = await service.http.request(method, f"/api/generations/{generation_id}{ending}", headers=ALICE)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def _gone(service: Service, generation_id: str, file_ids: Collection[str], urls: Collection[str]) -> None:
    """Nothing of a generation can be seen or begun by anybody, not even by a signed address."""
    at = f"/api/generations/{generation_id}"
    asked = [("GET", at, None), ("GET", f"{at}/zip", None), ("POST", f"{at}/renditions", {"platforms": ["open-graph"]})]
    asked += [("GET", url, None) for url in (*urls, *(f"/api/files/{file_id}" for file_id in file_ids))]
    for method, path, body in asked:
        answer = await service.http.request(method, path, json=body, headers=ALICE)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    assert (await service.get("/api/generations"))["generations"] == []


async def _stored(service: Service) -> list[str]:
    return [file.key async for file in service.state["storage"].list()]


async def test_what_is_removed_is_gone_for_good(service: Service) -> None:
    made = await service.make("master", "thumbnail", "open-graph")
    told = await generation(service, made.generation_id)
    urls = [told[name]["url"] for name in ("master", "thumbnail")] + [told["images"][0]["url"]]
    answer = await _remove(service, made.generation_id)
    assert (answer.status_code, answer.content) == (204, b"")
    assert await _stored(service) == []
    await _gone(service, made.generation_id, [file.id for file in made.files.values()], urls)
    assert (await _remove(service, made.generation_id)).status_code == 404
    assert (await service.job(made.job_id))["status"] == "completed"  # its job has a life of its own


async def test_pictures_of_others_stay(service: Service) -> None:
    gone, stays, theirs = [await service.make("open-graph", who=who) for who in (ALICE, ALICE, BOB)]
    assert (await _remove(service, gone.generation_id)).status_code == 204
    assert sorted(await _stored(service)) == sorted(made.files["open-graph"].key for made in (stays, theirs))
    for made, who in ((stays, ALICE), (theirs, BOB)):
        assert (await service.get(f"/api/generations/{made.generation_id}", who))["images"]


async def test_a_stranger_removes_nothing(service: Service) -> None:
    made = await service.make("open-graph")
    for who in (BOB, {}):
        answer = await _remove(service, made.generation_id, who)
        missing = await _remove(service, new_id(), who)
        assert (answer.status_code, answer.json()["detail"]) == (missing.status_code, missing.json()["detail"])
        assert answer.status_code == 404
    assert (await generation(service, made.generation_id))["images"]


async def test_another_site_removes_nothing_with_a_visitors_cookie(service: Service) -> None:
    made = await service.make("open-graph")
    headers = {"cookie": f"snapasset_session={ALICE['x-session-id']}", "sec-fetch-site": "cross-site"}
    assert (await _remove(service, made.generation_id, headers)).status_code == 403
    assert (await generation(service, made.generation_id))["images"]


@pytest.mark.parametrize("state", ["waiting", "active", "more"])
async def test_while_a_job_works_on_it_it_stays(service: Service, state: str) -> None:
    if state == "more":
        generation_id = (await service.make("master", "open-graph")).generation_id
        body = {"platforms": ["open-graph"]}
        answer = await service.http.post(f"/api/generations/{generation_id}/renditions", json=body, headers=ALICE)
        job_id = answer.json()["jobId"]
    else:
        job_id, generation_id = await _begun(service)
        if state == "active":
            await service.claim()
    answer = await _remove(service, generation_id)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert (await generation(service, generation_id))["generationId"] == generation_id
    if state == "active":
        job = await service.state["database"].read(GetJob(job_id))
        assert job is not None
        await service.complete(job)
    else:
        await service.http.delete(f"/api/jobs/{job_id}", headers=ALICE)
    assert (await _remove(service, generation_id)).status_code == 204


async def test_a_job_whose_pictures_are_gone_cannot_be_tried_again(service: Service) -> None:
    job_id, generation_id = await _begun(service)
    await service.fail(await service.claim())
    await _remove(service, generation_id)
    answer = await service.http.post(f"/api/jobs/{job_id}/retry", headers=ALICE)
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


class Stuck(LocalStorage):
    """A storage that removes nothing while it is `stuck`, and says `why`."""

    stuck = True
    why: type[Exception] = StorageUnavailable

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        if self.stuck:
            raise self.why
        return await super().delete(keys)


async def test_while_the_storage_is_away_nobody_sees_it_and_the_files_go_later(tmp_path: Path) -> None:
    """And whether or not anything is ever cleaned up."""
    settings = settings_for(tmp_path)
    storage = Stuck(tmp_path / "files")
    async with opened(settings, storage=storage) as service:
        made = await service.make("master", "open-graph")
        told = await generation(service, made.generation_id)
        urls = [told["master"]["url"], told["images"][0]["url"]]
        described = Described((await service.http.get("/openapi.json")).json())
        for _ in range(2):
            answer = await _remove(service, made.generation_id)
            told = described.body("/api/generations/{generationId}", "delete", 202, answer.text)
            assert (answer.status_code, told) == (202, {"generationId": made.generation_id, "status": "removing"})
        file_ids = [file.id for file in made.files.values()]
        await _gone(service, made.generation_id, file_ids, urls)
        assert len(await _stored(service)) == 2
        assert (await _remove(service, made.generation_id, BOB)).status_code == 404
        removals = Removals(Storeroom(service.state["database"], storage))
        await removals.tick()
        assert len(await _stored(service)) == 2
        storage.stuck = False
        other = await service.make("open-graph", who=BOB)
        await removals.tick()
        assert await _stored(service) == [other.files["open-graph"].key]
        await _gone(service, made.generation_id, file_ids, urls)
        assert (await _remove(service, made.generation_id)).status_code == 404


@pytest.mark.parametrize("why", [StorageQuotaExceeded, StorageFailed])
async def test_a_storage_too_full_to_remove_anything_is_as_good_as_away(tmp_path: Path, why: type[Exception]) -> None:
    storage = Stuck(tmp_path / "files")
    storage.why = why
    async with opened(settings_for(tmp_path), storage=storage) as service:
        made = await service.make("master")
        assert (await _remove(service, made.generation_id)).status_code == 202
        removals = Removals(Storeroom(service.state["database"], storage))
        with pytest.raises(StorageUnavailable):
            await removals.tick()
        storage.stuck = False
        await removals.tick()
        assert await _stored(service) == []
