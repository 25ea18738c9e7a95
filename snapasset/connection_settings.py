"""The settings of connections: a part of `settings.Settings`, which alone is read from the environment."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode

_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|\[[0-9a-f:.]+\]")
_USUAL_PORTS: Final = {"http": 80, "https": 443}


class ConnectionSettings(BaseSettings):
    """How many connections there may be, how long one may take to ask for something, and whose pages may."""

    connections_max: int | None = Field(
        default=None, ge=1, description="Most connections at once; unset: what the limit of open files leaves room for."
    )
    connections_per_address: int | None = Field(
        default=None,
        ge=1,
        description="Most of them from one address; unset: no limit, as behind a proxy all have the proxy's.",
    )
    request_seconds: float = Field(
        default=15.0, gt=0, le=86_400, description="How long a request may take to arrive whole."
    )
    cors_origins: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(),
        description="Origins, with commas between them, whose pages may use the service as our own do; unset: none.",
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _are_origins(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        origins = [origin for part in given.split(",") if (origin := part.strip())]
        for place, origin in enumerate(origins, 1):
            if complaint := _complaint(origin):
                raise ValueError(f"number {place} in it {complaint}")
        return frozenset(origins)


def _complaint(origin: str) -> str | None:
    """Why a browser would never send this as its `Origin`, or must not be believed; None for what can be compared."""
    if "*" in origin:
        return "has a *: name each origin, as whoever may use a visitor's session must be known"
    scheme, separator, place = origin.partition("://")
    if scheme not in _USUAL_PORTS or not separator:
        return "must begin with https:// or http://, in lower case"
    if re.search(r"[/?#@\\]", place):
        return "must be no more than scheme, host and port: no name, no path and no slash at its end"
    try:
        host, port = place, urlsplit(origin).port
    except ValueError:
        return "has a port or a host that cannot be"
    if port is not None:
        host = place.rpartition(":")[0]
        if place != f"{host}:{port}" or port in (0, _USUAL_PORTS[scheme]):
            return "must have its port as browsers send it, and none where the scheme's own is meant"
    if not _HOST.fullmatch(host):
        return "must have its host as browsers send it: in lower case, and xn--… for letters beyond ASCII"
    return None
