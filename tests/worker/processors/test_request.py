"""What the image kind takes: the API shows each complaint at its field, and a picker draws itself from the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from worker.images.platforms import PLATFORMS
from worker.processors.image_generation.request import request_model
from worker.providers import ImageType

MODEL = request_model(PLATFORMS, 20)

GOOD: dict[str, Any] = {"prompt": "a lake", "platforms": ["open-graph", "instagram-post"]}


def test_a_request_keeps_the_order_of_its_platforms_and_is_vivid_by_default():
    request = MODEL.model_validate_json(json.dumps(GOOD))
    assert request.platforms == ("open-graph", "instagram-post")
    assert request.image_type is ImageType.VIVID
    assert MODEL.model_validate_json(request.model_dump_json()) == request


def test_a_request_takes_every_platform_and_the_other_style():
    whole = {"prompt": "x" * 20, "platforms": list(PLATFORMS.names), "imageType": "natural"}
    request = MODEL.model_validate_json(json.dumps(whole))
    assert (request.platforms, request.image_type) == (PLATFORMS.names, ImageType.NATURAL)


@pytest.mark.parametrize(
    ("change", "place", "kind"),
    [
        ({"prompt": ""}, ("prompt",), "invalid_prompt"),
        ({"prompt": " \n\t\u2003"}, ("prompt",), "invalid_prompt"),
        ({"prompt": "x" * 21}, ("prompt",), "invalid_prompt"),
        ({"prompt": None}, ("prompt",), "string_type"),
        ({"prompt": 7}, ("prompt",), "string_type"),
        ({"platforms": []}, ("platforms",), "too_short"),
        ({"platforms": "open-graph"}, ("platforms",), "tuple_type"),
        ({"platforms": ["open-graph", "open-graf"]}, ("platforms", 1), "unknown_platform"),
        ({"platforms": ["open-graph", "open-graph"]}, ("platforms",), "repeated"),
        ({"platforms": ["open-graph"] * 50}, ("platforms",), "too_long"),
        ({"imageType": "cubist"}, ("imageType",), "enum"),
        ({"seed": -1}, ("seed",), "greater_than_equal"),
        ({"seed": 2**31}, ("seed",), "less_than"),
        ({"seed": 1.5}, ("seed",), "int_type"),
        ({"reuse": "yes"}, ("reuse",), "bool_type"),
        ({"quality": "high"}, ("quality",), "extra_forbidden"),
    ],
    ids=str,
)
def test_a_bad_request_is_complained_about_at_its_field(
    change: dict[str, Any], place: tuple[str | int, ...], kind: str
):
    with pytest.raises(ValidationError) as raised:
        MODEL.model_validate_json(json.dumps(GOOD | change))
    (complaint,) = raised.value.errors()
    assert (complaint["loc"], complaint["type"]) == (place, kind)


@pytest.mark.parametrize("missing", ["prompt", "platforms"])
def test_a_request_without_a_field_names_it(missing: str):
    with pytest.raises(ValidationError) as raised:
        MODEL.model_validate_json(json.dumps({name: value for name, value in GOOD.items() if name != missing}))
    assert [complaint["loc"] for complaint in raised.value.errors()] == [(missing,)]


def test_an_unknown_platform_gets_a_hint():
    with pytest.raises(ValidationError, match="Did you mean instagram-story"):
        MODEL.model_validate_json(json.dumps(GOOD | {"platforms": ["Instagram Story"]}))


def test_the_schema_shows_the_limits_and_what_a_picker_needs():
    schema = MODEL.model_json_schema()
    assert schema["required"] == ["prompt", "platforms"]
    assert schema["additionalProperties"] is False
    prompt, platforms = schema["properties"]["prompt"], schema["properties"]["platforms"]
    assert (prompt["minLength"], prompt["maxLength"]) == (1, 20)
    assert (platforms["minItems"], platforms["maxItems"], platforms["uniqueItems"]) == (1, len(PLATFORMS), True)
    assert platforms["items"]["enum"] == list(PLATFORMS.names)
    assert [drawn["name"] for drawn in platforms["x-platforms"]] == list(PLATFORMS.names)
    assert platforms["x-platforms"][0] == {
        "name": "instagram-post",
        "network": "Instagram",
        "width": 1080,
        "height": 1080,
        "format": "JPEG",
        "zones": [],
    }
    story = next(drawn for drawn in platforms["x-platforms"] if drawn["name"] == "instagram-story")
    assert story["zones"][0] == {"coveredBy": "header", "left": 0, "top": 0, "right": 1080, "bottom": 250}
