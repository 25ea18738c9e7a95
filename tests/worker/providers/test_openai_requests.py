"""What is sent: to each model and each kind of server what it knows, and never what it would take for orders."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snapasset.errors import BadConfiguration, InvalidPrompt
from tests.fakes.openai import FakeOpenAI, answer, completed, file_of, packed, partial, picture, says, streams
from tests.worker.providers.desk import REQUEST, desk, settings_for
from worker.images.planning import Size
from worker.images.platforms import PLATFORMS
from worker.images.pool import PixelPool
from worker.providers import ImageType
from worker.providers.openai import OpenAIProvider
from worker.providers.openai.backends import BACKENDS, OPENAI_URL, backend_of
from worker.providers.openai.models import DEFAULT_MODEL, model_of
from worker.providers.openai.order import Wishes

if TYPE_CHECKING:
    from worker.providers import Preview

LOCAL = sorted(BACKENDS.keys() - {"openai"})


def sent_to(backend: str, model: str | None = None, quality: str = "auto", **request: Any) -> dict[str, Any]:
    order = Wishes(BACKENDS[backend], model, quality, 3).order(replace(REQUEST, **request), shown=True)
    return {**order.fields, **order.extra}


# --- to OpenAI


async def test_what_is_sent_is_what_openai_takes():
    async with desk(FakeOpenAI(), image_quality="high", image_previews=3) as d:
        assert d.provider.model == DEFAULT_MODEL
        for image_type in ImageType:
            await d.make(replace(REQUEST, image_type=image_type), previews=[])
        await d.make()
        shown, natural, plain = (request.fields for request in d.fake.requests)
    assert (shown["stream"], shown["partial_images"], shown["quality"]) == (True, 3, "high")
    assert plain.keys().isdisjoint({"stream", "partial_images"})
    assert plain["size"] == "1024x1024"
    assert shown["prompt"].startswith(REQUEST.prompt)
    assert ("vivid" in shown["prompt"], "natural" in natural["prompt"]) == (True, True)
    assert natural["prompt"] != shown["prompt"]


@pytest.mark.parametrize("model", ["gpt-image-1.5", "gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-2.6-flare"])
@pytest.mark.parametrize("platforms", [(name,) for name in PLATFORMS.names] + [PLATFORMS.names])
def test_every_planned_size_is_one_the_model_makes(model: str, platforms: tuple[str, ...]):
    from worker.images.planning import plan_size

    size = plan_size(PLATFORMS.pick(platforms), model_of(model).sizes)
    if model == "gpt-image-1.5":
        assert size in {Size(1024, 1024), Size(1536, 1024), Size(1024, 1536)}
    else:
        assert size.width % 16 == 0 == size.height % 16
        assert max(size.width, size.height) <= min(3_840, 3 * min(size.width, size.height))
        assert 655_360 <= size.pixels <= 8_294_400


def test_an_owner_is_known_by_a_mark_that_tells_nothing():
    mine, again, other = (
        sent_to("openai", owner=owner)["safety_identifier"] for owner in ("session:a", "session:a", "b")
    )
    assert mine == again != other
    assert len(mine) == 64
    assert "session" not in mine
    assert "safety_identifier" not in sent_to("openai", owner=None)
    for backend in LOCAL:
        assert "safety_identifier" not in sent_to(backend)


@pytest.mark.parametrize(
    ("model", "quality"),
    [
        ("gpt-image-2", "xhigh"),
        ("gpt-image-1.5", "max"),
        ("gpt-image-2.6-flare", "hd"),
        ("gpt-image-2.6-flare", "standard"),
    ],
)
def test_a_quality_that_the_model_does_not_know_is_refused_at_the_start(model: str, quality: str):
    with pytest.raises(BadConfiguration, match="IMAGE_QUALITY"):
        Wishes(BACKENDS["openai"], model, quality, 0).check()


@pytest.mark.parametrize(
    ("model", "quality"), [("gpt-image-2.5-flare", "max"), ("gpt-image-2", "high"), ("gpt-image-2", "auto")]
)
def test_a_quality_that_it_knows_is_not(model: str, quality: str):
    Wishes(BACKENDS["openai"], model, quality, 0).check()
    assert sent_to("openai", model, quality).get("quality", "auto") == quality


def test_a_prompt_that_is_too_long_with_its_style_is_refused_before_it_costs_anything():
    with pytest.raises(InvalidPrompt, match="32000"):
        sent_to("openai", prompt="x" * 32_000)
    assert sent_to("openai", prompt="x" * 31_900)["prompt"]


def test_half_a_character_is_sent_as_a_question_mark():
    assert sent_to("openai", prompt="a \ud800 b")["prompt"].startswith("a ? b")


# --- to others


def test_each_server_is_sent_what_it_knows():
    asked = {name: sent_to(name, "a-model", "high", seed=7, image_type=ImageType.NATURAL) for name in LOCAL}
    fields = {name: sorted(body.keys() - {"prompt", "size", "model"}) for name, body in asked.items()}
    assert fields == {
        "compatible": ["quality", "response_format", "style"],
        "localai": ["response_format", "seed"],
        "sd-server": ["output_format"],
        "sglang": ["output_format", "quality", "response_format", "seed"],
        "vllm-omni": ["response_format", "seed"],
    }
    assert {body["model"] for body in asked.values()} == {"a-model"}
    assert asked["compatible"]["style"] == "natural"
    assert asked["compatible"]["prompt"] == REQUEST.prompt
    assert all("natural" in body["prompt"] for name, body in asked.items() if name != "compatible")


@pytest.mark.parametrize("backend", LOCAL)
def test_without_a_model_the_server_chooses_and_without_a_seed_chance_does(backend: str):
    assert sent_to(backend).keys().isdisjoint({"model", "seed", "quality", "stream", "partial_images"})


def test_a_dalle_model_behind_another_server_has_its_own_sizes_and_qualities():
    assert model_of("dall-e-3").sizes.allow(Size(1792, 1024))
    assert not model_of("dall-e-3").sizes.allow(Size(1536, 1024))
    Wishes(BACKENDS["compatible"], "dall-e-3", "hd", 0).check()
    with pytest.raises(BadConfiguration):
        Wishes(BACKENDS["compatible"], "dall-e-3", "high", 0).check()


@pytest.mark.parametrize(
    ("choice", "url", "model", "name"),
    [
        ("auto", OPENAI_URL, None, "openai"),
        ("auto", "https://eu.api.openai.com/v1", None, "openai"),
        ("auto", "https://api.openai.com.example/v1", None, "compatible"),
        ("auto", "https://notopenai.com/v1", None, "compatible"),
        ("auto", "http://localhost:8080/v1", "gpt-image-2", "openai"),
        ("auto", "http://localhost:8080/v1", "flux", "compatible"),
        ("localai", "http://localhost:8080/v1", None, "localai"),
        ("openai", "http://localhost:8080/v1", "flux", "openai"),
    ],
)
def test_what_stands_behind_an_address(choice: str, url: str, model: str | None, name: str):
    assert backend_of(choice, url, model).name == name


@pytest.mark.parametrize("backend", ["sd-server", "localai", "compatible"])
@pytest.mark.parametrize(
    "prompt",
    [
        'a cat <sd_cpp_extra_args>{"seed": 1}</sd_cpp_extra_args>',
        "<sd_cpp_<sd_cpp_extra_args>extra_args>{}</sd_cpp_extra</sd_cpp_extra_args>_args>",
        "<SD_CPP_EXTRA_ARGS>{}</SD_CPP_EXTRA_ARGS>",
        "<<sd_cpp_extra_args>sd_cpp_extra_args>{}",
    ],
)
def test_no_prompt_gives_orders_to_the_server(backend: str, prompt: str):
    assert "<sd_cpp_extra_args" not in sent_to(backend, prompt=f"x {prompt}")["prompt"].lower()


@given(
    st.lists(
        st.sampled_from(["<", "/", ">", "sd_cpp_extra_args", "sd_cpp", "_extra_args", "a", " ", "<sd_cpp_extra_args>"])
    )
)
def test_however_it_is_nested(pieces: list[str]):
    assert "<sd_cpp_extra_args>" not in BACKENDS["sd-server"].clean("".join(pieces))


def test_localai_is_sent_no_bar():
    assert sent_to("localai", prompt="a cat|a dog")["prompt"].startswith("a cat,a dog")
    assert "|" in sent_to("openai", prompt="a cat|a dog")["prompt"]


def test_a_prompt_of_which_nothing_is_left_is_refused():
    with pytest.raises(InvalidPrompt):
        sent_to("sd-server", prompt=" <sd_cpp_extra_args> ")


async def test_a_server_of_ones_own_costs_nothing_and_wants_no_key():
    fake = FakeOpenAI(strict=False)
    fake.keys = None
    async with desk(fake, openai_backend="localai", openai_api_key=None) as d:
        made = await d.make()
        assert (d.provider.name, d.provider.paid, made.charge, made.simulated) == ("localai", False, None, False)


async def test_what_it_made_of_the_words_is_told():
    said = says(answer({**picture(), "revised_prompt": "A lighthouse,\n  at dusk."}))
    async with desk(FakeOpenAI(said, strict=False), openai_backend="compatible") as d:
        assert (await d.make()).understood == "A lighthouse, at dusk."


async def test_words_that_no_encoder_takes_do_not_lose_the_picture():
    said = says(answer({**picture(), "revised_prompt": "A lighthouse \ud83c at dusk."}))
    async with desk(FakeOpenAI(said, strict=False), openai_backend="compatible") as d:
        assert (await d.make()).understood == "A lighthouse ? at dusk."


@pytest.mark.parametrize("key", ["sk-ключ", "sk a", "sk\x00a", "sk\na"])
async def test_a_key_that_cannot_be_one_is_refused_and_not_told(key: str):
    async with FakeOpenAI() as fake, PixelPool(1) as pool:
        with pytest.raises(BadConfiguration, match="OPENAI_API_KEY") as raised:
            OpenAIProvider(settings_for(fake, openai_api_key=key), pool)
        assert key not in raised.value.detail


async def test_the_line_break_after_a_key_is_no_part_of_it():
    async with desk(FakeOpenAI(), openai_api_key="sk-a-key-of-the-tests\n") as d:
        assert (await d.make()).data


# --- previews


async def test_previews_come_while_the_picture_is_made():
    seen: list[Preview] = []
    go_on = asyncio.Event()

    async def slow(call: Any) -> None:
        call.bill()
        await call.head(200, "text/event-stream")
        await call.send(partial(0, "512x512").encode())
        await go_on.wait()
        await call.send(partial(1).encode() + completed().encode())

    async with desk(FakeOpenAI(slow), image_previews=2) as d:
        shares: list[float] = []

        def show(preview: Preview) -> None:
            seen.append(preview)
            go_on.set()

        made = await d.provider.generate(REQUEST, shares.append, show)
    assert [(p.index, p.width, p.content_type) for p in seen] == [(0, 512, "image/png"), (1, 1024, "image/png")]
    assert made.width == 1024
    assert shares == sorted(shares)
    assert len(set(shares)) == 5


async def test_nobody_who_looks_means_no_preview_is_paid_for():
    async with desk(FakeOpenAI(), image_previews=3) as d:
        await d.make()
        assert "partial_images" not in d.fake.requests[0].fields


async def test_a_bad_preview_or_a_broken_looker_costs_no_picture():
    bad = partial(0).replace(packed(file_of()), packed(b"<html>"))
    async with desk(FakeOpenAI(streams(bad, partial(1), completed(), billed=True)), image_previews=2) as d:

        def broken(_: Preview) -> None:
            raise LookupError("nobody is looking")

        assert (await d.provider.generate(REQUEST, lambda _: None, broken)).width == 1024
        assert d.fake.bills == 1


async def test_a_preview_that_was_not_asked_for_is_passed_over():
    seen: list[Preview] = []
    async with desk(FakeOpenAI(streams(partial(7), partial(0), completed())), image_previews=1) as d:
        await d.make(previews=seen)
    assert [preview.index for preview in seen] == [0]


@pytest.mark.parametrize(("made_size", "warns"), [("64x64", True), ("1024x1024", False)])
async def test_a_picture_of_another_size_is_taken_and_told(
    caplog: pytest.LogCaptureFixture, made_size: str, *, warns: bool
):
    async with desk(FakeOpenAI(says(answer(picture(made_size))))) as d:
        got = await d.make()
    assert f"{got.width}x{got.height}" == made_size
    told = [record.__dict__ for record in caplog.records if "another size" in record.message]
    assert [(one["asked"], one["made"], one["requestId"]) for one in told] == (
        [("1024x1024", "64x64", "req_1")] if warns else []
    )
