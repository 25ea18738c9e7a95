"""How a measurement tells publishers in other processes when to publish: a line for each event, by a Unix socket."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from bench.peers import NotHere

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE: Final = 60.0
_BACKLOG: Final = 2048


class Baton:
    """The conductor's end. A publisher connects, says its number in a line, and publishes once for each line it gets."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "baton")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(_BACKLOG)
        self._publishers: dict[int, socket.socket] = {}

    def wait_for(self, count: int) -> None:
        """Return when so many publishers are there. Raises `NotHere`."""
        deadline = time.monotonic() + _PATIENCE
        self.listener.settimeout(1)
        while len(self._publishers) < count:
            if time.monotonic() > deadline:
                raise NotHere(f"{len(self._publishers)} of {count} publishers are ready")
            self.accept()
        self.listener.setblocking(False)

    def accept(self) -> None:
        """Take in a publisher if one waits; it may have been there before, in a process that has died."""
        try:
            publisher, _ = self.listener.accept()
        except (TimeoutError, BlockingIOError):
            return
        publisher.settimeout(5)
        with publisher.makefile("rb") as lines:
            number = int(lines.readline())
        former = self._publishers.pop(number, None)
        if former is not None:
            former.close()
        self._publishers[number] = publisher

    def tell(self, publisher: int, line: bytes = b"\n") -> bool:
        """Have one event published; False when the publisher is not there."""
        try:
            self._publishers[publisher].sendall(line)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let the publishers end."""
        for publisher in self._publishers.values():
            publisher.close()
        self.listener.close()
