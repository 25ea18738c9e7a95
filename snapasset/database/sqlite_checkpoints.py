"""The write-ahead log is written back on a thread beside the writer, so that no change waits for it.

Only the log's last pages are left to the writer: it alone can reach a moment in which all of it has been written back, after
which SQLite begins the log anew instead of letting it grow.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from snapasset.database.sqlite_connection import Connection

PAUSE_SECONDS: Final = 1.0
RESTART_PAGES: Final = 4_000
"""Pages (4 KiB) of log after which it is begun anew."""


class Checkpoints:
    """Writes back what the writer has put into the log, at most once every `PAUSE_SECONDS`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._changed = threading.Event()
        self._closing = threading.Event()
        self._restart = False

    def committed(self, writer: Connection) -> None:
        """Tell of a commit, on the thread of `writer`, whose answers are out."""
        if not self._changed.is_set():
            self._changed.set()
        if self._restart:
            self._restart = False
            write_back(writer)

    def run(self) -> None:
        """Do so until told to `close`; the connection is closed then."""
        while self._changed.wait() and not self._closing.is_set():
            self._changed.clear()
            if write_back(self._connection) >= RESTART_PAGES:
                write_back(self._connection)  # what was changed meanwhile, for the writer to find little
                self._restart = True
            self._closing.wait(PAUSE_SECONDS)
        self._connection.close()

    def close(self) -> None:
        """Have `run` end."""
        self._closing.set()
        self._changed.set()


def write_back(connection: Connection) -> int:
    """Write back what no reader holds up; how many pages the log has. A failure leaves all as it was, for the next time."""
    with contextlib.suppress(sqlite3.Error):
        ((_, pages, _),) = connection.raw.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return int(pages)
    return 0
