"""Whatever /openapi.json allows is asked of the real service, and what it refuses too; every answer is held against it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.pytest._test_builder import build_operation_test  # pyright: ignore[reportUnknownVariableType]

from tests.server.schemathesis_asks import SERVED_HERE, Known, described_api, known_things, mend
from tests.server.service import ALICE

if TYPE_CHECKING:
    from collections.abc import Generator

API = described_api()
OPERATIONS: dict[str, Any] = {found.ok().label: found.ok() for found in API.get_all_operations()}

pytestmark = [pytest.mark.filterwarnings(SERVED_HERE), pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Generator[Known]:
    with known_things(tmp_path_factory.mktemp("service")) as known:
        yield known


# Not `API.parametrize()`: its tests all have one id to pytest 9, of which xdist runs one.
@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_keeps_to_the_document(operation: str, known: Known) -> None:
    asked: list[Any] = []

    def ask(case: Any) -> None:
        mend(case, known)
        asked.append(case)
        answer = case.call_and_validate(base_url=known.address, headers=ALICE)
        if 200 <= answer.status_code < 300 and {} not in case.operation.definition.raw["security"]:
            assert case.call(base_url=known.address).status_code in (401, 404), (
                "whoever brings no identity finds it too"
            )

    build_operation_test(
        config=API.config,
        operation=OPERATIONS[operation],
        test_func=ask,
        given_kwargs={},
        feedback=FeedbackSources(),
    )()
    assert asked
