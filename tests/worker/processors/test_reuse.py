"""`reuse`: a master that is there already is taken again, told as that, and is a file of its own from then on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import AnswerLost, NotEnoughCredits, SpendCapReached, StorageFailed, StorageUnavailable
from snapasset.event import ERROR
from snapasset.job import Status
from snapasset.job_type import Access
from snapasset.records.credits import GetCredits
from snapasset.records.generations import Condemn, Forget, GetGeneration
from snapasset.settings import Settings
from tests.worker.engine import OWNER, Engine, engine
from tests.worker.processors.pictures import SMALL, Painter, Studio, picture, wanted
from worker.images.fit import Fit
from worker.images.platforms import PLATFORMS
from worker.processors.image_generation import image_generation
from worker.providers import ImageType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.worker.engine import Body
    from worker.providers import ImageRequest

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


async def test_when_the_nearest_twin_s_file_is_gone_the_next_one_is_taken(tmp_path: Path) -> None:
    async with Studio(tmp_path) as studio, engine(tmp_path, IMAGE, tools=studio.tools) as e:
        first = await make(e)
        for _ in range(2):
            again = await make(e, reuse=True)
            (key,) = [file.key for file in await e.files(again["jobId"]) if file.role == "master"]
            await studio.shelf.delete([key])
        assert reused(await make(e, reuse=True)) == (True, first["generationId"])
    assert studio.painter.bills == 1


# --- where money is short


class Priced(Painter):
    """One whose pictures cost half a dollar."""

    def estimate(self, request: ImageRequest) -> int | None:
        return 500_000 if request.width else None


@asynccontextmanager
async def shop(folder: Path, **settings: Any) -> AsyncGenerator[tuple[Engine, Studio, Priced]]:
    painter = Priced()
    async with Studio(folder, painter) as studio, engine(folder, IMAGE, tools=studio.tools, **settings) as e:
        yield e, studio, painter


async def order(e: Engine, *, reuse: bool = True) -> str:
    args = wanted(SMALL[0], reuse=reuse)
    return (await e.client.submit(IMAGE.kind, args, owner=OWNER, access=Access.SESSION)).id


async def lose_master(e: Engine, studio: Studio, job_id: str) -> None:
    await studio.shelf.delete([file.key for file in await e.files(job_id) if file.role == "master"])


async def test_what_costs_nothing_is_taken_on_whatever_is_left(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_usd=0.5, credits_per_picture=2) as (e, _, painter):
        await e.client.grant(OWNER, 4, "a gift")
        assert (await e.final(await order(e)))["status"] == Status.COMPLETED
        with pytest.raises(SpendCapReached):
            await order(e, reuse=False)
        await e.client.grant(OWNER, -2, "and back")
        with pytest.raises(NotEnoughCredits):
            await order(e, reuse=False)
        job = await order(e)
        assert (await e.job(job)).estimate == 0
        assert reused(await e.final(job))[0]
        assert await e.record.read(GetCredits(OWNER)) == 0
    assert painter.bills == 1


async def test_when_the_master_is_gone_by_then_the_call_waits_for_the_next_day(tmp_path: Path) -> None:
    async with shop(tmp_path, spend_cap_usd=0.5) as (e, studio, painter):
        first = await order(e)
        await e.final(first)
        await lose_master(e, studio, first)
        job = await order(e)
        told = await e.event(job, type=ERROR)
        assert (told["code"], told["status"]) == ("spend_cap_reached", Status.DELAYED)
        assert "today is used up" in told["message"]
        assert ((await e.job(job)).attempt, painter.bills) == (0, 1)


async def test_or_it_ends_where_there_are_no_credits(tmp_path: Path) -> None:
    async with shop(tmp_path, credits_per_picture=2) as (e, studio, painter):
        await e.client.grant(OWNER, 2, "a gift")
        first = await order(e)
        await e.final(first)
        await lose_master(e, studio, first)
        job = await order(e)
        last = await e.final(job)
        assert (last["error"]["code"], last["attempt"]) == ("not_enough_credits", 1)
        assert "takes 2 of your credits, and 0 are left" in last["error"]["message"]
        with pytest.raises(NotEnoughCredits):
            await order(e, reuse=False)
        # Another run is taken on like the first, and pays where there is something to pay with.
        await e.client.retry(job, owner=OWNER)
        assert (await e.final(job, run=2))["error"]["code"] == "not_enough_credits"
        await e.client.grant(OWNER, 3, "another")
        await e.client.retry(job, owner=OWNER)
        assert (await e.final(job, run=3))["status"] == Status.COMPLETED
        assert (await e.record.read(GetCredits(OWNER)), painter.bills) == (1, 2)
