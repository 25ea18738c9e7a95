"""What several answers are made of."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeVar

from pydantic import Field, JsonValue
from pydantic.json_schema import SkipJsonSchema

from server.problems import REFUSALS, STATUSES
from snapasset.job_type import Wire

T = TypeVar("T")
Maybe = Annotated[T | SkipJsonSchema[None], Field(default=None)]
"""A field that is there or is not; it never is null."""

Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Address = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Dollars = Annotated[float, Field(ge=0)]
Percent = Annotated[float, Field(ge=0, le=100)]
Free = dict[str, JsonValue]

PROBLEM_CODES: Final = tuple(dict.fromkeys((*STATUSES, *(code for code, _ in REFUSALS.values()))))
"""Every `code` that an error can have, in answers and in jobs."""

Code = Annotated[str, Field(json_schema_extra={"enum": list(PROBLEM_CODES)})]


class FieldProblem(Wire):
    """What is wrong with one field; `field` is its path in the request, as in `options.delay`."""

    field: str
    message: str


class Problem(Wire):
    """Why a request was not done (RFC 9457). `code` never changes; `detail` is a sentence for a person.

    `retryable`: whether the same request may succeed later. `requestId` is what the log knows it by.
    """

    type: Literal["about:blank"]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: Code
    detail: str
    retryable: bool
    request_id: str | None
    errors: Maybe[list[FieldProblem]]


class Cost(Wire):
    """What the paid calls of a job have come to, over all of its runs.

    `calls`: those that were charged or may have been; `doubtfulCalls`: those of which nobody knows; `unpricedCalls`: those that were
    charged and did not say enough to tell how much. `usd` is the sum of what is known.
    """

    usd: Dollars
    calls: Count
    doubtful_calls: Count
    unpriced_calls: Count


class JobError(Wire):
    """Why a job, an attempt or a step failed. `retryable`: whether trying again may help."""

    code: Code
    message: str
    retryable: bool
