"""Files in a folder of this host.

A file is written beside its place under a hidden name, synced, and renamed into place: under its key there is a whole
file or none, whatever dies. Blocking calls run on a few threads of the storage's own, never on the event loop.

The name of its record stands in a hidden file of the folder. An empty folder in which a volume is to be mounted has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from snapasset.errors import FileMissing, StorageQuotaExceeded, StorageUnavailable
from snapasset.storage import Storage, StoredFile
from snapasset.storage.disk import is_full, open_file, read_some, sync_folder, unlink_file, unwritable
from snapasset.storage.listing import HIDDEN, PART, files_under, leftovers
from snapasset.storage.safe_path import check_key, safe_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator
    from concurrent.futures import Future
    from pathlib import Path
    from typing import BinaryIO

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 4
_PAGE: Final = 500
"""Files listed at a time: a long listing must not keep a thread from readers and writers."""

_TRIES: Final = 5
"""A folder may be removed as empty between its making and the first file in it."""

_MARK: Final = f"{HIDDEN}snapasset-record"
"""The file that holds the name of the record."""

LEAST_ROOM: Final = 32 * 1024 * 1024
"""With fewer bytes left, the next pictures do not fit."""

_PROBE: Final = bytes(1024 * 1024)
"""Enough to notice a limit on what this user may store, which the free room of the disk does not show."""


class LocalStorage(Storage):
    """Files under `root`, which is made when missing, for this user only."""

    setting = "DATA_DIR"

    def __init__(self, root: Path) -> None:
        self.name = f"local folder {root.name}"
        self.mark = f"the file {_MARK} in it"
        self._root = root
        self._record_id: str | None = None
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")

    async def prepare(self) -> None:
        """Nothing: its folder is made with the first file, and a place that has none is told by its mark."""

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        del content_type  # the record knows it
        check_key(key)
        await self._run(self._write, key, data)

    async def get(self, key: str) -> bytes:
        check_key(key)
        return await self._run(self._read, key)

    async def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        check_key(key)
        opening = self._threads.submit(self._open, key)
        try:
            file = await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)
            raise
        try:
            while chunk := await self._run(read_some, file, chunk_size):
                yield chunk
        finally:
            try:
                self._threads.submit(file.close)
            except RuntimeError:  # the storage was closed under its reader
                file.close()

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        for key in keys:
            check_key(key)
        return await self._run(self._unlink, frozenset(keys))

    async def list(self, prefix: str = "", *, after: str = "") -> AsyncIterator[StoredFile]:
        files = self._listing(prefix, after)
        while page := await self._run(_next_page, files):
            for file in page:
                yield file

    async def find(self, key: str) -> StoredFile | None:
        check_key(key)
        return await self._run(self._look, key)

    async def owner(self) -> str | None:
        return await self._run(self._read_mark)

    async def belong_to(self, record_id: str) -> None:
        await self._run(self._write_mark, record_id)
        self._record_id = record_id

    async def check(self) -> None:
        await self._run(self._try_out)

    async def count_leftovers(self, *, older_than: float = 3600.0) -> int:
        return await self._run(lambda: sum(1 for _ in self._find_leftovers(older_than)))

    async def remove_leftovers(self, *, older_than: float = 3600.0) -> int:
        return await self._run(lambda: sum(map(self._clear, self._find_leftovers(older_than))))

    async def close(self) -> None:
        """Let what runs end; the event loop goes on meanwhile."""
        closer = ThreadPoolExecutor(1, thread_name_prefix="storage-close")
        try:
            await asyncio.wrap_future(closer.submit(self._threads.shutdown))
        finally:
            closer.shutdown(wait=False)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))

    # --- on the threads: whose it is

    def _read_mark(self) -> str | None:
        try:
            return (self._root / _MARK).read_text("utf-8", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StorageUnavailable(f"The storage folder cannot be read: {error.strerror}.") from error

    def _write_mark(self, record_id: str) -> None:
        if self._read_mark() == record_id:
            return
        try:
            self._write_beside_and_rename(self._root / _MARK, record_id.encode())
        except OSError as error:
            raise StorageUnavailable(f"The storage folder cannot be written to: {error.strerror}.") from error

    def _see_whose(self) -> None:
        """Raise `StorageUnavailable` when this is not the folder that it was said to be."""
        if self._record_id is not None and self._read_mark() != self._record_id:
            raise StorageUnavailable(
                "The storage is not the one that this record's pictures are in: is the volume mounted?"
            )

    # --- on the threads: files

    def _write(self, key: str, data: bytes) -> None:
        path = safe_path(self._root, key)
        self._see_whose()
        try:
            for _ in range(_TRIES - 1):
                with contextlib.suppress(FileNotFoundError):
                    return self._write_beside_and_rename(path, data)
            return self._write_beside_and_rename(path, data)
        except OSError as error:
            raise unwritable(error) from error

    def _write_beside_and_rename(self, path: Path, data: bytes) -> None:
        beside = path.with_name(f"{HIDDEN}{path.name}.{secrets.token_hex(4)}{PART}")
        try:
            self._make_folders(path.parent)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                self._fill(file, data)
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            self._remove_empty(path.parent)
            raise
        sync_folder(path.parent)

    def _fill(self, file: BinaryIO, data: bytes) -> None:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())

    def _make_folders(self, folder: Path) -> None:
        """Make a folder and its parents, each synced into its own: a new folder is lost in a power cut otherwise."""
        if folder.is_dir():
            return
        if folder != self._root:
            self._make_folders(folder.parent)
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)

    def _open(self, key: str) -> BinaryIO:
        path = safe_path(self._root, key)
        try:
            return open_file(path)
        except FileMissing:
            self._see_whose()
            raise

    def _read(self, key: str) -> bytes:
        with self._open(key) as file:
            return read_some(file, -1)

    def _unlink(self, keys: frozenset[str]) -> frozenset[str]:
        paths = {key: safe_path(self._root, key) for key in keys}
        self._see_whose()
        gone = {key: path.parent for key, path in paths.items() if unlink_file(path)}
        for folder in set(gone.values()):
            self._remove_empty(folder)
        return frozenset(gone)

    def _remove_empty(self, folder: Path) -> None:
        """Remove a folder, and those above it, as far as nothing is in them; make that last."""
        while folder != self._root:
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass
            except OSError:
                break
            folder = folder.parent
        with contextlib.suppress(OSError):
            sync_folder(folder)

    def _listing(self, prefix: str, after: str) -> Iterator[StoredFile]:
        self._see_whose()
        yield from files_under(self._root, prefix, after)
        self._see_whose()  # what has gone meanwhile as a whole looks as if it had always been empty

    def _look(self, key: str) -> StoredFile | None:
        with contextlib.suppress(FileMissing), self._open(key) as file:
            facts = os.fstat(file.fileno())
            return StoredFile(key, facts.st_size, facts.st_mtime_ns // 1_000_000)
        return None

    def _find_leftovers(self, older_than: float) -> Iterator[Path]:
        self._see_whose()
        return leftovers(self._root, time.time() - older_than)

    def _clear(self, leftover: Path) -> bool:
        """Remove one of those, and the folder that this leaves empty; whether it was there."""
        was_folder = leftover.is_dir()
        gone = unlink_file(leftover)
        self._remove_empty(leftover if was_folder else leftover.parent)
        return gone or (was_folder and not leftover.exists())

    def _try_out(self) -> None:
        self._see_whose()
        probe = self._root / f"{HIDDEN}probe.{secrets.token_hex(4)}{PART}"
        try:
            self._make_folders(self._root)
            try:
                probe.write_bytes(_PROBE)
            finally:
                probe.unlink(missing_ok=True)
            room = self._room()
        except OSError as error:
            if is_full(error):
                raise StorageQuotaExceeded("The disk that holds the files is full.") from error
            raise StorageUnavailable(f"The storage folder cannot be written to: {error.strerror}.") from error
        if room < LEAST_ROOM:
            raise StorageQuotaExceeded(f"The disk that holds the files is nearly full: {room} bytes are left.")

    def _room(self) -> int:
        """How many bytes more the disk takes."""
        return shutil.disk_usage(self._root).free


def _close_unwanted(opening: Future[BinaryIO]) -> None:
    """Close a file that was opened for somebody who has gone."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _next_page(files: Iterator[StoredFile]) -> list[StoredFile]:
    try:
        return list(islice(files, _PAGE))
    except OSError as error:
        raise StorageUnavailable(f"The files could not be listed: {error.strerror}.") from error
