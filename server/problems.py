"""Every refusal and failure as problem details (RFC 9457), from one table: error code → HTTP status.

`type` is about:blank, so `title` is the status's own phrase; what happened is in `code`, which never changes, and in
`detail`, a sentence for a person. An unexpected error shows neither its text nor its traceback: only `requestId`, under
which the log has both.
"""

from __future__ import annotations

import json
import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.exceptions import HTTPException
from starlette.responses import Response

from snapasset.errors import DependencyFailed, InvalidInput, Refused, SnapAssetError, SpendCapReached, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request
    from starlette.types import Scope

log = logging.getLogger(__name__)

STATUSES: Final[dict[str, HTTPStatus]] = {
    "refused": HTTPStatus.BAD_REQUEST,
    "invalid_input": HTTPStatus.UNPROCESSABLE_ENTITY,
    "invalid_prompt": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_platform": HTTPStatus.UNPROCESSABLE_ENTITY,
    "unknown_kind": HTTPStatus.NOT_FOUND,
    "missing_user": HTTPStatus.UNAUTHORIZED,
    "not_found": HTTPStatus.NOT_FOUND,
    "conflict": HTTPStatus.CONFLICT,
    "idempotency_key_reused": HTTPStatus.UNPROCESSABLE_ENTITY,
    "too_many_jobs": HTTPStatus.TOO_MANY_REQUESTS,
    "spend_cap_reached": HTTPStatus.TOO_MANY_REQUESTS,
    "not_enough_credits": HTTPStatus.PAYMENT_REQUIRED,
    "link_expired": HTTPStatus.GONE,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "database_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "storage_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "queue_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "storage_upload_failed": HTTPStatus.BAD_GATEWAY,
    "storage_quota_exceeded": HTTPStatus.INSUFFICIENT_STORAGE,
    "file_missing": HTTPStatus.GONE,
    "bad_picture": HTTPStatus.UNPROCESSABLE_ENTITY,
    "provider_failed": HTTPStatus.BAD_GATEWAY,
    "provider_timeout": HTTPStatus.GATEWAY_TIMEOUT,
    "provider_refused": HTTPStatus.BAD_GATEWAY,
    "provider_answer_lost": HTTPStatus.BAD_GATEWAY,
    "provider_quota_exceeded": HTTPStatus.BAD_GATEWAY,
    "download_failed": HTTPStatus.BAD_GATEWAY,
    "download_refused": HTTPStatus.BAD_GATEWAY,
    "content_policy": HTTPStatus.UNPROCESSABLE_ENTITY,
    "outcome_unknown": HTTPStatus.BAD_GATEWAY,
    "job_timeout": HTTPStatus.GATEWAY_TIMEOUT,
    "worker_lost": HTTPStatus.BAD_GATEWAY,
    "expired": HTTPStatus.GATEWAY_TIMEOUT,
    "dependency_failed": HTTPStatus.CONFLICT,
    "internal_error": HTTPStatus.INTERNAL_SERVER_ERROR,
    "bad_configuration": HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Each code of `snapasset.errors`; a test fails when one is missing."""

REFUSALS: Final[dict[HTTPStatus, tuple[str, str]]] = {
    HTTPStatus.BAD_REQUEST: ("malformed", "The request is malformed."),
    HTTPStatus.FORBIDDEN: ("forbidden", "The request came from another site."),
    HTTPStatus.NOT_FOUND: ("not_found", "There is nothing at this address."),
    HTTPStatus.METHOD_NOT_ALLOWED: ("method_not_allowed", "This address does not take this method."),
    HTTPStatus.REQUEST_TIMEOUT: ("request_timeout", "The request took too long to arrive."),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ("body_too_large", "The body is too large."),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ("unsupported_media_type", "The body must be application/json."),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ("header_too_large", "The request's head is too large."),
}
"""What HTTP itself refuses, raised as Starlette's `HTTPException`: code and sentence."""

_HEADERS: Final[dict[HTTPStatus, dict[str, str]]] = {
    HTTPStatus.UNAUTHORIZED: {"www-authenticate": "Bearer"},
    HTTPStatus.TOO_MANY_REQUESTS: {"retry-after": "10"},
    HTTPStatus.SERVICE_UNAVAILABLE: {"retry-after": "2"},
}

_OF_THE_CALLER: Final = (Refused, DependencyFailed)
"""What lies with the caller, who is told all of it. A job can depend on none that has failed already."""

MEDIA_TYPE: Final = "application/problem+json"

_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def refusal(status: HTTPStatus, detail: str | None = None) -> HTTPException:
    """What to raise when HTTP itself forbids the request: one of `REFUSALS`."""
    return HTTPException(status, detail or REFUSALS[status][1])


def problem_body(
    status: HTTPStatus,
    code: str,
    detail: str,
    *,
    retryable: bool = False,
    request_id: str | None = None,
    fields: Mapping[str, str] | None = None,
) -> bytes:
    """The JSON of one problem; `fields` maps each offending field's path to its complaint."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": detail,
        "retryable": retryable,
        "requestId": request_id,
    }
    if fields:
        body["errors"] = [{"field": field, "message": message} for field, message in fields.items()]
    return _encode(body).encode()


def problem_of(scope: Scope, error: SnapAssetError) -> Response:
    """The answer to a request that ended in a named error."""
    status = STATUSES[error.code]
    body = problem_body(
        status,
        error.code,
        # What the caller did wrong is told in full; what went wrong here may name things that are nobody's business.
        error.detail if isinstance(error, _OF_THE_CALLER) else error.sentence,
        retryable=error.retryable,
        request_id=scope["state"].get("request_id"),
        fields=error.fields if isinstance(error, InvalidInput) else None,
    )
    seconds = error.retry_after_seconds if isinstance(error, SpendCapReached) else None
    return _response(status, body, None if seconds is None else {"retry-after": str(math.ceil(seconds))})


def internal_problem(scope: Scope) -> Response:
    """The answer to a request that ended in an error nobody foresaw."""
    return problem_of(scope, SnapAssetError())


async def on_named_error(request: Request, error: Exception) -> Response:
    """Answer what the record, the storage or a handler refused or could not do."""
    assert isinstance(error, SnapAssetError)
    # Who is away is told once by whoever watches it, not with each request that meets it.
    if not isinstance(error, (*_OF_THE_CALLER, Unavailable)):
        log.error("a request failed", extra={"code": error.code, "error": error.detail})
    return problem_of(request.scope, error)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what a handler or the router refused."""
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code, sentence = REFUSALS[status]
    detail = sentence if error.detail == status.phrase else error.detail
    headers: dict[str, str] = {}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["allow"] = ", ".join(sorted(methods_of(request.app.routes, request.scope["path"])))
    body = problem_body(
        status,
        code,
        detail,
        retryable=status is HTTPStatus.REQUEST_TIMEOUT,
        request_id=request.scope["state"].get("request_id"),
    )
    return _response(status, body, headers)


def methods_of(routes: Iterable[Any], path: str) -> set[str]:
    """The methods of every route at this address; the router names only those of the first."""
    return {method for route in routes if route.path_regex.match(path) for method in route.methods}


def _response(status: HTTPStatus, body: bytes, headers: Mapping[str, str] | None = None) -> Response:
    merged = {"cache-control": "no-store", **_HEADERS.get(status, {}), **(headers or {})}
    return Response(body, status, headers=merged, media_type=MEDIA_TYPE)
