"""`reuse`: a master that is there already is taken again, told as that, and is a file of its own from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import AnswerLost, StorageFailed, StorageUnavailable
from snapasset.job import Status
from snapasset.job_type import Access
from snapasset.records.generations import Condemn, Forget, GetGeneration
from snapasset.settings import Settings
from tests.worker.engine import OWNER, Engine, engine
from tests.worker.processors.pictures import SMALL, Painter, Studio, picture, wanted
from worker.images.fit import Fit
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation
from worker.providers import ImageType

if TYPE_CHECKING:
    from pathlib import Path

    from tests.worker.engine import Body

IMAGE = image_generation(Settings(), PLATFORMS)


async def make(e: Engine, owner: str = OWNER, **asked: Any) -> Body:
    """The end of a job that asks for this, with its generation's id."""
    args = wanted(*asked.pop("platforms", SMALL[:1]), **asked)
    job = await e.client.submit(IMAGE.kind, args, owner=owner, access=Access.ADMIN)
    last = await e.final(job.id)
    assert last["status"] == Status.COMPLETED, last
    return {**last, "generationId": job.generation_id}


def reused(last: Body) -> tuple[bool, str | None]:
    return last["result"]["reused"], last["result"]["reusedFrom"]


async def test_the_same_is_taken_again_and_costs_nothing(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        first = await make(e)
        assert reused(first) == (False, None)
        again = await make(e, reuse=True)
        assert reused(again) == (True, first["generationId"])
        assert ("cost" in first, "cost" in again) == (True, False)
        step = (await e.steps(again["jobId"]))["generate"]
        assert f'"reusedFrom":"{first["generationId"]}"' in (step.output or "")
        assert again["result"]["master"]["fileId"] != first["result"]["master"]["fileId"]
        assert [again["result"][name] for name in ("model", "understood", "simulated")] == [
            first["result"][name] for name in ("model", "understood", "simulated")
        ]
        third = await make(e, reuse=True)
        assert reused(third)[0] is True
    assert studio.painter.bills == 1


async def test_whoever_does_not_ask_for_it_gets_another(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        for _ in range(2):
            assert reused(await make(e)) == (False, None)
    assert studio.painter.bills == 2


@pytest.mark.parametrize(
    "other",
    [{"prompt": "another"}, {"seed": 7}, {"image_type": ImageType.NATURAL}, {"owner": "session:another"}],
    ids=lambda other: next(iter(other)),
)
async def test_what_differs_is_made_anew(tmp_path: Path, other: dict[str, Any]) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        await make(e)
        assert reused(await make(e, reuse=True, **other)) == (False, None)
        assert reused(await make(e, reuse=True, **other))[0] is True
    assert [request.seed for request in studio.painter.requests][-1] == other.get("seed", 0)
    assert studio.painter.bills == 2


async def test_another_model_or_quality_makes_another_picture(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        await make(e)
        for name, value in (("model", "painter-2"), ("quality", "high"), ("name", "another")):
            setattr(studio.painter, name, value)
            assert reused(await make(e, reuse=True)) == (False, None)
    assert studio.painter.bills == 4


async def test_how_it_is_cut_does_not_matter(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        await make(e)
        again = await make(e, reuse=True, platforms=SMALL[1:3], fit=Fit.CONTAIN)
        assert [image["platform"] for image in again["result"]["images"]] == list(SMALL[1:3])
    assert studio.painter.bills == 1


async def test_what_becomes_of_the_earlier_one_is_nothing_to_the_later(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        first = await make(e)
        again = await make(e, reuse=True)
        keys = await e.record.write(Condemn(first["generationId"], OWNER))
        await studio.shelf.delete(keys)
        await e.record.write(Forget(first["generationId"]))
        kept = await e.record.read(GetGeneration(again["generationId"], OWNER))
        assert kept is not None
        (master,) = [file for file in kept.files if file.role == "master"]
        assert await studio.shelf.get(master.key) == picture()
        assert reused(await make(e, reuse=True)) == (True, again["generationId"])
    assert studio.painter.bills == 1


async def test_one_that_is_being_removed_or_whose_file_is_gone_is_made_anew(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        first = await make(e)
        await e.record.write(Condemn(first["generationId"], OWNER))
        second = await make(e, reuse=True)
        assert reused(second) == (False, None)
        (key,) = [file.key for file in await e.files(second["jobId"]) if file.role == "master"]
        await studio.shelf.delete([key])
        assert reused(await make(e, reuse=True)) == (False, None)
    assert studio.painter.bills == 3


async def test_while_the_storage_is_away_nothing_is_paid_for_that_may_be_there(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        first, get, away = await make(e), studio.shelf.get, [StorageUnavailable()]

        async def gets(key: str) -> bytes:
            if away:
                raise away.pop()
            return await get(key)

        studio.shelf.get = gets
        again = await make(e, reuse=True)
        assert (reused(again), again["attempt"]) == ((True, first["generationId"]), 2)
    assert studio.painter.bills == 1


async def test_a_copy_that_cannot_be_stored_is_tried_again_and_never_doubted(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        await make(e)
        studio.shelf.refusals["master"] = [StorageFailed()]
        again = await make(e, reuse=True)
        assert (reused(again)[0], again["attempt"]) == (True, 2)
        assert (await e.steps(again["jobId"]))["generate"].doubts == 0
    assert studio.painter.bills == 1


async def test_what_was_made_in_an_earlier_attempt_is_not_said_to_be_taken_again(tmp_path: Path) -> None:
    painter = Painter(AnswerLost())
    async with Studio(tmp_path, painter) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        studio.shelf.refusals[SMALL[0]] = [StorageFailed()]
        last = await make(e, reuse=True)
        assert (reused(last), last["attempt"], painter.bills) == ((False, None), 3, 2)
        assert last["cost"]["calls"] == 2
