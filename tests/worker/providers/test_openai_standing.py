"""How the provider stands is known before anybody's job has to find out, and told without the key."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadConfiguration, ProviderQuotaExceeded, ProviderRefused
from snapasset.settings import Settings
from tests.fakes.openai import KEY, FakeOpenAI, refuses, says
from tests.worker.providers.desk import desk, settings_for
from worker.images.pool import PixelPool
from worker.providers.choose import choose_provider
from worker.providers.openai.models import DEFAULT_MODEL, SHUTDOWNS
from worker.providers.sketch import SketchProvider

if TYPE_CHECKING:
    from tests.worker.providers.desk import Desk


# --- who it is


async def test_without_a_key_and_an_address_it_is_the_sketch():
    async with PixelPool(1) as pool:
        provider = await choose_provider(Settings(), pool)
        assert isinstance(provider, SketchProvider)
        assert (await provider.look()).status == "ok"


@pytest.mark.parametrize("given", [{"openai_api_key": KEY}, {"openai_api_key": None}])
async def test_with_one_of_them_it_is_whoever_that_names(given: dict[str, str | None]):
    async with FakeOpenAI() as fake, PixelPool(1) as pool:
        provider = await choose_provider(settings_for(fake, **given), pool)
        try:
            assert (provider.name, provider.model, provider.paid, provider.simulated) == (
                "openai",
                DEFAULT_MODEL,
                True,
                False,
            )
        finally:
            await provider.close()


async def test_one_that_cannot_be_reached_is_not_replaced(caplog: pytest.LogCaptureFixture):
    async with FakeOpenAI() as fake:
        settings = settings_for(fake)
    async with PixelPool(1) as pool:
        provider = await choose_provider(settings, pool)
        try:
            standing = await provider.look()
            assert (provider.name, standing.status) == ("openai", "down")
            assert standing.why
            assert standing.why in caplog.text
        finally:
            await provider.close()


# --- the key


async def test_a_wrong_key_is_named_and_not_shown(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG, "worker")
    async with desk(FakeOpenAI(), openai_api_key="sk-canary") as d:
        standing = await d.provider.look()
        assert standing.status == "down"
        assert "OPENAI_API_KEY" in (standing.why or "")
        assert "OPENAI_API_KEY" in caplog.text
        assert "canary" not in caplog.text + str(standing) + repr(d.provider.__dict__)


async def test_a_key_that_is_taken_away_while_it_runs_is_noticed():
    async with desk(FakeOpenAI()) as d:
        assert (await d.provider.look()).status == "ok"
        d.fake.keys = {"another"}
        with pytest.raises(ProviderRefused):
            await d.make()
        assert "OPENAI_API_KEY" in ((await d.provider.look()).why or "")
        d.fake.keys = {KEY}
        await d.make()
        assert (await d.provider.look()).status == "ok"


async def test_a_quota_that_is_used_up_is_told_until_a_picture_is_made():
    async with desk(FakeOpenAI(refuses(429, "insufficient_quota"))) as d:
        with pytest.raises(ProviderQuotaExceeded):
            await d.make()
        standing = await d.provider.look()
        assert (standing.status, "quota" in (standing.why or "")) == ("down", True)
        await d.make()
        assert (await d.provider.look()).status == "ok"


@pytest.mark.parametrize("status", [403, 404, 429, 500])
async def test_a_provider_that_does_not_tell_its_models_is_asked_for_pictures_all_the_same(
    caplog: pytest.LogCaptureFixture, status: int
):
    async with desk(_silent(status)) as d:
        assert (await d.provider.look()).status == "unknown"
        assert (await d.make()).data


def _silent(status: int) -> FakeOpenAI:
    fake = FakeOpenAI()
    fake.tells_models = refuses(status)
    return fake


async def test_it_is_not_asked_each_time():
    async with desk(FakeOpenAI()) as d:
        for _ in range(5):
            await d.provider.look()
        assert d.fake.looks == 1


async def test_but_it_is_asked_again_when_its_word_is_old():
    async with desk(FakeOpenAI(), look_seconds=0.0) as d:
        assert (await d.provider.look()).status == "ok"
        d.fake.models = {DEFAULT_MODEL: "2026-11-01", "gpt-image-3": None}
        standing = await d.provider.look()
        assert standing.status == "down"
        assert "gpt-image-3" in (standing.why or "")
        d.fake.models = {DEFAULT_MODEL: None}
        assert (await d.provider.look()).status == "ok"


# --- the model


@pytest.mark.parametrize("model", sorted(SHUTDOWNS))
async def test_a_model_that_is_no_more_is_refused_though_nobody_tells_the_models(model: str):
    with pytest.raises(BadConfiguration) as raised:
        async with desk(_silent(500), day=date(2026, 12, 1), openai_image_model=model):
            pass
    assert "OPENAI_IMAGE_MODEL" in raised.value.detail
    assert DEFAULT_MODEL in raised.value.detail


async def test_the_last_day_of_a_model_is_the_day_before():
    async with desk(_silent(500), day=date(2026, 11, 30), openai_image_model="gpt-image-1.5") as d:
        assert d.provider.model == "gpt-image-1.5"


async def test_the_providers_own_word_on_a_model_counts_more(caplog: pytest.LogCaptureFixture):
    fake = FakeOpenAI()
    fake.models = {"gpt-image-1.5": "2027-05-01", DEFAULT_MODEL: "2026-11-20", "gpt-image-4": None, "gpt-5": None}
    with pytest.raises(BadConfiguration, match=r"2026-11-20\. Set gpt-image-4 or gpt-image-1\.5\."):
        async with desk(fake):
            pass
    async with desk(fake, openai_image_model="gpt-image-1.5", day=date(2026, 12, 24)) as d:
        assert (await d.provider.look()).status == "ok"


async def test_a_model_that_ends_soon_is_warned_of(caplog: pytest.LogCaptureFixture):
    async with desk(FakeOpenAI(), openai_image_model="gpt-image-1.5"):
        assert "2026-12-01" in caplog.text
        assert DEFAULT_MODEL in caplog.text


async def test_a_model_that_the_key_cannot_use_is_refused():
    with pytest.raises(BadConfiguration, match=DEFAULT_MODEL):
        async with desk(FakeOpenAI(), openai_image_model="gpt-image-9"):
            pass


async def test_another_server_may_call_its_model_what_it_likes():
    async with desk(FakeOpenAI(strict=False), openai_backend="localai", openai_image_model="dall-e-3") as d:
        assert (await d.make()).model == "dall-e-3"


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", '{"data": 5}', '{"data": [5, null, {}, {"id": 7}, {"id": "a\\nb"}]}', "<html>", "[" * 100_000],
)
async def test_a_list_that_is_none_says_nothing(body: str):
    fake = FakeOpenAI()
    fake.tells_models = says(body, billed=False)
    async with desk(fake) as d:
        assert (await d.provider.look()).status == "unknown"
        await _works(d)


@pytest.mark.parametrize("day", ["soon", "2026-99-99", 7, ""])
async def test_a_day_that_is_none_is_no_shutdown(day: object):
    fake = FakeOpenAI()
    fake.tells_models = says(
        f'{{"data": [{{"id": "{DEFAULT_MODEL}", "shutdown_date": {day!r}}}]}}'.replace("'", '"'), billed=False
    )
    async with desk(fake) as d:
        assert (await d.provider.look()).status == "ok"


async def _works(d: Desk) -> None:
    assert (await d.make()).data
