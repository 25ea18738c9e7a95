"""A deployment's own platforms."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import BadConfiguration
from worker.images.platform_file import load_platforms, platforms_from
from worker.images.platforms import PLATFORMS, Zone

if TYPE_CHECKING:
    from pathlib import Path

SHOP: dict[str, Any] = {"name": "shop-banner", "network": "Shop", "width": 1600, "height": 400, "maxBytes": 500_000}
ZONE: dict[str, Any] = {"coveredBy": "logo", "left": 0, "top": 0, "right": 300, "bottom": 400}


def text(*entries: object, **more: object) -> str:
    return json.dumps({"asOf": "2026-12-24", "platforms": entries, **more})


def refusal(content: str) -> str:
    with pytest.raises(BadConfiguration) as refused:
        platforms_from(content)
    assert refused.value.detail.startswith("PLATFORMS_FILE")
    assert refused.value.__cause__ is None
    return refused.value.detail


def test_without_a_file_the_table_is_the_built_in_one():
    assert load_platforms(None) is PLATFORMS


def test_a_new_platform_comes_after_the_built_in_ones():
    table = platforms_from(text(SHOP | {"format": "AVIF", "aimBytes": 200_000, "zones": [ZONE]}))
    assert table.as_of == date(2026, 12, 24)
    assert table.names == (*PLATFORMS.names, "shop-banner")
    shop = table.get("shop-banner")
    assert (shop.network, shop.width, shop.height, shop.max_bytes) == ("Shop", 1600, 400, 500_000)
    assert (shop.format, shop.aim_bytes) == ("AVIF", 200_000)
    assert shop.zones == (Zone("logo", 0, 0, 300, 400),)


def test_what_is_left_out_has_its_usual_value():
    shop = platforms_from(text(SHOP)).get("shop-banner")
    assert (shop.format, shop.aim_bytes, shop.zones) == ("JPEG", None, ())


def test_an_entry_takes_the_whole_place_of_the_built_in_one():
    table = platforms_from(text(SHOP | {"name": "instagram-story"}))
    assert table.names == PLATFORMS.names
    assert table.get("instagram-story").network == "Shop"
    assert table.get("instagram-story").zones == ()


def test_an_entry_can_be_taken_away():
    table = platforms_from(text({"name": "tiktok-cover", "remove": True}))
    assert set(PLATFORMS.names) - set(table.names) == {"tiktok-cover"}


def test_the_built_in_ones_can_be_left_out_altogether():
    assert platforms_from(text(SHOP, keepBuiltIn=False)).names == ("shop-banner",)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"width": 15}, "width: input should be greater than or equal to 16"),
        ({"height": 8193}, "height: input should be less than or equal to 8192"),
        ({"width": 8192, "height": 4883}, "40 megapixels"),
        ({"width": "1600"}, "width: input should be a valid integer"),
        ({"width": True}, "width: input should be a valid integer"),
        ({"maxBytes": 9_999}, "maxBytes: input should be greater than or equal to 10000"),
        ({"aimBytes": 500_001}, "aimBytes is above maxBytes"),
        ({"format": "GIF"}, "format: input should be"),
        ({"network": ""}, "network: string should have at least 1"),
        ({"name": "Shop"}, "name: a name is kebab-case"),
        ({"name": "shop--banner"}, "name: a name is kebab-case"),
        ({"name": "a/../b"}, "name: a name is kebab-case"),
        ({"name": "s" * 61}, "at most 60 characters"),
        ({"name": "master"}, "taken by another picture"),
        ({"name": "thumbnail"}, "taken by another picture"),
        ({"name": "shop-banner"}, "stands in an earlier entry"),
        ({"zones": [ZONE | {"right": 1601}]}, "a zone is empty or not inside"),
        ({"zones": [ZONE | {"bottom": 0}]}, "a zone is empty or not inside"),
        ({"zones": [ZONE, ZONE | {"left": -1}]}, "zones: 2: left: input should be greater than"),
        ({"zones": [{"left": 0}]}, "zones: 1: coveredBy: field required"),
        ({"remove": True}, "a field that is not known"),
        ({"colour": "red"}, "a field that is not known"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_named_by_its_number(wrong: dict[str, Any], said: str):
    detail = refusal(text(SHOP, SHOP | {"name": "other"} | wrong))
    assert detail.startswith("PLATFORMS_FILE: entry 2: ")
    assert said in detail


@pytest.mark.parametrize("field", ["name", "network", "width", "height", "maxBytes"])
def test_what_every_platform_needs_is_asked_for(field: str):
    assert f"{field}: field required" in refusal(text({key: value for key, value in SHOP.items() if key != field}))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 5_000, "it is not JSON"),
        ("[]", "input should be an object"),
        ("{}", "asOf: field required"),
        (text(asOf="soon"), "asOf: input should be a valid date"),
        (text(SHOP, secret="hush"), "it has a field that is not known"),
        (text("shop"), "entry 1: input should be an object"),
        (text({"name": "nowhere", "remove": True}), "entry 1: there is no such platform to remove"),
        (text({"name": "tiktok-cover", "remove": False}), "entry 1: remove: input should be True"),
        (text(keepBuiltIn=False), "it leaves 0 platforms"),
        (text(*(SHOP | {"name": f"shop-{number}"} for number in range(183))), "it leaves 201 platforms"),
    ],
)
def test_a_file_of_another_form_is_refused(content: str, said: str):
    assert said in refusal(content)


def test_nothing_that_the_file_holds_is_repeated():
    hidden = "hunter2"
    wrong = {"name": hidden.upper(), "network": hidden * 20, "width": hidden, "format": hidden, hidden: 1}
    for content in (text(wrong), text(SHOP, **{hidden: hidden}), hidden, text(asOf=hidden), text(hidden)):
        assert hidden not in refusal(content).lower()


def test_many_complaints_are_cut_short():
    assert refusal(text(*range(50))).count("entry") == 5


def test_the_file_is_read(tmp_path: Path):
    path = tmp_path / "platforms.json"
    path.write_text(text(SHOP), encoding="utf-8-sig")
    assert "shop-banner" in load_platforms(path).names


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe", "it is not UTF-8"), (b" " * 1_000_001, "more than a megabyte"), (None, "no file that can be read")],
)
def test_a_file_that_cannot_be_read_is_said(tmp_path: Path, content: bytes | None, said: str):
    path = tmp_path / "platforms.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadConfiguration, match=f"^PLATFORMS_FILE.*{said}"):
        load_platforms(path)
    with pytest.raises(BadConfiguration, match="no file that can be read"):
        load_platforms(tmp_path)
