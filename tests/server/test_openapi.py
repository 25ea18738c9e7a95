"""The document at /openapi.json is valid, whole and true."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from server.answers.words import PROBLEM_CODES
from server.openapi.document import document
from server.openapi.schemas import Limits
from server.problems import REFUSALS, STATUSES
from server.routes import ROUTES
from snapasset.settings import Settings
from tests.server.described import Described
from tests.server.service import catalogue_for
from worker import processors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapasset.job_type import Catalogue
    from tests.server.service import Service

LIMITS = Limits(delay=60, ttl=120, batch_jobs=7)
CATALOGUES = {"the product's": processors.catalogue, "the tests'": catalogue_for}


@pytest.fixture(params=CATALOGUES)
def catalogue(request: pytest.FixtureRequest) -> Catalogue:
    return CATALOGUES[request.param](Settings())


@pytest.fixture
def told(catalogue: Catalogue) -> dict[str, Any]:
    return json.loads(json.dumps(document(catalogue, LIMITS)))


def _operations(told: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _within(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within."""
    if isinstance(value, dict):
        yield value  # pyright: ignore[reportUnknownVariableType]
        for inner in value.values():  # pyright: ignore[reportUnknownVariableType]
            yield from _within(inner)
    elif isinstance(value, list):
        for inner in value:  # pyright: ignore[reportUnknownVariableType]
            yield from _within(inner)


def test_it_is_an_openapi_document(told: dict[str, Any]) -> None:
    errors = [f"{error.instance_path}: {error.message}" for error in _openapi().iter_errors(told)]
    assert not errors, errors[:5]


def _openapi() -> Any:
    return jsonschema_rs.validator_for(OPENAPI_31)  # pyright: ignore[reportUnknownMemberType, reportArgumentType]


def test_what_is_no_openapi_document_is_found_out(told: dict[str, Any]) -> None:
    del told["info"]["title"]
    assert not _openapi().is_valid(told)


def test_every_schema_is_one(told: dict[str, Any]) -> None:
    for name, schema in told["components"]["schemas"].items():
        jsonschema_rs.meta.validate(schema)
        assert re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)


def test_every_reference_leads_somewhere(told: dict[str, Any]) -> None:
    for part in _within(told):
        if isinstance(target := part.get("$ref"), str):
            found: Any = told
            for step in target.removeprefix("#/").split("/"):
                found = found[step]


def test_it_tells_of_every_route_and_of_nothing_else(told: dict[str, Any], catalogue: Catalogue) -> None:
    routes: set[str] = set()
    for route in ROUTES:
        kinds = [job_type.kind for job_type in catalogue] if "{kind}" in route.path else [""]
        path = re.sub(r"_(\w)", lambda match: match[1].upper(), route.path.replace(":path", ""))
        routes |= {
            f"{method} {path.replace('{kind}', kind)}"
            for kind in kinds
            for method in (route.methods or ())
            if method != "HEAD"
        }
    assert {name for name, _ in _operations(told)} == routes


def test_names_are_used_once_and_links_lead_to_operations(told: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in _operations(told)]
    assert len(set(names)) == len(names)
    assert {link["operationId"] for link in told["components"]["links"].values()} <= set(names)


def test_every_parameter_of_an_address_is_told(told: dict[str, Any]) -> None:
    parameters = told["components"]["parameters"]
    for name, operation in _operations(told):
        given = [parameters[one["$ref"].rpartition("/")[2]] for one in operation.get("parameters", ())]
        assert {one["name"] for one in given if one["in"] == "path"} == set(re.findall(r"\{(\w+)\}", name))


def test_every_code_is_told() -> None:
    assert set(PROBLEM_CODES) == set(STATUSES) | {code for code, _ in REFUSALS.values()}


def test_every_example_is_true(told: dict[str, Any]) -> None:
    described = Described(told)
    examples = 0
    for part in _within([told["paths"], told["components"]["responses"], told["components"]["parameters"]]):
        if "schema" not in part:
            continue
        values = [part["example"]] if "example" in part else []
        values += [example["value"] for example in part.get("examples", {}).values()]
        for value in values:
            described.check(part["schema"], value)
            examples += 1
    assert examples > 40


def test_it_tells_this_deployments_limits(told: dict[str, Any]) -> None:
    schemas = told["components"]["schemas"]
    assert schemas["JobOptions"]["properties"]["delay"]["maximum"] == 60
    assert {"type": "number", "exclusiveMinimum": 0, "maximum": 120} in schemas["JobOptions"]["properties"]["ttl"][
        "anyOf"
    ]
    assert schemas["NewBatch"]["properties"]["jobs"]["maxItems"] == 7


async def test_it_is_served_and_not_sent_twice(service: Service) -> None:
    answer = await service.http.get("/openapi.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    settings = service.state["settings"]
    limits = Limits(settings.delay_max_seconds, settings.ttl_max_seconds, settings.batch_max_jobs)
    assert answer.json() == json.loads(json.dumps(document(service.state["catalogue"], limits)))
    again = await service.http.get("/openapi.json", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
