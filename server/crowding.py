"""Who may stay when there are more connections than there may be.

Who has asked for nothing yet makes room for who comes: first whoever has been waited for the longest, then whoever has
been idle the longest after an answer. Streams and requests that are being answered stay. Beyond the most, a few are let in
for a moment, so that they can be told to come back, and so that whoever asks how the server is gets an answer however
full it is.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from enum import IntEnum
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import Response
from uvicorn.server import ServerState

from server.cross_origin import granted, is_preflight
from server.problems import problem_of
from server.streams.frames import retry
from server.streams.response import COME_BACK
from server.unread import Watch
from snapasset.errors import Unavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from server.protocol import GuardedProtocol
    from server.state import State
    from snapasset.settings import Settings

TURNED_AWAY: Final = 64
"""How many connections beyond the most are listened to."""

TURNED_AWAY_SECONDS: Final = 2.0
"""How long such a one may take to ask."""

PROBES: Final = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""What is answered beyond the most as well."""


class Place(IntEnum):
    """Where a connection stands."""

    WITHIN = 0
    BEYOND = 1


class Crowd(ServerState):
    """All connections of one server, as uvicorn's protocols share them, and who of them is asked to go first."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.leaving = False
        """Whether this server is about to end: each connection is closed after its next answer."""
        self._most = settings.connections_max
        self._per_address = settings.connections_per_address
        self._counts = [0, 0]
        self._waiting: tuple[OrderedDict[GuardedProtocol, None], ...] = (OrderedDict(), OrderedDict())
        self._idle: OrderedDict[GuardedProtocol, None] = OrderedDict()
        self._addresses: Counter[str] = Counter()
        self._watch = Watch(cast("set[GuardedProtocol]", self.connections), settings.stream_frozen_seconds)

    def enter(self, connection: GuardedProtocol) -> Place | None:
        """Find a place for a new connection; None: there is none, and no answer either."""
        self._watch.begin()
        place = Place.WITHIN if self._has_room(connection.address) else Place.BEYOND
        if place is Place.BEYOND and self._counts[place] >= TURNED_AWAY and not _evict(self._waiting[place]):
            return None
        self._counts[place] += 1
        if self._per_address is not None and place is Place.WITHIN:
            self._addresses[connection.address] += 1
        return place

    def leave(self, connection: GuardedProtocol, place: Place) -> None:
        """Its place is free. To be called once, and before it is forgotten by others."""
        self._counts[place] -= 1
        self._waiting[place].pop(connection, None)
        self._idle.pop(connection, None)
        self._watch.forget(connection)
        if self._per_address is not None and place is Place.WITHIN:
            self._addresses[connection.address] -= 1
            if not self._addresses[connection.address]:
                del self._addresses[connection.address]

    def waits(self, connection: GuardedProtocol, place: Place) -> None:
        """It has yet to ask for something."""
        self._waiting[place][connection] = None

    def asks(self, connection: GuardedProtocol, place: Place) -> None:
        """It has asked."""
        self._waiting[place].pop(connection, None)

    def rests(self, connection: GuardedProtocol) -> None:
        """It has been answered."""
        self._idle[connection] = None

    def stirs(self, connection: GuardedProtocol) -> None:
        """It begins to ask again."""
        self._idle.pop(connection, None)

    def part(self) -> None:
        """End each connection after its next answer, from now on."""
        self.leaving = True
        for connection in tuple(cast("set[GuardedProtocol]", self.connections)):
            connection.part()

    def _has_room(self, address: str) -> bool:
        if self._per_address is not None and self._addresses[address] >= self._per_address:
            return False
        if self._most is None or self._counts[Place.WITHIN] < self._most:
            return True
        return _evict(self._waiting[Place.WITHIN]) or _evict(self._idle)


def _evict(connections: OrderedDict[GuardedProtocol, None]) -> bool:
    """Cut the first of these, which takes it out; False when there is none."""
    for connection in connections:
        connection.evict()
        return True
    return False


async def turn_away(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in place of the application: 503, but an EventSource is told in its own way to come back.

    Any status but 200 would end it for good. Who asks how the server is, is told that by the application.
    """
    settings = cast("State", scope["state"])["settings"]
    more = granted(scope["headers"], settings.cors_origins)
    # A page whose browser is refused the question what it may send never hears that it is to come back.
    if scope["path"] in PROBES or (more and is_preflight(scope)):
        await app(scope, receive, send)
        return
    if scope["method"] == "GET" and scope["path"].endswith("/events"):
        pause = settings.stream_retry_ms
        response = Response(
            retry(COME_BACK * pause), headers={"cache-control": "no-store"}, media_type="text/event-stream"
        )
    else:
        response = problem_of(scope, Unavailable())
    response.raw_headers += more
    await response(scope, receive, send)
