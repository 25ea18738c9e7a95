"""Reads what a request carries: bounded in size and depth (`protocol.py` bounds the time), strict in form.

What is no acceptable JSON at all is refused by HTTP's own statuses (415, 413, 400); what is JSON but breaks a rule
is an `InvalidInput` that names each field as the wire spells it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import ClientDisconnect

from server.problems import refusal
from snapasset.errors import InvalidInput, InvalidPrompt, UnknownPlatform

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails
    from starlette.requests import Request

    from server.state import State
    from snapasset.job_type import Wire

W = TypeVar("W", bound="Wire")

_NAMED: Final[dict[str, type[InvalidInput]]] = {kind.code: kind for kind in (InvalidPrompt, UnknownPlatform)}
"""Complaints that have a code of their own: a kind's rule raises them as a `PydanticCustomError` of that type."""

_MOST_COMPLAINTS: Final = 20
"""A body of ten thousand unknown fields must not get ten thousand complaints."""

_LONGEST_FIELD: Final = 100

_EXACT: Final = 2.0**53
"""Below this every whole number is a float of its own."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        # Of two readers one takes the first and one the last: nobody could say what was checked.
        raise ValueError("a name stands twice in one object")
    return value


def _number(text: str) -> float:
    # JSON knows one kind of number, so to a schema 2.0 is a whole one; the models are stricter.
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number)


async def read_object(request: Request[State], limit: int | None = None) -> dict[str, Any]:
    """The request's body as a JSON object of at most `limit` bytes, by default what the settings say.

    NaN and infinities are let through as floats, so that the model that meets them can name the field.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    body = await _read(request, limit or request.state["settings"].body_max_bytes)
    try:
        value: object = _DECODER.decode(body.decode())
    except RecursionError:
        raise refusal(HTTPStatus.BAD_REQUEST, "The body is nested too deeply.") from None
    except ValueError:
        raise refusal(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    if not isinstance(value, dict):
        raise InvalidInput("The body must be a JSON object.")
    return cast("dict[str, Any]", value)


def validate(model: type[W], value: object, *, prefix: str = "") -> W:
    """`value` as the model says, which takes wire names only. Raises `InvalidInput` that names each bad field."""
    try:
        text = to_json(value)
    except ValueError:  # half a surrogate pair, or nested deeper than anything that is meant
        raise refusal(HTTPStatus.BAD_REQUEST, "The body is not JSON that can be kept.") from None
    try:
        return model.model_validate_json(text, by_alias=True, by_name=False)
    except ValidationError as error:
        raise _complaint(error, prefix) from None


async def _read(request: Request[State], limit: int) -> bytes:
    too_large = refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is larger than {limit} bytes.")
    length = request.headers.get("content-length")
    if length is not None and length.isdecimal() and int(length) > limit:
        raise too_large
    body = b""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > limit:
            raise too_large
        if not message.get("more_body", False):
            return body


def _complaint(error: ValidationError, prefix: str) -> InvalidInput:
    found = error.errors(include_url=False, include_input=False)[:_MOST_COMPLAINTS]
    if found[0]["type"] == "json_invalid":
        raise refusal(HTTPStatus.BAD_REQUEST, "The body is nested too deeply.") from None
    # A list that is too short because its items were refused is no fault of its own.
    within = {one["loc"][:depth] for one in found for depth in range(len(one["loc"]))}
    told = [one for one in found if one["loc"] not in within]
    fields = {_path(one["loc"], prefix): _words(one) for one in reversed(told)}
    kinds = {_NAMED.get(one["type"], InvalidInput) for one in told}
    kind = kinds.pop() if len(kinds) == 1 else InvalidInput
    return kind(None if kind is InvalidInput else told[0]["msg"], fields=dict(reversed(fields.items())))


def _words(one: ErrorDetails) -> str:
    """What is wrong; where pydantic speaks of Python's types, in words of our own."""
    bounds = one.get("ctx", {})
    match one["type"]:
        case "too_long":
            return f"takes at most {bounds['max_length']} items"
        case "too_short":
            return f"takes at least {bounds['min_length']} item{'s' * (bounds['min_length'] != 1)}"
        case _:
            return one["msg"]


def _path(place: tuple[str | int, ...], prefix: str) -> str:
    path = ".".join([*prefix.split(), *map(str, place)])
    return path[:_LONGEST_FIELD] or "body"
