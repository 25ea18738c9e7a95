"""One master from words, and a picture for each platform: what comes of it, and what is told on the way."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from snapasset.event import FINAL
from snapasset.job import Status
from snapasset.settings import Settings
from tests.worker.engine import OWNER, Body, Engine, engine, within
from tests.worker.images.marks import read_source
from tests.worker.processors.pictures import MASTER, SMALL, Studio, wanted
from worker.images.platforms import PLATFORMS
from worker.images.provenance import SourceType
from worker.processors import catalogue
from worker.processors.image_generation import image_generation
from worker.providers import ImageType
from worker.providers.sketch import SketchProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

IMAGE = image_generation(Settings(), PLATFORMS)


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with Studio(tmp_path) as opened:
        yield opened


def pixels(data: bytes) -> tuple[str | None, tuple[int, int]]:
    with Image.open(BytesIO(data)) as image:
        image.load()
        return image.format, image.size


async def result_of(e: Engine, job: str) -> Body:
    result: Body = json.loads((await e.job(job)).result or "")
    return result


# --- what comes of it


async def test_every_platform_gets_its_picture_in_the_order_asked_for(tmp_path: Path, studio: Studio):
    names = PLATFORMS.names[::-1]
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit("image-generation", wanted(*names))
        last = await e.final(job)
        assert last["status"] == Status.COMPLETED
        result = last["result"]
        assert result == await result_of(e, job)
        assert [image["platform"] for image in result["images"]] == list(names)
        files = {file.id: file for file in await e.files(job)}
        for image in result["images"]:
            platform, file = PLATFORMS.get(image["platform"]), files[image["fileId"]]
            data = await studio.shelf.get(file.key)
            assert pixels(data) == (platform.format, (platform.width, platform.height))
            assert read_source(data) is SourceType.TRAINED
            assert (image["width"], image["height"], image["size"]) == (platform.width, platform.height, len(data))
            assert (file.role, file.name, file.size) == ("rendition", platform.name, len(data))
            assert image["status"] == "completed"
    assert studio.painter.bills == studio.press.decodes == 1
    assert set(studio.press.renders.values()) == {1}


async def test_the_master_is_kept_as_it_came_and_every_file_is_the_owner_s(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit("image-generation", wanted(SMALL[0]))
        result = (await e.final(job))["result"]
        generation = (await e.job(job)).generation_id
        files = await e.files(job)
        (master,) = (file for file in files if file.id == result["master"]["fileId"])
        assert await studio.shelf.get(master.key) == studio.painter.data
        assert (master.role, master.content_type) == ("master", "image/png")
        assert {(file.owner, file.generation_id) for file in files} == {(OWNER, generation)}
        assert all(file.key.startswith(f"generations/{generation}/") for file in files)
        assert {stored.key async for stored in studio.shelf.list()} == {file.key for file in files}
    assert result["master"] == {
        "fileId": master.id,
        "contentType": "image/png",
        "size": len(studio.painter.data),
        "width": MASTER.width,
        "height": MASTER.height,
    }
    assert (result["simulated"], result["model"], result["understood"]) == (False, "painter-1", "a gradient")


async def test_the_provider_is_asked_for_what_was_asked_for(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        args = wanted(SMALL[0], prompt="Ein Bild, bitte \N{SNOWFLAKE}").model_copy(
            update={"image_type": ImageType.NATURAL}
        )
        await e.final(await e.submit("image-generation", args))
    (request,) = studio.painter.requests
    assert (request.prompt, request.image_type) == ("Ein Bild, bitte \N{SNOWFLAKE}", ImageType.NATURAL)
    assert (request.width, request.height) == (MASTER.width, MASTER.height)


async def test_the_sketch_says_that_it_is_one(tmp_path: Path):
    async with Studio(tmp_path) as studio:
        studio.provider = SketchProvider(studio.pool)
        async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
            job = await e.submit("image-generation", wanted(SMALL[0], prompt="mountains at dusk"))
            result = (await e.final(job))["result"]
            assert result["simulated"] is True
            assert "mountain" in result["understood"]
            for file in await e.files(job):
                assert read_source(await studio.shelf.get(file.key)) is SourceType.ALGORITHMIC
            (generate,) = (body for body in e.story(job) if (body["step"], body.get("state")) == ("generate", "done"))
            assert generate["output"]["simulated"] is True


# --- what is told on the way


async def test_a_job_tells_its_steps_and_how_far_it_is(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, IMAGE, tools=studio.tools, workers=0) as e:
        job = await e.submit("image-generation", wanted(*SMALL))
        news = await e.news(job)
        await e.answer(e.executor(), "image-generation")
        bodies: list[dict[str, Any]] = [json.loads(item.body) for item in news]
    told = [(body["step"], body["state"], body["progress"]) for body in bodies if "state" in body]
    assert told[:6] == [
        ("generate", "started", 10),
        ("generate", "done", 40),
        ("decode", "started", 40),
        ("decode", "done", 47),
        ("thumbnail", "started", 47),
        ("thumbnail", "done", 50),
    ]
    assert {(step, state) for step, state, _ in told[6:]} == {
        (f"render:{name}", state) for name in SMALL for state in ("started", "done")
    }
    progress = [body["progress"] for body in bodies]
    assert progress == sorted(progress)
    assert (told[6][2], told[-1][2], progress[-1]) == (50, 95, 100)
    assert {body["progress"] for body in bodies if body.get("tick")} >= {25.0}


async def test_each_picture_can_be_shown_as_soon_as_it_is_ready(tmp_path: Path, studio: Studio):
    studio.press.hold(SMALL[1])
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit("image-generation", wanted(*SMALL[:2]))
        done = await e.event(job, step=f"render:{SMALL[0]}", state="done")
        image = done["output"]["image"]
        assert (image["platform"], image["status"]) == (SMALL[0], "completed")
        assert image["fileId"] in {file.id for file in await e.files(job)}
        assert (await e.job(job)).status == Status.ACTIVE
        studio.press.gates[SMALL[1]].set()
        last = await e.final(job)
    assert last["result"]["images"][0] == image


async def test_at_most_two_renditions_of_a_job_are_under_way_at_once(tmp_path: Path, studio: Studio):
    for name in SMALL[:2]:
        studio.press.hold(name)
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit("image-generation", wanted(*SMALL))
        for name in SMALL[:2]:
            await within(studio.press.reached[name].wait())
        for name in SMALL[:2]:
            studio.press.gates[name].set()
        await e.final(job)
    assert studio.press.most_at_once == 2


# --- cancelling


async def test_a_job_that_is_cancelled_between_renditions_keeps_those_it_has(tmp_path: Path, studio: Studio):
    for name in SMALL[1:]:
        studio.press.hold(name)
    async with engine(tmp_path, IMAGE, tools=studio.tools) as e:
        job = await e.submit("image-generation", wanted(*SMALL))
        await e.event(job, step=f"render:{SMALL[0]}", state="done")
        await within(studio.press.reached[SMALL[2]].wait())
        await e.client.cancel(job, owner=OWNER)
        for gate in studio.press.gates.values():
            gate.set()
        last = await e.event(job, type=FINAL)
        assert (last["status"], "result" in last) == (Status.CANCELLED, False)
        done = {step for step, row in (await e.steps(job)).items() if row.state == "done"}
        assert done == {"generate", "decode", "thumbnail", *(f"render:{name}" for name in SMALL[:3])}
        assert {file.name for file in await e.files(job)} == {"master", "thumbnail", *SMALL[:3]}
        # Tried again, only what is missing is made.
        await e.client.retry(job, owner=OWNER)
        again = await e.final(job, run=2)
        assert [image["status"] for image in again["result"]["images"]] == ["completed"] * 4
    assert studio.painter.bills == 1
    assert studio.press.renders == dict.fromkeys(SMALL, 1)


# --- the catalogue


def test_the_product_lists_its_kinds_and_none_that_are_for_tests():
    listed = {one.kind: (one.queue, one.attempts, one.generation) for one in catalogue(Settings())}
    assert listed == {
        "image-generation": ("image-generation", 3, "new"),
        "image-renditions": ("image-renditions", 3, "existing"),
        "file-cleanup": ("file-cleanup", 3, None),
    }
