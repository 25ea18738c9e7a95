"""What the map of a picture says there is to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageDraw

from worker.images.attention import energy_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_GREY = (128, 128, 128)


def discs(*middles: tuple[int, int], ground: Image.Image | None = None, fill: tuple[int, int, int] = (200, 90, 60)):
    """A picture of 480 by 480, unless it is given, with discs of 60 pixels across."""
    image = ground or Image.new("RGB", (480, 480), _GREY)
    draw = ImageDraw.Draw(image)
    for x, y in middles:
        draw.ellipse([x - 30, y - 30, x + 30, y + 30], fill=fill)
    return image


def at(energy: NDArray[np.float32], x: int, y: int, half: int = 36) -> float:
    """How much there is to see about a point of a picture of 480 by 480, a pixel of the map."""
    scale = energy.shape[0] / 480
    left, top, right, bottom = (round(scale * edge) for edge in (x - half, y - half, x + half, y + half))
    return float(energy[top:bottom, left:right].mean())


def noise(low: int, high: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(low, high, (480, 480, 3), dtype=np.uint8))


@pytest.mark.parametrize("colour", ["black", "white", (37, 91, 203), (1, 2, 3)])
def test_one_colour_is_nothing_to_see(colour: str | tuple[int, int, int]):
    assert not energy_of(Image.new("RGB", (700, 300), colour)).any()


def test_a_wholly_transparent_picture_is_nothing_to_see():
    assert not energy_of(Image.new("RGBA", (300, 700), (250, 10, 10, 0))).any()


def test_what_is_transparent_counts_nothing_and_hides_what_it_is():
    holed = discs((300, 200)).convert("RGBA")
    shown = np.asarray(holed).copy()
    shown[240:, :200] = (0, 0, 0, 0)
    hidden = shown.copy()
    hidden[240:, :200, :3] = np.asarray(noise(0, 255))[240:, :200]
    energy = energy_of(Image.fromarray(shown))
    assert not energy[-40:, :38].any()
    assert at(energy, 300, 200) > 10 * at(energy, 220, 400, 12)
    assert np.array_equal(energy, energy_of(Image.fromarray(hidden)))


def test_the_edge_of_a_hole_is_nothing_to_see():
    picture = np.full((480, 480, 4), (*_GREY, 255), dtype=np.uint8)
    picture[100:200, :300] = (0, 0, 0, 0)
    assert not energy_of(Image.fromarray(picture)).any()


def test_an_alpha_channel_that_hides_nothing_changes_nothing():
    image = discs((150, 300), ground=noise(90, 170))
    assert np.allclose(energy_of(image), energy_of(image.convert("RGBA")), rtol=1e-4)


def test_a_plain_subject_outweighs_a_busy_ground():
    energy = energy_of(discs((330, 150), ground=noise(60, 200)))
    assert at(energy, 330, 150) > 10 * float(energy.mean())


def test_a_subject_is_seen_by_its_hue_alone():
    grey = Image.new("RGB", (480, 480), _GREY)
    energy = energy_of(discs((150, 200), ground=grey, fill=(190, 96, 132)))
    assert discs((150, 200), fill=(190, 96, 132)).convert("L").getextrema() == (128, 128)
    assert at(energy, 150, 200) > 10 * float(energy.mean())


def test_a_horizon_is_no_subject():
    ground = Image.new("RGB", (480, 480), (140, 180, 220))
    ground.paste((90, 110, 60), (0, 260, 480, 480))
    energy = energy_of(discs((350, 260), ground=ground))
    assert at(energy, 350, 260) > 4 * at(energy, 130, 260)


def test_what_has_the_colour_of_the_frame_is_seen_where_it_stands_out():
    framed = Image.new("RGB", (480, 480), (200, 90, 60))
    framed.paste(_GREY, (60, 60, 420, 420))
    energy = energy_of(discs((300, 180), ground=framed))
    assert at(energy, 300, 180, 15) > at(energy, 180, 180, 15)


def test_what_fills_a_subject_counts_as_its_edge_does():
    ground = Image.new("RGB", (480, 480), _GREY)
    ground.paste((200, 90, 60), (100, 60, 380, 340))
    energy = energy_of(ground)
    assert at(energy, 240, 200, 20) > 10 * at(energy, 40, 200, 20)


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        pytest.param((240, 140), (240, 340), id="above the middle, not below it"),
        pytest.param((260, 240), (60, 240), id="in the middle, not to the left"),
        pytest.param((220, 240), (420, 240), id="in the middle, not to the right"),
    ],
)
def test_of_two_alike_more_is_seen_where_subjects_mostly_are(nearer: tuple[int, int], farther: tuple[int, int]):
    energy = energy_of(discs(nearer, farther))
    assert at(energy, *nearer) > 1.2 * at(energy, *farther)


def test_the_size_of_the_picture_does_not_matter():
    image = discs((150, 300), (320, 120))
    energy, larger = energy_of(image), energy_of(image.resize((1440, 1440), Image.Resampling.NEAREST))
    assert energy.shape == larger.shape
    assert float(np.abs(energy - larger).sum()) < 0.1 * float(energy.sum())
