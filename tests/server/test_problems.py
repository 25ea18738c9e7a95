"""Every error has its status, and no error shows what is nobody's business."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx
import pytest

from server.problems import REFUSALS, STATUSES
from snapasset.errors import SnapAssetError, StorageFailed
from tests.server.breakable import Breakable
from tests.server.service import ALICE, opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

    from snapasset.settings import Settings
    from tests.server.service import Service


def _tree(error: type[SnapAssetError]) -> Iterator[type[SnapAssetError]]:
    yield error
    for below in error.__subclasses__():
        yield from _tree(below)


Failing = Callable[[Exception], Awaitable[httpx.Response]]
ERRORS = [error for error in _tree(SnapAssetError) if error.__module__ == "snapasset.errors"]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_status(error: type[SnapAssetError]) -> None:
    assert STATUSES[error.code] >= 400
    if error.retryable:
        assert STATUSES[error.code] in {429, 502, 503, 504, 500}


def test_the_table_has_no_code_that_no_error_has() -> None:
    assert set(STATUSES) == {error.code for error in ERRORS} | {"internal_error"}


def test_what_http_refuses_has_codes_that_no_error_has() -> None:
    assert {code for code, _ in REFUSALS.values()} & set(STATUSES) == {"not_found"}
    assert STATUSES["not_found"] is HTTPStatus.NOT_FOUND


@pytest.fixture
async def failing(settings: Settings) -> AsyncGenerator[Failing]:
    """Has a request meet an error."""
    async with opened(settings, wrap=Breakable) as service:
        database = service.state["database"]
        assert isinstance(database, Breakable)

        async def fail(error: Exception) -> httpx.Response:
            database.error = error
            return await service.http.get("/api/jobs/x", headers=ALICE)

        yield fail


async def test_an_unexpected_error_is_logged_and_not_shown(failing: Failing, caplog: pytest.LogCaptureFixture) -> None:
    answer = await failing(RuntimeError("the password is swordfish"))
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal_error")
    assert problem["requestId"] == answer.headers["x-request-id"]
    assert "swordfish" not in answer.text
    assert "Traceback" not in answer.text
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert "swordfish" in str(record.exc_info[1])


async def test_what_failed_inside_is_logged_and_shown_as_its_plain_sentence(
    failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await failing(StorageFailed("bucket at 10.0.0.7 said no"))
    assert (answer.status_code, answer.json()["detail"]) == (502, StorageFailed.sentence)
    assert any(getattr(record, "error", "") == "bucket at 10.0.0.7 said no" for record in caplog.records)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
async def test_every_error_becomes_its_problem(failing: Failing, error: type[SnapAssetError]) -> None:
    answer = await failing(error())
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, problem["code"]) == (STATUSES[error.code], error.code)
    assert (problem["detail"], problem["retryable"]) == (error.sentence, error.retryable)


async def test_a_request_id_is_taken_over_when_it_is_harmless(service: Service) -> None:
    for given in ("abc-123", "A" * 64):
        answer = await service.http.get("/api/nothing", headers={"x-request-id": given})
        assert answer.headers["x-request-id"] == answer.json()["requestId"] == given
    for given in ("", "a b", "a\tb", "A" * 65, "<script>", "a;b", "ä"):
        answer = await service.http.get("/api/nothing", headers={b"x-request-id": given.encode()})
        assert answer.headers["x-request-id"] == answer.json()["requestId"] != given
        assert len(answer.json()["requestId"]) == 24


async def test_two_requests_have_two_ids(service: Service) -> None:
    ids = {(await service.http.get("/health/live")).headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
