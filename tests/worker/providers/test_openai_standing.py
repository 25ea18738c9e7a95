"""How the provider stands is known before anybody's job has to find out, and told without the key."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import date
from typing import TYPE_CHECKING

import pytest

from snapasset.errors import BadConfiguration, ProviderError, ProviderQuotaExceeded, ProviderRefused
from snapasset.settings import Settings
from tests.fakes.openai import KEY, FakeOpenAI, hangs, refuses, says
from tests.worker.providers.desk import desk, settings_for
from worker.images.pool import PixelPool
from worker.providers.choose import choose_provider
from worker.providers.openai.listing import KEY_REFUSED
from worker.providers.openai.models import DEFAULT_MODEL, SHUTDOWNS
from worker.providers.sketch import SketchProvider

if TYPE_CHECKING:
    from tests.fakes.openai import Behaviour, Call
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


async def test_a_quota_that_is_used_up_is_the_records_to_tell():
    """Of that, and that somebody has paid, one process alone would never hear."""
    async with desk(FakeOpenAI(refuses(429, "insufficient_quota"))) as d:
        with pytest.raises(ProviderQuotaExceeded):
            await d.make()
        assert (await d.provider.look()) == ("ok", None)


async def test_a_key_that_is_good_again_is_found_out_without_a_call():
    async with desk(FakeOpenAI()) as d:
        d.fake.keys = {"another"}
        with pytest.raises(ProviderRefused):
            await d.make()
        asked = d.fake.connections
        until = time.monotonic() + 10
        while d.fake.connections < asked + 2:  # its list is not told to this key either
            assert await d.provider.look() == KEY_REFUSED
            assert time.monotonic() < until
            await asyncio.sleep(0.02)
        d.fake.keys = {KEY}
        await _is("ok", d)


async def test_where_anybody_is_told_the_models_a_refused_call_counts_for_a_while():
    fake = FakeOpenAI(refuses(401), strict=False)
    async with desk(fake, look_seconds=0.3, openai_backend="compatible") as d:
        with pytest.raises(ProviderRefused):
            await d.make()
        assert await d.provider.look() == KEY_REFUSED
        await _is("ok", d)


async def test_a_call_that_fails_has_the_provider_looked_at_anew():
    fake = FakeOpenAI()
    async with desk(fake) as d:
        assert (await d.provider.look()).status == "ok"
        port = fake.port
        await fake.__aexit__()
        assert (await d.provider.look()).status == "ok", "nobody has noticed"
        with pytest.raises(ProviderError):
            await d.make()
        assert (await d.provider.look()) == ("down", "The picture provider cannot be reached.")
        async with FakeOpenAI(port=port):
            await _is("ok", d)


async def test_a_look_goes_on_though_who_asked_has_gone():
    fake, go_on = FakeOpenAI(), asyncio.Event()
    async with desk(fake, look_seconds=0.0) as d:
        fake.tells_models = _refuses_after(go_on, fake)
        asking = asyncio.create_task(d.provider.look())
        await fake.hung.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        # Whoever asks next waits for the same look and hears what came of it, not what was so before.
        again = asyncio.create_task(d.provider.look())
        await asyncio.sleep(0)
        go_on.set()
        assert (await again, fake.looks) == (KEY_REFUSED, 2)


async def test_who_asks_while_it_is_known_to_be_away_does_not_wait():
    async with desk(_silent(401), look_seconds=0.0) as d:
        d.fake.tells_models = hangs
        for _ in range(3):
            assert await d.provider.look() == KEY_REFUSED
        await asyncio.wait_for(d.fake.hung.wait(), 5)
        assert d.fake.looks == 2


async def test_a_picture_that_came_during_a_look_is_newer_than_what_that_says():
    fake = FakeOpenAI()
    async with desk(fake, look_seconds=0.0) as d:
        go_on = asyncio.Event()
        fake.tells_models = _refuses_after(go_on, fake)
        asking = asyncio.create_task(d.provider.look())
        await fake.hung.wait()
        await d.make()
        go_on.set()
        assert (await asking).status == "ok"


def _refuses_after(go_on: asyncio.Event, fake: FakeOpenAI) -> Behaviour:
    async def late(call: Call) -> None:
        fake.hung.set()
        await go_on.wait()
        await refuses(401)(call)

    return late


async def _is(status: str, d: Desk) -> None:
    """Return when the provider is said to stand so."""
    until = time.monotonic() + 10
    while (await d.provider.look()).status != status:
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


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


async def test_it_is_asked_again_when_a_call_of_another_process_has_failed():
    async with desk(FakeOpenAI()) as d:
        assert (await d.provider.look()).status == "ok"
        d.fake.keys = {"another"}
        assert (await d.provider.look()).status == "ok"
        assert d.provider.heard(1_000)
        assert await d.provider.look() == KEY_REFUSED
        assert not d.provider.heard(1_000)
        assert not d.provider.heard(1_001), "asked more often than is good"


async def test_but_it_is_asked_again_when_its_word_is_old():
    async with desk(FakeOpenAI(), look_seconds=0.0) as d:
        assert (await d.provider.look()).status == "ok"
        d.fake.models = {DEFAULT_MODEL: "2026-11-01", "gpt-image-3": None}
        standing = await d.provider.look()
        assert standing.status == "down"
        assert "gpt-image-3" in (standing.why or "")
        d.fake.models = {DEFAULT_MODEL: None}
        assert (await d.provider.look()).status == "ok"


@pytest.mark.parametrize(("spared", "asked"), [("", 1), ("127.0.0.1", 0), ("elsewhere.example,127.0.0.1", 0)])
async def test_a_proxy_of_the_environment_is_not_used_in_silence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, spared: str, asked: int
):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("NO_PROXY", spared)
    monkeypatch.setenv("no_proxy", spared)
    async with FakeOpenAI() as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.origin.replace("//", "//somebody:canary@"))
        async with desk(FakeOpenAI()):
            pass
        assert proxy.connections == asked
    assert ("through the proxy" in caplog.text) == bool(asked)
    assert "canary" not in caplog.text


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
