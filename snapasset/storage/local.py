"""Files in a folder of this host.

A file is written beside its place under a hidden name, synced, and renamed into place: under its key there is a whole
file or none, whatever dies. Blocking calls run on a few threads of the storage's own, never on the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from snapasset.errors import FileMissing, StorageFailed, StorageQuotaExceeded, StorageUnavailable
from snapasset.storage import Storage, StoredFile
from snapasset.storage.safe_path import check_key, is_safe_name, safe_path

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

_HIDDEN: Final = "."
"""No key begins so: files that are being written, or were when the process died, are no files of the storage."""
_PART: Final = ".part"

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FILE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})

_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Not through a symlink that has just been put there, and not waiting for the other end of a pipe."""


class LocalStorage(Storage):
    """Files under `root`, which is made when missing, for this user only."""

    def __init__(self, root: Path) -> None:
        self.name = f"local folder {root.name}"
        self._root = root
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")

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
            while chunk := await self._run(_read_some, file, chunk_size):
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

    async def list(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        files = self._walk(self._root, "", prefix)
        while page := await self._run(_next_page, files):
            for file in page:
                yield file

    async def find(self, key: str) -> StoredFile | None:
        check_key(key)
        return await self._run(self._look, key)

    async def check(self) -> None:
        await self._run(self._try_out)

    async def count_leftovers(self, *, older_than: float = 3600.0) -> int:
        return await self._run(lambda: sum(1 for _ in self._leftovers(time.time() - older_than)))

    async def remove_leftovers(self, *, older_than: float = 3600.0) -> int:
        return await self._run(lambda: sum(map(_unlink_file, self._leftovers(time.time() - older_than))))

    async def close(self) -> None:
        """Let what runs end; the event loop goes on meanwhile."""
        closer = ThreadPoolExecutor(1, thread_name_prefix="storage-close")
        try:
            await asyncio.wrap_future(closer.submit(self._threads.shutdown))
        finally:
            closer.shutdown(wait=False)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))

    # --- on the threads

    def _write(self, key: str, data: bytes) -> None:
        path = safe_path(self._root, key)
        try:
            for _ in range(_TRIES - 1):
                with contextlib.suppress(FileNotFoundError):
                    return self._write_beside_and_rename(path, data)
            return self._write_beside_and_rename(path, data)
        except OSError as error:
            if error.errno in _FULL:
                raise StorageQuotaExceeded("The disk that holds the files is full.") from error
            raise StorageFailed(f"A file could not be stored: {error.strerror}.") from error

    def _write_beside_and_rename(self, path: Path, data: bytes) -> None:
        self._make_folders(path.parent)
        beside = path.with_name(f"{_HIDDEN}{path.name}.{secrets.token_hex(4)}{_PART}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                self._fill(file, data)
            beside.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

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
        _sync_folder(folder.parent)

    def _open(self, key: str) -> BinaryIO:
        path = safe_path(self._root, key)
        try:
            descriptor = os.open(path, _READ)
        except OSError as error:
            raise _unreadable(error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise FileMissing
        return os.fdopen(descriptor, "rb")

    def _read(self, key: str) -> bytes:
        with self._open(key) as file:
            return _read_some(file, -1)

    def _unlink(self, keys: frozenset[str]) -> frozenset[str]:
        paths = {key: safe_path(self._root, key) for key in keys}
        gone = {key: path.parent for key, path in paths.items() if _unlink_file(path)}
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
            _sync_folder(folder)

    def _walk(self, folder: Path, under: str, prefix: str) -> Iterator[StoredFile]:
        try:
            entries = sorted(os.scandir(folder), key=_in_order_of_keys)
        except FileNotFoundError:
            return
        for entry in entries:
            key = f"{under}{entry.name}"
            if not is_safe_name(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                whole = f"{key}/"
                if whole.startswith(prefix) or prefix.startswith(whole):
                    yield from self._walk(folder / entry.name, whole, prefix)
            elif key.startswith(prefix) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # removed while we were listing
                    facts = entry.stat(follow_symlinks=False)
                    yield StoredFile(key, facts.st_size, facts.st_mtime_ns // 1_000_000)

    def _look(self, key: str) -> StoredFile | None:
        with contextlib.suppress(FileMissing), self._open(key) as file:
            facts = os.fstat(file.fileno())
            return StoredFile(key, facts.st_size, facts.st_mtime_ns // 1_000_000)
        return None

    def _leftovers(self, before: float) -> Iterator[Path]:
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = self._root / folder / name
                with contextlib.suppress(FileNotFoundError):
                    if name.startswith(_HIDDEN) and name.endswith(_PART) and path.lstat().st_mtime <= before:
                        yield path

    def _try_out(self) -> None:
        probe = self._root / f"{_HIDDEN}probe.{secrets.token_hex(4)}{_PART}"
        try:
            self._make_folders(self._root)
            try:
                probe.write_bytes(b"!")
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise StorageUnavailable(f"The storage folder cannot be written to: {error.strerror}.") from error


def _read_some(file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise _unreadable(error) from error


def _close_unwanted(opening: Future[BinaryIO]) -> None:
    """Close a file that was opened for somebody who has gone."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _next_page(files: Iterator[StoredFile]) -> list[StoredFile]:
    try:
        return list(islice(files, _PAGE))
    except OSError as error:
        raise StorageUnavailable(f"The files could not be listed: {error.strerror}.") from error


def _in_order_of_keys(entry: os.DirEntry[str]) -> str:
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _unlink_file(path: Path) -> bool:
    """Remove the file at `path`; whether there was one."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        path.unlink()
    except OSError as error:
        if error.errno in _NO_FILE:
            return False
        raise StorageUnavailable(f"A file could not be removed: {error.strerror}.") from error
    return True


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(error: OSError) -> FileMissing | StorageUnavailable:
    if error.errno in _NO_FILE:
        return FileMissing()
    return StorageUnavailable(f"A file could not be read: {error.strerror}.")
