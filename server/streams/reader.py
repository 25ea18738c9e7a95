"""One connection that is being told news: a small object without task, queue or timer of its own.

It is in one of three states, which its topic keeps: live, it has all that the topic has told; behind, a task of the topic
brings it up from the record, because it joined with history to be told or its socket is full; done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from server.streams.frames import COMMENT

if TYPE_CHECKING:
    from server.streams.topic import Topic
    from server.streams.wire import Wire


class Reader:
    """`named` is 1 when it asked for the names of events, else 0; `until` is when it has grown old, by the loop's clock.

    `account` is who it counts for.
    """

    __slots__ = ("account", "done", "named", "place", "topic", "until", "wire")

    def __init__(self, wire: Wire, topic: Topic[Any], named: int, account: str) -> None:
        self.wire = wire
        self.topic = topic
        self.named = named
        self.account = account
        self.until = 0.0
        self.place = 0
        """Its slice of the beat."""
        self.done = False

    def beat(self) -> None:
        """Tell it that the stream lives."""
        try:
            self.wire.write(COMMENT)
        except (RuntimeError, OSError):  # the connection has gone, and so will its reader
            return

    def finish(self) -> None:
        """End the stream in good order; its client comes back if there is more to come."""
        if not self.done:
            self.lost()
            self.wire.end()

    def abort(self) -> None:
        """Cut the connection: it takes nothing any more."""
        if not self.done:
            self.lost()
            self.wire.abort()

    def lost(self) -> None:
        """Be forgotten: nothing more is written."""
        if not self.done:
            self.done = True
            self.topic.hub.leave(self)

    def on_full(self) -> None:
        """See `wire.Listener`."""
        self.topic.on_full(self)
