"""What operations share: parameters, who asks, links to what comes next, and every refusal by its code."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from server import auth, idempotency
from server.openapi.kinds import pascal, ref
from server.problems import MEDIA_TYPE, REFUSALS, STATUSES
from snapasset.errors import SnapAssetError

if TYPE_CHECKING:
    from server.openapi.kinds import Schema

Responses = dict[str, dict[str, Any]]

JOB_ID: Final = "01980000-0000-7000-8000-000000000001"
GENERATION_ID: Final = "01980000-0000-7000-8000-000000000002"
REQUEST_ID: Final = "5f0c2b6e9a1d4e7f8b3a6c21"


def _named(error: type[SnapAssetError]) -> dict[str, type[SnapAssetError]]:
    """Every named error by its code; of those that share one, the first in the tree."""
    below = {code: kind for child in reversed(error.__subclasses__()) for code, kind in _named(child).items()}
    return {**below, error.code: error}


ALWAYS: Final = ("malformed", "request_timeout", "header_too_large", "internal_error")
"""What any request may meet."""

ASKING: Final = ("invalid_input", "missing_user", "database_unavailable", "unavailable")
"""What any request may meet that brings an identity and reads the record."""

CHANGING: Final = (*ASKING, "forbidden")
PAYING: Final = ("too_many_jobs", "spend_cap_reached", "not_enough_credits")
"""What a run that is to be begun may meet."""

SUBMITTING: Final = (
    *CHANGING, "body_too_large", "unsupported_media_type", "dependency_failed", "idempotency_key_reused", *PAYING,
    "unavailable", "not_found",
)  # fmt: skip


def _parameter(name: str, place: str, schema: Schema, description: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"name": name, "in": place, "schema": schema, "description": description, **more}


def _path(name: str, example: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": "^[0-9A-Za-z-]{1,64}$"} if name.endswith("Id") else {"type": "string"}
    return _parameter(name, "path", schema, description, required=True, example=example)


_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}

PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "JobId": _path("jobId", JOB_ID, "A job of the caller's; any other is not found."),
    "GenerationId": _path("generationId", GENERATION_ID, "A generation of the caller's; any other is not found."),
    "FileId": _path("fileId", "01980000-0000-7000-8000-000000000003", "A file, as it is named beside its address."),
    "Queue": _path("queue", "image-generation", "A queue."),
    "StudioFile": _path("name", "index-Bd0Gm1vT.js", "A file of the studio; its name changes with what is in it."),
    "PageFile": _path("name", "app.js", "A file of the page; its name may hold slashes."),
    "IdempotencyKey": _parameter(
        idempotency.HEADER, "header", {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
        "The same request sent again with the same key makes nothing new. Needs a session.", example="order-17",
    ),
    "Prefer": _parameter(
        "prefer", "header", _TEXT, "`wait=n`: wait up to n seconds for the end of the job.", example="wait=10"
    ),
    "IfNoneMatch": _parameter(
        "if-none-match", "header", _TEXT, "The ETag of what the client has.", example='"0123456789abcdef01234567"'
    ),
    "LastEventId": _parameter(
        "last-event-id", "header", _TEXT, "The id of the last frame that came; a browser sends it by itself.",
        example="3",
    ),
    "Status": _parameter(
        "status", "query", {"type": "array", "items": ref("JobStatus"), "maxItems": 20},
        "Only jobs in one of these; repeated, or with commas between.",
    ),
    "Kind": _parameter(
        "kind", "query", {"type": "array", "items": _TEXT, "maxItems": 20},
        "Only jobs of one of these kinds; repeated, or with commas between.",
    ),
    "CreatedAfter": _parameter("createdAfter", "query", _MOMENT, "Only jobs made after this."),
    "CreatedBefore": _parameter("createdBefore", "query", _MOMENT, "Only jobs made before this."),
    "Limit": _parameter(
        "limit", "query", {"type": "integer", "minimum": 1, "maximum": 100, "default": 50}, "Most on one page."
    ),
    "Cursor": _parameter("cursor", "query", {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}, "The `nextCursor` of the page before."),
    "After": _parameter(
        "after", "query", {"type": "integer", "minimum": 0, "maximum": 10**15 - 1, "default": 0},
        "Only events with a seq above this.",
    ),
    "EventsLimit": _parameter(
        "limit", "query", {"type": "integer", "minimum": 1, "maximum": 500, "default": 500}, "Most in one answer."
    ),
    "LeftOffAfter": _parameter(
        "after", "query", _TEXT, "The seq of the last event that came; of no seq, the stream starts afresh."
    ),
    "LeftOffAt": _parameter(
        "after", "query", _TEXT, "The id of the last frame that came; of one that was never sent, the stream starts afresh."
    ),
    "Named": _parameter("named", "query", _TEXT, "`1`: each frame has the type of its event as `event:`."),
    "Cascade": _parameter(
        "cascade", "query", {"type": "boolean", "default": False}, "Also retry what failed because this job did."
    ),
    "Expires": _parameter("expires", "query", _TEXT, "Part of a signed address."),
    "Signature": _parameter("signature", "query", _TEXT, "Part of a signed address."),
    "Download": _parameter("download", "query", _TEXT, "`1`: to be saved under a name, not shown."),
    "Platforms": _parameter(
        "platforms", "query", {"type": "array", "items": _TEXT, "maxItems": 20},
        "Only these pictures; repeated, or with commas between.",
    ),
    "Master": _parameter(
        "master", "query", {"type": "boolean", "default": False}, "Also the picture that they were cut from."
    ),
}  # fmt: skip

SECURITY_SCHEMES: Final[dict[str, dict[str, Any]]] = {
    "sessionCookie": {
        "type": "apiKey", "in": "cookie", "name": auth.COOKIE,
        "description": "An anonymous session; a POST without an identity makes one and sets this cookie.",
    },
    "sessionHeader": {
        "type": "apiKey", "in": "header", "name": auth.HEADER,
        "description": "A session of the caller's making: 22 to 128 characters of A-Z, a-z, 0-9, _ and -.",
    },
    "streamToken": {
        "type": "apiKey", "in": "query", "name": "token",
        "description": "The `streamToken` that came with the job: it opens its stream, and nothing else.",
    },
    "eventsToken": {
        "type": "apiKey", "in": "query", "name": "token",
        "description": "What `makeEventsToken` gave: for an hour it opens the stream of the caller's own news, and nothing else.",
    },
    "userToken": {
        "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
        "description": "The access token of a user of the deployment's Supabase project, where it has one.",
    },
    "adminToken": {"type": "http", "scheme": "bearer", "description": "The deployment's ADMIN_TOKEN."},
    "metricsToken": {"type": "http", "scheme": "bearer", "description": "The deployment's METRICS_TOKEN."},
}  # fmt: skip

OWNER: Final = tuple({scheme: list[str]()} for scheme in ("sessionCookie", "sessionHeader", "userToken", "adminToken"))
"""Nothing is found without an identity: the answer is the 404 of what is not there."""

ADMIN: Final = ({"adminToken": list[str]()}, {"userToken": list[str]()})
"""A user's token is an admin's when its claim says so."""

STREAM: Final = {"streamToken": list[str]()}
NEWS: Final = {"eventsToken": list[str]()}
ANYBODY: Final = (dict[str, list[str]](),)
SOMEBODY: Final = (*OWNER, *ANYBODY)
"""An identity is taken and not asked for, but for new jobs where no anonymous sessions are taken."""

METRICS: Final = ({"metricsToken": list[str]()}, {"adminToken": list[str]()}, *ANYBODY)

_JOB: Final = "$response.body#/jobId"
_GENERATION: Final = "$response.body#/generationId"


def _link(operation: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": operation, "parameters": parameters}


LINKS: Final = {
    "Job": _link("getJob", jobId=_JOB),
    "Events": _link("followJob", jobId=_JOB),
    "Timeline": _link("getTimeline", jobId=_JOB),
    "Cancel": _link("cancelJob", jobId=_JOB),
    "Delete": _link("deleteJob", jobId=_JOB),
    "Retry": _link("retryJob", jobId=_JOB),
    "FirstJob": _link("getJob", jobId="$response.body#/jobs/0/jobId"),
    "Generation": _link("getGeneration", generationId=_GENERATION),
    "Renditions": _link("submitRenditions", generationId=_GENERATION),
    "Zip": _link("downloadGeneration", generationId=_GENERATION),
    "Removal": _link("deleteGeneration", generationId=_GENERATION),
    "FirstGeneration": _link("getGeneration", generationId="$response.body#/generations/0/generationId"),
    "NextJobs": _link("listJobs", cursor="$response.body#/nextCursor"),
}
OF_A_JOB: Final = ("Job", "Events", "Timeline", "Cancel", "Delete", "Retry")


def refusals(*codes: str) -> Responses:
    """The answers of problems with these codes, and those that any request may meet, by status."""
    by_status: dict[HTTPStatus, list[dict[str, Any]]] = {}
    for code in dict.fromkeys((*codes, *ALWAYS)):
        told = problem(code)
        by_status.setdefault(HTTPStatus(told["status"]), []).append(told)
    return {str(status.value): _refusal(status, told) for status, told in sorted(by_status.items())}


def problem(code: str) -> dict[str, Any]:
    """A problem as it is sent."""
    status, sentence, retryable = next(
        (
            (status, told, status is HTTPStatus.REQUEST_TIMEOUT)
            for status, (own, told) in REFUSALS.items()
            if own == code
        ),
        (None, "", False),
    )
    if status is None or code in STATUSES:
        error = _named(SnapAssetError)[code]
        status, sentence, retryable = STATUSES[code], error.sentence, error.retryable
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "code": code,
        "detail": sentence,
        "retryable": retryable,
        "requestId": REQUEST_ID,
    }


def _refusal(status: HTTPStatus, problems: list[dict[str, Any]]) -> dict[str, Any]:
    codes = [told["code"] for told in problems]
    narrowed = {"type": "object", "properties": {"code": {"enum": codes}}, "required": ["code"]}
    examples = {pascal(told["code"]): {"value": told} for told in problems}
    content = {MEDIA_TYPE: {"schema": {"allOf": [ref("Problem"), narrowed]}, "examples": examples}}
    sentences = [f"`{told['code']}`: {told['detail']}" for told in problems]
    return {"description": f"{status.phrase}. {' '.join(sentences)}", "content": content}
