"""No file is above its platform's cap."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snapasset.errors import BadPicture
from tests.worker.images.pictures import PLAIN, master, noise, ramp
from worker.images.caps import ladder, serves
from worker.images.platforms import Format, Platform
from worker.images.render import render

if TYPE_CHECKING:
    from worker.images.caps import Quality

FORMATS: tuple[Format, ...] = get_args(Format)
NOISE = master(noise(120, 60))

platforms = st.builds(
    Platform,
    st.just("any"),
    st.just("Test"),
    st.just(120),
    st.just(60),
    st.integers(2_000, 30_000),
    st.sampled_from(FORMATS),
    st.none() | st.integers(1_000, 40_000),
)


@given(platforms)
@settings(max_examples=60, deadline=None)
def test_no_file_is_ever_above_its_cap(platform: Platform):
    try:
        made = render(NOISE, platform)
    except BadPicture:
        return
    assert len(made.data) <= platform.max_bytes


@given(platforms)
@settings(max_examples=100, deadline=None)
def test_quality_only_goes_down_and_no_step_allows_more_than_the_cap(platform: Platform):
    steps = list(ladder(platform))
    assert all(allowed <= platform.max_bytes for _, allowed in steps)
    assert steps[-1][1] == platform.max_bytes
    assert all(left is not None and right is not None and left > right for (left, _), (right, _) in pairwise(steps))


@given(platforms, st.integers(2_000, 30_000), st.none() | st.integers(1_000, 40_000), st.data())
@settings(max_examples=300, deadline=None)
def test_a_file_serves_another_platform_only_if_that_would_have_got_the_same(
    one: Platform, cap: int, aim: int | None, data: st.DataObject
):
    other = replace(one, name="other", max_bytes=cap, aim_bytes=aim)
    sizes = {quality: data.draw(st.integers(1_500, 32_000)) for quality, _ in ladder(one)}

    def first(platform: Platform) -> tuple[Quality, bool]:
        return next(
            ((quality, True) for quality, allowed in ladder(platform) if sizes[quality] <= allowed), (None, False)
        )

    quality, found = first(one)
    if found and serves(sizes[quality], quality, one, other):
        assert first(other) == (quality, True)
    if found and (cap, aim) == (one.max_bytes, one.aim_bytes):
        assert serves(sizes[quality], quality, one, other)


def test_the_best_quality_serves_all_who_have_room_for_it():
    roomy, tight = (replace(PLAIN, format="JPEG", max_bytes=most) for most in (8_000_000, 100_000))
    assert serves(100_000, 85, roomy, tight)
    assert serves(100_000, 85, tight, roomy)
    assert not serves(100_001, 85, roomy, tight)
    # What had to be lowered for one may be had better by who has more room.
    assert not serves(90_000, 80, tight, roomy)
    assert serves(90_000, 80, roomy, tight)


def test_quality_steps_down_until_the_cap_is_met():
    full = render(NOISE, replace(PLAIN, format="JPEG"))
    capped = render(NOISE, replace(PLAIN, format="JPEG", max_bytes=int(len(full.data) * 0.7)))
    assert len(capped.data) <= len(full.data) * 0.7
    assert capped.quality is not None
    assert full.quality == 85
    assert 40 <= capped.quality < 85


@pytest.mark.parametrize("form", FORMATS)
def test_a_cap_that_no_quality_meets_is_said(form: Format):
    with pytest.raises(BadPicture, match=r"cannot be made small enough for plain \(900 bytes\)"):
        render(NOISE, replace(PLAIN, format=form, max_bytes=900))


def test_a_size_that_is_only_aimed_at_costs_little_quality():
    aimed = render(NOISE, replace(PLAIN, format="JPEG", aim_bytes=10))
    assert aimed.quality == 70
    easy = render(master(ramp(200, 100)), replace(PLAIN, format="JPEG", aim_bytes=100_000))
    assert easy.quality == 85
