"""What every request finds in `request.state`: made by the lifespan, never by an import."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.file_urls import FileUrls
    from server.hub import Hub
    from server.stream_tokens import StreamTokens
    from snapasset.client import JobClient
    from snapasset.database import Database
    from snapasset.job_type import Catalogue
    from snapasset.metrics import Metrics
    from snapasset.settings import Settings
    from snapasset.storage import Storage
    from snapasset.switch import Switch


class Stage(StrEnum):
    """Where the process stands in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Life:
    """The stage of this process, and how long it has been up."""

    def __init__(self) -> None:
        self.stage = Stage.STARTING
        self._since = time.monotonic()

    @property
    def uptime(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._since


class State(TypedDict):
    """What the lifespan opened.

    `provider` is the name of who makes the pictures. `drain` ends the streams and lets the jobs of this process end,
    harmless when repeated; it answers how many of them ignore that they are to end. `lives`: whether all runs that must run
    in this process; while it drains it lives.
    """

    settings: Settings
    catalogue: Catalogue
    database: Database
    switch: Switch
    storage: Storage
    provider: str
    client: JobClient
    hub: Hub
    life: Life
    stream_tokens: StreamTokens
    file_urls: FileUrls
    metrics: Metrics
    drain: Callable[[], Awaitable[int]]
    lives: Callable[[], bool]
