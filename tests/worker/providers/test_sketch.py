"""The painter: what it takes from words, and what can be seen in its pictures."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.worker.images.marks import read_source
from tests.worker.images.pictures import decoded, pixels
from worker.images import badge
from worker.images.pool import PixelPool
from worker.images.provenance import SourceType
from worker.providers import ImageRequest, ImageType
from worker.providers.sketch import SketchProvider
from worker.providers.sketch.lights import LIGHTS
from worker.providers.sketch.painter import SCENES, Painting, paint

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image


@cache
def painting(
    prompt: str, style: ImageType = ImageType.VIVID, size: tuple[int, int] = (320, 320), seed: int = 0
) -> Painting:
    return paint(ImageRequest(prompt, *size, image_type=style, seed=seed), lambda _: None)


def picture(prompt: str, style: ImageType = ImageType.VIVID, size: tuple[int, int] = (320, 320)) -> NDArray[np.int32]:
    return pixels(painting(prompt, style, size).image)


def warmth(image: NDArray[np.int32]) -> float:
    return float((image[:, :, 0] - image[:, :, 2]).mean())


def saturation(image: NDArray[np.int32]) -> float:
    return float((image.max(axis=2) - image.min(axis=2)).mean())


def fingerprint(image: Image.Image) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_is_painted_in_every_light(scene: str):
    for light in LIGHTS:
        made = painting(f"{scene}, {light}", size=(112, 96))
        assert made.image.size == (112, 96)
        image = pixels(made.image)
        assert image.std() > 8, light
        assert 15 < image.mean() < 245, light


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("size", [(288, 96), (96, 288)])
def test_every_scene_fills_the_widest_and_the_tallest_shape(scene: str, size: tuple[int, int]):
    made = painting(scene, size=size)
    image = pixels(made.image)
    for quarter in (*np.array_split(image, 4, axis=0), *np.array_split(image, 4, axis=1)):
        assert quarter.std() > 0.8
    assert 0 <= made.focal[0] <= 1
    assert 0 <= made.focal[1] <= 1


@pytest.mark.parametrize("scene", SCENES)
def test_every_layer_of_a_scene_is_told_and_in_order(scene: str):
    told: list[float] = []
    paint(ImageRequest(scene, 96, 96), told.append)
    layers = SCENES[scene].layers
    assert told == pytest.approx([*((number + 1) / (layers + 1) for number in range(layers)), 1.0])


def test_the_same_order_gives_the_same_pixels_in_another_process():
    program = (
        "import hashlib; from worker.providers import ImageRequest; from worker.providers.sketch.painter import paint;"
        "made = paint(ImageRequest('Mountains at dusk', 160, 128), lambda _: None);"
        "print(hashlib.sha256(made.image.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == fingerprint(painting("Mountains at dusk", size=(160, 128)).image)


def test_painting_leaves_the_global_generators_alone():
    import random

    random.seed(5)
    np.random.seed(5)
    before = (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index]
    paint(ImageRequest("forest", 96, 96), lambda _: None)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # type: ignore[index]


def test_case_and_spaces_make_no_difference_but_words_seed_and_size_do():
    same = fingerprint(painting("Sea at night", size=(128, 96)).image)
    assert fingerprint(painting("  sea   AT night\n", size=(128, 96)).image) == same
    others = [
        painting("Sea at night.", size=(128, 96)),
        painting("Sea at night", size=(128, 96), seed=1),
        painting("Sea at night", size=(96, 128)),
    ]
    assert same not in {fingerprint(other.image) for other in others}


def test_vivid_is_more_saturated_than_natural_and_the_same_scene():
    for prompt in ("mountains at dusk", "meadow in spring", "abstract"):
        vivid, natural = (picture(prompt, style) for style in ImageType)
        assert saturation(vivid) > 1.25 * saturation(natural)
        assert vivid.std() > natural.std()
        assert painting(prompt).focal == painting(prompt, ImageType.NATURAL).focal


def test_dusk_is_warmer_than_snow_and_night_darker_than_day():
    assert warmth(picture("mountains at dusk")) > warmth(picture("mountains in winter snow")) + 30
    assert warmth(picture("sea, warm sunset")) > warmth(picture("sea, cool morning"))
    assert picture("city at night").mean() < 0.5 * picture("city by day").mean()


@pytest.mark.parametrize("light", ["dawn", "day", "golden hour", "dusk", "mist"])
def test_the_sky_is_brighter_than_what_stands_before_it(light: str):
    image = picture(f"forest, {light}").mean(axis=2)
    assert image[:120].mean() > image[-40:].mean() + 40


def test_only_what_can_be_seen_is_said_to_be_understood():
    assert painting("space, an orange and a cactus at night", size=(64, 64)).understood == "space, night, orange"
    assert painting("desert with a cactus", size=(64, 64)).understood == "desert, cactus"


def test_the_far_is_paler_than_the_near():
    image = picture("misty forest").mean(axis=2)
    assert image[170:190].mean() > image[240:260].mean() > image[-12:].mean()


def test_windows_are_lit_at_night():
    night = picture("city at night", size=(400, 400))[150:285]
    lamps = (night[:, :, 0] > 130) & (night[:, :, 0] > night[:, :, 2] + 25)
    assert lamps.sum() > 150


@pytest.mark.parametrize(("word", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_colour_word_leads_the_colours(word: str, channel: int):
    image = picture(f"abstract, {word}").mean(axis=(0, 1))
    assert image.argmax() == channel


def test_the_focal_point_is_on_the_thing_that_was_asked_for():
    made = painting("lighthouse", size=(400, 400))
    x, y = int(made.focal[0] * 400), int(made.focal[1] * 400)
    around = pixels(made.image)[y - 60 : y + 40, x - 14 : x + 14]
    red = (around[:, :, 0] > 1.6 * around[:, :, 1]) & (around[:, :, 0] > 90)
    assert red.mean() > 0.12


@given(st.text(max_size=60))
@settings(max_examples=25, deadline=None)
def test_any_text_becomes_a_picture(prompt: str):
    made = paint(ImageRequest(prompt, 64, 64), lambda _: None)
    assert made.image.size == (64, 64)
    assert made.understood


def test_a_very_long_prompt_is_read_too():
    assert paint(ImageRequest("über 山 " * 4000, 64, 64), lambda _: None).understood.startswith("mountains")


async def test_the_file_wears_the_badge_and_the_mark():
    async with PixelPool(1) as pool:
        made = await SketchProvider(pool).generate(ImageRequest("sea at noon", 640, 480), lambda _: None)
    assert read_source(made.data) is SourceType.ALGORITHMIC
    assert (made.model, made.simulated, made.charge) == ("sketch-1", True, None)
    wide, tall = badge.tag_size(640, 480)
    corner = pixels(decoded(made.data))[-tall + 3 :, -wide + 6 :].mean(axis=2)
    bare = pixels(painting("sea at noon", size=(640, 480)).image)[-tall + 3 :, -wide + 6 :].mean(axis=2)
    assert (corner < 60).mean() > 0.5
    assert (corner > 170).mean() > 0.03
    assert (bare < 60).mean() < 0.3
    assert (bare > 170).mean() < 0.01
