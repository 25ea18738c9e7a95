"""What every request finds in `request.state`: made by the lifespan, never by an import."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypedDict

from server.condition import Condition
from server.sharing import Shared

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.file_urls import FileUrls
    from server.stream_tokens import StreamTokens
    from server.streams.hub import Hub
    from server.studio_files import Studio
    from server.user_tokens import UserTokens
    from snapasset.client import JobClient
    from snapasset.database import Database
    from snapasset.job_type import Catalogue
    from snapasset.metrics import Metrics
    from snapasset.settings import Settings
    from snapasset.standing import Stands
    from snapasset.storage import Storage
    from snapasset.switch import Switch


SHARED_SECONDS: Final = 0.5
"""Oldest answer about the parts; with what a part may take to answer, nothing is told that was true two seconds ago."""


class Stage(StrEnum):
    """Where the process stands in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Life:
    """The stage of this process, how long it has been up, and what its parts were last seen to be like."""

    def __init__(self, shared_seconds: float = SHARED_SECONDS) -> None:
        self.stage = Stage.STARTING
        self.condition = Shared[Condition](shared_seconds)
        self._since = time.monotonic()

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._since


class State(TypedDict):
    """What the lifespan opened.

    `provider` is who makes the pictures, `users` checks who has signed in, None where nobody can. `studio` is None where it is not
    built. `drain` ends the streams and lets the jobs of this process end,
    harmless when repeated; it answers how many of them ignore that they are to end. `lives`: whether all runs that must run
    in this process; while it drains it lives.
    """

    settings: Settings
    catalogue: Catalogue
    database: Database
    switch: Switch
    storage: Storage
    provider: Stands
    client: JobClient
    hub: Hub
    life: Life
    stream_tokens: StreamTokens
    users: UserTokens | None
    file_urls: FileUrls
    metrics: Metrics
    studio: Studio | None
    drain: Callable[[], Awaitable[int]]
    lives: Callable[[], bool]
