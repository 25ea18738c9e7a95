"""Who is alive on this host, told by lock files.

The operating system releases a lock when its process ends, however it ends, so a worker killed with SIGKILL is known to
be dead at once and its jobs need not wait until their beats are missed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

try:
    _fcntl: Any = importlib.import_module("fcntl")
except ImportError:  # Windows: nobody is ever told dead here; jobs are taken over when their beats are missed
    _fcntl = None

_SUFFIX: Final = ".lock"
_LEFTOVER_SECONDS: Final = 86_400


class LockFiles:
    """One lock file a worker, in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}

    def hold(self, worker_id: str) -> None:
        if _fcntl is None or worker_id in self._held:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        self._clear()
        descriptor = os.open(self._path(worker_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _fcntl.flock(descriptor, _fcntl.LOCK_EX)
        self._held[worker_id] = descriptor

    def release(self, worker_id: str) -> None:
        descriptor = self._held.pop(worker_id, None)
        if descriptor is not None:
            self._path(worker_id).unlink(missing_ok=True)
            os.close(descriptor)

    def dead(self, worker_ids: Collection[str]) -> frozenset[str]:
        if _fcntl is None:
            return frozenset()
        return frozenset(worker_id for worker_id in worker_ids if self._is_dead(worker_id))

    def anybody(self) -> bool:
        """Whether a worker of any process lives, this one's included."""
        if _fcntl is None:
            return False
        return bool(self._held) or any(not self._is_free(path) for path in self._folder.glob(f"*{_SUFFIX}"))

    def _is_dead(self, worker_id: str) -> bool:
        return worker_id not in self._held and self._is_free(self._path(worker_id))

    def _is_free(self, path: Path) -> bool:
        """Whether the lock file is there and nobody holds it. One that cannot be looked at proves nothing."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            _fcntl.flock(descriptor, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def _clear(self) -> None:
        """Remove the files of workers long dead. A fresh one may belong to a worker about to lock it."""
        for path in self._folder.glob(f"*{_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS and self._is_free(path):
                    path.unlink()

    def _path(self, worker_id: str) -> Path:
        return self._folder / f"{worker_id}{_SUFFIX}"
