"""GET /api/events: the news of all the caller's jobs on one connection, new ones among them (WHATWG HTML, 9.2).

A stream begins at now, or where the client left off; it is never over. What it tells is what the streams of the jobs tell,
each event with a place of its own in the order of all. Whoever asks without an identity, where sessions are taken, gets one
with the stream, as with a job: a page may open it before it has made its first.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import Response

from server.auth import hand_out, identify_or_mint
from server.events_token import owner_by_token
from server.streams.frames import CONNECTED, encode
from server.streams.response import Joined, Stream
from snapasset.records.owner_events import Cursor

if TYPE_CHECKING:
    from starlette.types import Scope

    from server.state import State
    from server.streams.owner_topic import OwnerTopic

_FRESH: Final = json.dumps({"type": CONNECTED}, separators=(",", ":"))


class OwnerStream(Stream):
    """The stream of all the caller's jobs, from now on or from where the client left off."""

    async def join(self, scope: Scope) -> Joined:
        request: Request[State] = Request(scope)
        owner, headers = await _who(request)
        word = request.headers.get("last-event-id") or request.query_params.get("after", "")
        topic = request.state["hub"].of_owner(owner)
        topic.pin()
        try:
            await topic.begin_now()
            claimed = await _believed(topic, word)
        except BaseException:
            topic.unpin()
            raise
        named = 1 if request.query_params.get("named") == "1" else 0
        # Whoever has only the token may not take the owner's streams away.
        account = f"token {owner}" if "token" in request.query_params else owner
        return Joined(topic, _connected(topic, claimed, named), claimed or topic.at, named, account, headers)


async def _who(request: Request[State]) -> tuple[str, tuple[tuple[bytes, bytes], ...]]:
    """Whose news is asked for, and the headers that hand out a session which was made for it."""
    if "token" in request.query_params:
        return owner_by_token(request), ()
    identity = await identify_or_mint(request)
    response = Response()
    hand_out(identity, request, response)
    return identity.owner, tuple(header for header in response.raw_headers if header[0] == b"set-cookie")


async def _believed(topic: OwnerTopic, word: str) -> Cursor | None:
    """The place where the client left off; None for a fresh one, and for one whose word cannot be true here."""
    claimed = Cursor.parse(word)
    return claimed if claimed is not None and await topic.reach(claimed) else None


def _connected(topic: OwnerTopic, claimed: Cursor | None, named: int) -> bytes:
    name = CONNECTED if named else None
    if claimed is None:
        return encode(_FRESH, name, str(topic.at))
    return encode(json.dumps({"type": CONNECTED, "resumedAfter": str(claimed)}, separators=(",", ":")), name)


follow: Final = OwnerStream()
