"""The settings of connections: a part of `settings.Settings`, which alone is read from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class ConnectionSettings(BaseSettings):
    """How many connections there may be, and how long one may take to ask for something."""

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
