"""More pictures from a master that is there already: nothing is generated again, and nothing is paid."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from snapasset.errors import BadPicture, NotFound
from snapasset.job import Status
from snapasset.job_type import Access
from snapasset.records.generations import Generation, GetGeneration
from snapasset.settings import Settings
from tests.worker.engine import OWNER, Engine, engine
from tests.worker.processors.pictures import SMALL, Studio, wanted
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation
from worker.processors.image_renditions import CutAgain, image_renditions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KINDS = (image_generation(Settings(), PLATFORMS), image_renditions(PLATFORMS))
A, B, C, _ = SMALL


@pytest.fixture
async def studio(tmp_path: Path) -> AsyncIterator[Studio]:
    async with Studio(tmp_path) as opened:
        yield opened


async def generated(e: Engine, *platforms: str) -> str:
    """A generation that is complete."""
    job = await e.submit("image-generation", wanted(*platforms))
    await e.final(job)
    return (await e.job(job)).generation_id or ""


async def cut_again(e: Engine, generation_id: str, *platforms: str, **cut: Any) -> dict[str, Any]:
    args = KINDS[1].args.model_validate_json(json.dumps({"generationId": generation_id, "platforms": platforms, **cut}))
    return await e.final(await e.submit("image-renditions", args))


async def kept(e: Engine, generation_id: str) -> Generation:
    generation = await e.database.read(GetGeneration(generation_id, OWNER))
    assert generation is not None
    return generation


async def pixel(studio: Studio, e: Engine, generation_id: str, platform: str, at: tuple[int, int]) -> Any:
    """A pixel of the newest picture for a platform."""
    (file,) = [file for file in (await kept(e, generation_id)).files if file.name == platform]
    with Image.open(BytesIO(await studio.shelf.get(file.key))) as image:
        return image.convert("RGB").getpixel(at)


async def test_other_platforms_are_cut_from_the_same_master_for_nothing(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, *KINDS, tools=studio.tools) as e:
        generation_id = await generated(e, A)
        last = await cut_again(e, generation_id, B, C)
        assert last["status"] == Status.COMPLETED
        assert last["result"]["generationId"] == generation_id
        assert [image["platform"] for image in last["result"]["images"]] == [B, C]
        names = [file.name for file in (await kept(e, generation_id)).files]
        assert sorted(names) == sorted(["master", "thumbnail", A, B, C])
    assert studio.painter.bills == 1


async def test_another_focal_point_moves_the_crop_and_the_newest_picture_counts(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, *KINDS, tools=studio.tools) as e:
        generation_id = await generated(e, "pinterest-pin")
        before = {file.id for file in (await kept(e, generation_id)).files}
        await cut_again(e, generation_id, "pinterest-pin", focalPoint={"x": 0, "y": 0.5})
        left = await pixel(studio, e, generation_id, "pinterest-pin", (5, 700))
        await cut_again(e, generation_id, "pinterest-pin", focalPoint={"x": 1, "y": 0.5})
        right = await pixel(studio, e, generation_id, "pinterest-pin", (5, 700))
        after = {file.id for file in (await kept(e, generation_id)).files}
        assert len(after) == len(before)
        assert len(after - before) == 1
    assert left[0] < right[0]  # red tells how far from the left a pixel of the master was


async def test_what_was_really_done_is_told_and_kept(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, *KINDS, tools=studio.tools) as e:
        generation_id = await generated(e, A)
        narrow = await cut_again(e, generation_id, "linkedin-cover")
        centred = await cut_again(e, generation_id, "linkedin-cover", fit="centre")
        assert [narrow["result"]["images"][0]["fit"], centred["result"]["images"][0]["fit"]] == ["contain", "centre"]
        (file,) = [file for file in (await kept(e, generation_id)).files if file.name == "linkedin-cover"]
        assert json.loads(file.details or "")["fit"] == "centre"


async def test_a_background_lies_under_what_is_fitted_in(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, *KINDS, tools=studio.tools) as e:
        generation_id = await generated(e, A)
        await cut_again(e, generation_id, "facebook-story", fit="contain", background="#ff0000")
        red, green, blue = await pixel(studio, e, generation_id, "facebook-story", (540, 20))
        assert (red > 240, green < 15, blue < 15) == (True, True, True)


async def test_one_that_fails_leaves_the_others_and_the_generation_as_it_was(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, *KINDS, tools=studio.tools) as e:
        generation_id = await generated(e, A)
        studio.press.failures[B] = BadPicture("Not this one.")
        last = await cut_again(e, generation_id, B, C)
        assert [image["status"] for image in last["result"]["images"]] == ["failed", "completed"]
        studio.press.failures[C] = BadPicture("Nor this.")
        assert (await cut_again(e, generation_id, B, C))["error"]["code"] == "bad_picture"
        assert (await kept(e, generation_id)).outcome == "completed"


async def test_a_stranger_s_generation_is_none(tmp_path: Path, studio: Studio):
    async with engine(tmp_path, *KINDS, tools=studio.tools) as e:
        generation_id = await generated(e, A)
        args = CutAgain(generation_id=generation_id, platforms=(B,))
        with pytest.raises(NotFound):
            await e.client.submit("image-renditions", args, owner="session:stranger", access=Access.SESSION)


async def test_a_generation_without_a_master_fails_with_a_name(tmp_path: Path, studio: Studio):
    studio.painter.data = b"no picture"
    async with engine(tmp_path, *KINDS, tools=studio.tools, workers=0) as e:
        job = await e.client.submit("image-generation", wanted(A), owner=OWNER, access=Access.SESSION)
        await e.client.cancel(job.id, owner=OWNER)
        await e.start()
        last = await cut_again(e, job.generation_id or "", B)
        assert last["error"]["code"] == "file_missing"
