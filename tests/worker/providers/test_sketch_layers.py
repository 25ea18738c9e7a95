"""The layers of a picture, each looked at alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.providers.sketch.canvas import Canvas, Stencil, enlarge, smooth
from worker.providers.sketch.chance import Chance
from worker.providers.sketch.easel import Easel
from worker.providers.sketch.lights import LIGHTS
from worker.providers.sketch.noise import cloud_field, wave_line
from worker.providers.sketch.palette import Mood, Palette, srgb
from worker.providers.sketch.terrain import from_afar, paint_terrain
from worker.providers.sketch.water import paint_water

RED, BLUE = np.array([1, 0, 0], dtype=np.float32), np.array([0, 0, 1], dtype=np.float32)


def easel(width: int, height: int, light: str = "day") -> Easel:
    return Easel(Canvas(width, height), Palette(LIGHTS[light], Mood()), Chance(b"test"), frozenset(), lambda: None)


def test_the_nearer_land_hides_the_further():
    canvas = Canvas(20, 100)
    canvas.planes[:] = 1
    heights = np.array([[0.0], [0.8], [0.1], [0.3], [1.2]], dtype=np.float32).repeat(20, axis=1)
    colours = np.array([RED, RED, BLUE, BLUE, BLUE], dtype=np.float32)[:, None, :].repeat(20, axis=1)
    skyline = paint_terrain(canvas, heights, colours, from_afar(5, 90, 80, 50))
    assert skyline.tolist() == pytest.approx([20.0] * 20)
    column = canvas.planes[:, :, 10]
    assert column[:, 5].tolist() == [1, 1, 1]
    assert column[:, 30].tolist() == pytest.approx([0, 0, 1], abs=0.5)
    assert column[:, 60].tolist() == pytest.approx([1, 0, 0])
    assert (column[2, 48:90] == 0).all()


def test_a_slice_behind_all_others_is_not_seen():
    canvas = Canvas(8, 60)
    heights = np.array([[1.0], [0.2]], dtype=np.float32).repeat(8, axis=1)
    colours = np.array([RED, BLUE], dtype=np.float32)[:, None, :].repeat(8, axis=1)
    skyline = paint_terrain(canvas, heights, colours, from_afar(2, 50, 45, 30))
    assert skyline.tolist() == pytest.approx([20.0] * 8)
    assert canvas.planes[2].max() == 0


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_the_path_of_light_lies_under_the_sun(place: float):
    table = easel(300, 300, "golden hour")
    table.canvas.planes[:] = 0.4
    table.sun = (300 * place, 60.0)
    paint_water(table, 150, np.full(3, 0.3, dtype=np.float32), 0.5)
    bright = (table.canvas.planes[:, 160:].mean(axis=0) > 0.7).sum(axis=0)
    assert bright.sum() > 100
    assert abs((bright * np.arange(300)).sum() / bright.sum() - 300 * place) < 20


def test_still_water_mirrors_what_stands_above_it():
    table = easel(200, 200)
    table.canvas.planes[:] = 0.2
    table.canvas.planes[0, :100, :100] = 0.9
    paint_water(table, 100, np.full(3, 0.2, dtype=np.float32), 0.0)
    red = table.canvas.planes[0, 110:150]
    assert red[:, :80].mean() > red[:, 120:].mean() + 0.25


def test_what_hangs_over_the_edges_is_cut():
    for top, left in ((-3, -3), (7, 7), (-3, 7), (20, 0), (0, -20)):
        canvas = Canvas(10, 10)
        canvas.blend(np.ones((6, 6), dtype=np.float32), RED, top, left)
        canvas.shine(np.ones((6, 6), dtype=np.float32), BLUE, top, left)
        covered = max(0, min(10, top + 6) - max(0, top)) * max(0, min(10, left + 6) - max(0, left))
        assert canvas.planes.sum(axis=(1, 2)).tolist() == [covered, 0, covered]


def test_a_slanting_skyline_has_a_smooth_edge():
    canvas = Canvas(40, 40)
    canvas.fill_below(np.linspace(5, 35, 40, dtype=np.float32), RED)
    levels = canvas.planes[0]
    assert levels[0].max() == 0
    assert levels[-1].min() == 1
    assert ((levels > 0.05) & (levels < 0.95)).sum() >= 40


def test_planes_stay_single_precision():
    canvas = Canvas(8, 8)
    canvas.blend(np.full((4, 4), 0.5), np.full(3, 0.5))
    canvas.shine(np.full((4, 4), 0.5), np.full(3, 0.5))
    assert canvas.planes.dtype == np.float32


def test_a_stencil_is_smooth_and_as_large_as_it_was_drawn():
    stencil = Stencil(40, 40)
    stencil.ellipse(20, 20, 10, 10)
    coverage = stencil.coverage()
    assert coverage.sum() == pytest.approx(np.pi * 100, rel=0.06)
    assert ((coverage > 0) & (coverage < 1)).any()


@given(st.integers(2, 90), st.integers(2, 90), st.integers(1, 5), st.floats(0.5, 9), st.floats(0.5, 9))
@settings(max_examples=30, deadline=None)
def test_noise_of_any_shape_stays_about_its_middle(width: int, height: int, octaves: int, across: float, down: float):
    field = cloud_field(Chance(b"x"), width, height, (across, down), octaves)
    assert field.shape == (height, width)
    assert field.dtype == np.float32
    assert -0.25 < field.min() <= field.max() < 1.25


@pytest.mark.parametrize("line", [wave_line])
def test_lines_are_irregular_and_bounded(line: type):
    values = line(Chance(b"x"), 500, 6.0, 4)  # type: ignore[call-arg]
    assert values.shape == (500,)
    assert 0 <= values.min() < values.max() <= 1
    assert values.std() > 0.05


def test_streams_are_independent_of_each_other_and_of_their_order():
    one, other = Chance(b"key"), Chance(b"key")
    first = one.many("a", 5).tolist()
    other.many("b", 50)
    assert other.many("a", 5).tolist() == first
    assert one.child("a").many("a", 5).tolist() != first
    assert Chance(b"kez").many("a", 5).tolist() != first
    assert one.many("a", 9).tolist()[:5] == first


def test_chance_is_even():
    draws = Chance(b"even").many("draws", 20_000)
    assert 0 <= draws.min() < draws.max() < 1
    assert np.histogram(draws, 10, (0, 1))[0].std() < 100
    assert {Chance(bytes([seed])).pick("pick", "abc") for seed in range(40)} == set("abc")


@given(st.floats(0, 1), st.floats(0, 0.4), st.floats(-720, 720))
@settings(max_examples=60, deadline=None)
def test_every_colour_fits_into_srgb(lightness: float, chroma: float, hue: float):
    colour = srgb((lightness, chroma, hue))
    assert colour.shape == (3,)
    assert 0 <= colour.min() <= colour.max() <= 1


def test_colours_are_what_oklch_says():
    assert (srgb((1, 0, 0)) * 255).round().tolist() == [255, 255, 255]
    assert (srgb((0.628, 0.2577, 29.23)) * 255).round().tolist() == pytest.approx([255, 0, 0], abs=3)
    assert (srgb((0.452, 0.3132, 264.05)) * 255).round().tolist() == pytest.approx([0, 0, 255], abs=3)


def test_the_same_thing_is_darker_in_the_shade_and_paler_far_away():
    palette = Palette(LIGHTS["day"], Mood())
    near, shade, far = (palette.lit((0.5, 0.1, 140), *how) for how in ((1.0, 0.0), (0.0, 0.0), (1.0, 0.9)))
    assert shade.mean() < near.mean() < far.mean()
    assert np.abs(far - palette.haze).max() < 0.12


def test_steps_are_smooth_both_ways_and_fields_stretch():
    values = np.linspace(-1, 2, 7, dtype=np.float32)
    assert smooth(0, 1, values).tolist() == pytest.approx([0, 0, 0, 0.5, 1, 1, 1])
    assert smooth(1, 0, values).tolist() == pytest.approx([1, 1, 1, 0.5, 0, 0, 0])
    assert enlarge(np.eye(4, dtype=np.float32), 9, 5).shape == (5, 9)
