"""Where a crop lies."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from worker.images.crop import attention_box, attention_of, cover_box
from worker.images.planning import Size

sizes = st.builds(Size, st.integers(1, 4000), st.integers(1, 4000))
points = st.tuples(st.floats(0, 1), st.floats(0, 1))


@given(sizes, sizes, points)
@settings(max_examples=200, deadline=None)
def test_a_crop_covers_one_side_and_keeps_the_point(master: Size, target: Size, point: tuple[float, float]):
    box = cover_box(master, target, point)
    assert 0 <= box.left < box.right <= master.width
    assert 0 <= box.top < box.bottom <= master.height
    assert box.width / box.height == pytest.approx(target.width / target.height, rel=1e-6)
    assert box.width == pytest.approx(master.width) or box.height == pytest.approx(master.height)
    assert box.left <= point[0] * master.width <= box.right + 1e-9 * master.width
    assert box.top <= point[1] * master.height <= box.bottom + 1e-9 * master.height


def test_a_point_in_the_middle_of_its_room_is_centred():
    box = cover_box(Size(1000, 500), Size(100, 100), (0.4, 0.5))
    assert (box.left, box.right) == (150, 650)


@pytest.mark.parametrize(
    ("size", "target"), [((900, 300), Size(1, 1)), ((300, 900), Size(1, 1)), ((800, 600), Size(1, 2))]
)
@pytest.mark.parametrize("place", [0.12, 0.3, 0.7, 0.88])
def test_a_subject_on_an_even_ground_is_found(size: tuple[int, int], target: Size, place: float):
    image = Image.new("RGB", size, (120, 150, 170))
    wide = size[0] / size[1] > target.width / target.height
    middle = (size[0] * place, size[1] * 0.5) if wide else (size[0] * 0.5, size[1] * place)
    radius = min(size) * 0.1
    draw = ImageDraw.Draw(image)
    draw.ellipse([middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius], fill=(220, 60, 40))
    box = attention_box(Size(*size), target, attention_of(image))
    assert box.left <= max(0, middle[0] - radius) + 2
    assert box.right >= min(size[0], middle[0] + radius) - 2
    assert box.top <= max(0, middle[1] - radius) + 2
    assert box.bottom >= min(size[1], middle[1] + radius) - 2


@pytest.mark.parametrize("place", [0.25, 0.4, 0.65])
def test_a_small_subject_lies_in_the_middle_of_its_crop(place: float):
    image = Image.new("RGB", (900, 300), (120, 150, 170))
    ImageDraw.Draw(image).ellipse([900 * place - 20, 130, 900 * place + 20, 170], fill=(220, 60, 40))
    box = attention_box(Size(900, 300), Size(1, 1), attention_of(image))
    assert (box.left + box.right) / 2 == pytest.approx(900 * place, abs=30)


@pytest.mark.parametrize("busy", [False, True])
def test_a_head_is_kept_over_its_body(busy: bool):
    ground = np.random.default_rng(4).integers(90, 190, (600, 480, 3), dtype=np.uint8)
    image = Image.fromarray(ground) if busy else Image.new("RGB", (480, 600), (90, 130, 90))
    draw = ImageDraw.Draw(image)
    draw.rectangle([120, 230, 360, 600], fill=(30, 35, 60))
    draw.ellipse([180, 50, 300, 210], fill=(205, 150, 120))
    draw.pieslice([175, 40, 305, 190], 180, 360, fill=(60, 40, 30))
    box = attention_box(Size(480, 600), Size(16, 9), attention_of(image))
    assert box.top <= 45
    assert box.bottom >= 210


@pytest.mark.parametrize("image", [Image.new("RGB", (600, 200), "grey"), Image.new("RGBA", (600, 200))])
def test_where_there_is_nothing_to_see_the_crop_stays_in_the_middle(image: Image.Image):
    assert attention_box(Size(600, 200), Size(1, 1), attention_of(image)) == (200, 0, 400, 200)


def test_even_texture_draws_no_crop_away_from_the_middle():
    texture = Image.fromarray(np.random.default_rng(3).integers(90, 160, (200, 600, 3), dtype=np.uint8))
    box = attention_box(Size(600, 200), Size(1, 1), attention_of(texture))
    assert abs(box.left - 200) < 60


def test_a_hole_draws_no_attention():
    picture = np.full((200, 600, 4), (200, 200, 200, 255), dtype=np.uint8)
    picture[:, 20:120] = (0, 0, 0, 0)
    picture[70:130, 500:560] = (225, 150, 140, 255)
    attention = attention_of(Image.fromarray(picture))
    hole = slice(math.ceil(len(attention.columns) * 20 / 600), len(attention.columns) * 120 // 600)
    assert max(attention.columns[hole]) == 0
    box = attention_box(Size(600, 200), Size(1, 1), attention)
    assert box.left <= 500
    assert box.right >= 560


@given(st.integers(1, 40), st.integers(1, 4000), sizes)
@settings(max_examples=25, deadline=None)
def test_any_shape_of_picture_can_be_measured(width: int, height: int, target: Size):
    image = Image.new("RGB", (width, height), "teal")
    box = attention_box(Size(width, height), target, attention_of(image))
    assert 0 <= box.left < box.right <= width
    assert 0 <= box.top < box.bottom <= height
