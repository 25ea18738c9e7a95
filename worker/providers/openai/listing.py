"""Which models there are, as the provider itself says: asked for nothing, at the start and now and then.

A model that is shut down is found here and not by a user's job. A provider that does not say is no reason not to begin.
"""

from __future__ import annotations

import asyncio
from datetime import date
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import httpx2
from openai import APIConnectionError, APIStatusError, OpenAIError

from snapasset.standing import Standing
from worker.providers.openai.models import DEFAULT_MODEL, SHUTDOWNS, is_openai_model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openai import AsyncOpenAI

    from worker.providers.openai.backends import Backend

KEY_REFUSED: Final = Standing("down", "OPENAI_API_KEY is not accepted by the picture provider.")

_SECONDS: Final = 3.0
_SOON_DAYS: Final = 45
_NAMED: Final = 5
_LONGEST_NAME: Final = 100


class Listing(NamedTuple):
    """What was answered: how the provider stands, and its models with the day they end; no models when it did not say."""

    standing: Standing
    models: Mapping[str, date | None]


async def list_models(client: AsyncOpenAI) -> Listing:
    """Ask for the models. Takes three seconds at most and raises nothing: what goes wrong is in the standing."""
    try:
        async with asyncio.timeout(_SECONDS):
            return _read(await client.get("/models", cast_to=object))
    except APIStatusError as error:
        return Listing(_of_status(error.status_code), {})
    except (APIConnectionError, TimeoutError):
        return Listing(Standing("down", "The picture provider cannot be reached."), {})
    except (OpenAIError, httpx2.HTTPError, ValueError, TypeError, RecursionError):
        return _read(None)


def shutdown_of(model: str | None, listing: Listing, backend: Backend) -> date | None:
    """The day from which the model is no more: as the provider says, else as is known here. None: nobody knows of one."""
    if model is None:
        return None
    told = listing.models.get(model)
    return told or (SHUTDOWNS.get(model) if backend.name == "openai" else None)


def complaint(model: str | None, listing: Listing, backend: Backend, today: date) -> str | None:
    """Why no picture can be made with this model, and what to set instead; None when nothing is known against it."""
    day = shutdown_of(model, listing, backend)
    if day is not None and day <= today:
        return f"OPENAI_IMAGE_MODEL: this model was shut down on {day}. Set {_others(listing, today)}."
    if model is not None and backend.name == "openai" and listing.models and model not in listing.models:
        return f"OPENAI_IMAGE_MODEL: the provider has no such model for this key. Set {_others(listing, today)}."
    return None


def warning(model: str | None, listing: Listing, backend: Backend, today: date) -> str | None:
    """What whoever runs this should know though pictures can be made: the model ends soon."""
    day = shutdown_of(model, listing, backend)
    if day is None or (day - today).days > _SOON_DAYS:
        return None
    return f"OPENAI_IMAGE_MODEL: this model is shut down on {day}. Set {_others(listing, today, day)} before that."


def _others(listing: Listing, today: date, after: date | None = None) -> str:
    """The models that could be set instead: of those that the provider lists, else the default."""
    limit = after or today
    living = sorted(
        (name for name, day in listing.models.items() if is_openai_model(name) and (day is None or day > limit)),
        key=lambda name: (name == DEFAULT_MODEL, name),
        reverse=True,
    )
    return " or ".join(living[:_NAMED]) or DEFAULT_MODEL


def _of_status(status: int) -> Standing:
    if status == HTTPStatus.UNAUTHORIZED:
        return KEY_REFUSED
    return Standing("unknown", f"The picture provider does not tell its models (status {status}).")


def _read(body: object) -> Listing:
    """The models in an answer, whatever it is: names that could be one, each with its day if that is one."""
    rows: Any = cast("dict[str, Any]", body).get("data") if isinstance(body, dict) else None
    models: dict[str, date | None] = {}
    for row in cast("list[object]", rows) if isinstance(rows, list) else []:
        fields = cast("dict[str, Any]", row) if isinstance(row, dict) else {}
        name = fields.get("id")
        if isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST_NAME:
            models[name] = _day(fields.get("shutdown_date"))
    if not models:
        return Listing(Standing("unknown", "The picture provider does not tell its models."), {})
    return Listing(Standing("ok"), models)


def _day(text: object) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if isinstance(text, str) else None
    except ValueError:
        return None
