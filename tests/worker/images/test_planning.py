"""The size of a master for the platforms that are wanted."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.images.planning import Size, SizeRules, kept, loss, plan_size
from worker.images.platforms import PLATFORMS

if TYPE_CHECKING:
    from random import Random

LARGE = SizeRules(multiple=16, max_ratio=3.0, min_pixels=655_360, max_pixels=8_294_400, max_edge=3_840)
SMALL = SizeRules(multiple=16, max_ratio=3.0, min_pixels=655_360, max_pixels=1_572_864, max_edge=2_160)
FIXED = SizeRules(1, 99, 0, 0, 0, fixed=(Size(1024, 1024), Size(1536, 1024), Size(1024, 1536)))
TINY = SizeRules(multiple=16, max_ratio=3.0, min_pixels=16_384, max_pixels=131_072, max_edge=512)

known = st.lists(st.sampled_from(list(PLATFORMS)), min_size=1, max_size=6)
any_sizes = st.lists(st.builds(Size, st.integers(16, 4000), st.integers(16, 4000)), min_size=1, max_size=4)


@given(any_sizes, st.sampled_from([LARGE, SMALL, FIXED, TINY]))
@settings(max_examples=60, deadline=None)
def test_the_size_keeps_the_rules_whatever_is_wanted(wanted: list[Size], rules: SizeRules):
    assert rules.allow(plan_size(wanted, rules))


@given(any_sizes)
@settings(max_examples=15, deadline=None)
def test_no_allowed_size_loses_much_less(wanted: list[Size]):
    steps = range(16, 513, 16)
    every = [size for size in itertools.starmap(Size, itertools.product(steps, steps)) if TINY.allow(size)]
    least = min(loss(size, wanted) for size in every)
    assert loss(plan_size(wanted, TINY), wanted) <= least * 1.02 + 0.004


@given(known | any_sizes, st.randoms(use_true_random=False), st.sampled_from([LARGE, SMALL, FIXED, TINY]))
@settings(max_examples=40, deadline=None)
def test_the_order_of_what_is_wanted_does_not_matter(wanted: list[Size], chance: Random, rules: SizeRules):
    shuffled = chance.sample(wanted, len(wanted))
    assert plan_size(wanted, rules) == plan_size(shuffled, rules)


@given(st.sampled_from([each for each in PLATFORMS if 1 / 3 <= each.aspect <= 3]))
@settings(max_examples=18, deadline=None)
def test_one_platform_gets_its_own_shape(platform: Size):
    size = plan_size([platform], LARGE)
    assert kept(size, platform) >= 0.97
    assert size.width >= platform.width
    assert size.height >= platform.height


def test_a_platform_beyond_the_rules_gets_the_widest_there_is():
    size = plan_size([PLATFORMS.get("linkedin-cover")], SMALL)
    assert 2.8 <= size.aspect <= 3.0


def test_no_size_is_larger_than_it_needs_to_be():
    assert plan_size([Size(512, 512)], LARGE).pixels <= 1.02 * LARGE.min_pixels


def test_a_square_and_a_story_meet_in_the_middle():
    size = plan_size(PLATFORMS.pick(["instagram-post", "instagram-story"]), LARGE)
    shares = [kept(size, PLATFORMS.get(name)) for name in ("instagram-post", "instagram-story")]
    assert min(shares) > 0.7


def test_planning_beats_the_square_megapixel_for_a_story():
    story = PLATFORMS.get("instagram-story")
    assert kept(Size(1024, 1024), story) == pytest.approx(0.5625)
    assert kept(plan_size([story], SMALL), story) > 0.97


def test_fixed_sizes_are_the_only_ones():
    assert plan_size([PLATFORMS.get("youtube-banner")], FIXED) == Size(1536, 1024)
    assert plan_size([PLATFORMS.get("pinterest-pin")], FIXED) == Size(1024, 1536)
    assert not FIXED.allow(Size(1040, 1024))


def test_without_platforms_the_master_is_a_square_megapixel():
    assert plan_size([], LARGE) == Size(1024, 1024)


def test_rules_that_allow_nothing_are_named():
    nothing = SizeRules(multiple=16, max_ratio=1.0, min_pixels=300, max_pixels=400, max_edge=16)
    with pytest.raises(ValueError, match="no size fits"):
        plan_size([Size(10, 10)], nothing)
