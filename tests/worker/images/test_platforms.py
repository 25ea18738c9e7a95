"""The table of platforms."""

from __future__ import annotations

import subprocess
import sys
from datetime import date

import pytest

from snapasset.errors import BadConfiguration, UnknownPlatform
from worker.images.platforms import PLATFORMS, Platform, PlatformTable

KNOWN = {
    "instagram-post": (1080, 1080, 8_000_000),
    "instagram-portrait": (1080, 1350, 8_000_000),
    "instagram-story": (1080, 1920, 8_000_000),
    "reel-cover": (1080, 1920, 8_000_000),
    "facebook-post": (1200, 630, 4_000_000),
    "facebook-cover": (1640, 624, 4_000_000),
    "facebook-story": (1080, 1920, 4_000_000),
    "twitter-post": (1200, 675, 5_000_000),
    "twitter-header": (1500, 500, 5_000_000),
    "linkedin-post": (1200, 627, 5_000_000),
    "linkedin-cover": (1128, 191, 3_000_000),
    "pinterest-pin": (1000, 1500, 20_000_000),
    "youtube-thumbnail": (1280, 720, 2_000_000),
    "youtube-banner": (2560, 1440, 6_000_000),
    "tiktok-cover": (1080, 1920, 20_000_000),
    "threads-post": (1080, 1350, 8_000_000),
    "bluesky-post": (1200, 675, 2_000_000),
    "open-graph": (1200, 630, 5_000_000),
}


def test_the_table_holds_what_the_platforms_ask_for():
    assert {each.name: (each.width, each.height, each.max_bytes) for each in PLATFORMS} == KNOWN
    assert len(PLATFORMS) == len(KNOWN)
    assert PLATFORMS.names == tuple(KNOWN)
    assert PLATFORMS.as_of >= date(2026, 11, 1)
    assert {each.format for each in PLATFORMS} == {"JPEG"}
    assert PLATFORMS.get("open-graph").aim_bytes == 300_000


def test_what_a_platform_covers_lies_inside_its_picture():
    for each in PLATFORMS:
        for zone in each.zones:
            assert 0 <= zone.left < zone.right <= each.width
            assert 0 <= zone.top < zone.bottom <= each.height


def test_stories_keep_their_top_and_bottom_free():
    header, footer = PLATFORMS.get("instagram-story").zones
    assert (header.top, header.bottom) == (0, 250)
    assert (footer.top, footer.bottom) == (1670, 1920)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("instagram_post", "instagram-post"),
        ("Instagram Story", "instagram-story"),
        ("tiktok", "tiktok-cover"),
        ("youtube-thumbnial", "youtube-thumbnail"),
        ("pin", "pinterest-pin"),
    ],
)
def test_an_unknown_name_is_answered_with_the_one_that_was_meant(asked: str, meant: str):
    with pytest.raises(UnknownPlatform, match=f"Did you mean.*{meant}"):
        PLATFORMS.get(asked)


@pytest.mark.parametrize("asked", ["", "myspace", "x" * 10_000])
def test_a_name_that_nothing_resembles_gets_no_hint(asked: str):
    with pytest.raises(UnknownPlatform) as refused:
        PLATFORMS.get(asked)
    assert "Did you mean" not in refused.value.detail
    assert len(refused.value.detail) < 120


def test_picking_keeps_the_order_and_takes_each_once():
    picked = PLATFORMS.pick(["open-graph", "instagram-post", "open-graph"])
    assert [each.name for each in picked] == ["open-graph", "instagram-post"]


def test_picking_complains_of_every_unknown_name_by_its_place():
    with pytest.raises(UnknownPlatform) as refused:
        PLATFORMS.pick(["instagram-post", "instagram", "nowhere"])
    assert set(refused.value.fields) == {"platforms.1", "platforms.2"}
    assert "instagram-post" in refused.value.fields["platforms.1"]


def test_two_platforms_of_one_name_are_refused():
    twice = [Platform("a", "A", 10, 10, 1000)] * 2
    with pytest.raises(BadConfiguration, match="listed twice"):
        PlatformTable(date(2026, 1, 1), twice)


def test_the_table_and_the_contract_load_neither_pillow_nor_numpy():
    program = (
        "import sys, worker.images.platforms, worker.images.platform_file, worker.images.planning;"
        "import worker.images.fit, worker.images.caps, worker.providers;"
        "print(sorted({'PIL', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
