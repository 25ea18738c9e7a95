"""The types in web/ are those of the API as it is."""

from __future__ import annotations

import json

import pytest

from tests.web.studio import BUILD_SECONDS, node
from web.node import Failed
from web.schema import PLACE, described, types_of

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 60)


def test_the_committed_types_are_those_of_the_api() -> None:
    fresh = types_of(described(), node()) == PLACE.read_text("utf-8")
    assert fresh, f"{PLACE.name} is not what /openapi.json says; `python3 dev.py types` makes it anew"


def test_a_changed_api_has_other_types() -> None:
    told = json.loads(described())
    told["components"]["schemas"]["Problem"]["properties"]["another"] = {"type": "string"}
    types = types_of(json.dumps(told), node())
    assert types != PLACE.read_text("utf-8")
    assert "another?: string" in types


def test_what_is_no_document_is_refused() -> None:
    with pytest.raises(Failed):
        types_of("{}", node())
