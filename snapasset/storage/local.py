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
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from snapasset.errors import FileMissing, StorageFailed, StorageQuotaExceeded, StorageUnavailable
from snapasset.storage import Storage, StoredFile
from snapasset.storage.safe_path import safe_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 4
_PAGE: Final = 500
"""Files listed at a time: a long listing must not keep a thread from readers and writers."""

_HIDDEN: Final = "."
"""No key begins so: files that are being written, or were when the process died, are no files of the storage."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class LocalStorage(Storage):
    """Files under `root`, which is made when missing, for this user only."""

    def __init__(self, root: Path) -> None:
        self.name = f"local folder {root.name}"
        self._root = root
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="storage")

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        del content_type  # the record knows it
        await self._run(self._write, safe_path(self._root, key), data)

    async def get(self, key: str) -> bytes:
        path = safe_path(self._root, key)
        try:
            return await self._run(path.read_bytes)
        except OSError as error:
            raise _unreadable(error) from error

    async def stream(self, key: str, chunk_size: int = 65536) -> AsyncIterator[bytes]:
        path = safe_path(self._root, key)
        try:
            file = await self._run(path.open, "rb")
        except OSError as error:
            raise _unreadable(error) from error
        try:
            while chunk := await self._run(file.read, chunk_size):
                yield chunk
        except OSError as error:
            raise _unreadable(error) from error
        finally:
            file.close()

    async def delete(self, keys: Collection[str]) -> frozenset[str]:
        paths = {key: safe_path(self._root, key) for key in keys}
        return await self._run(_unlink_all, paths)

    async def list(self, prefix: str = "") -> AsyncIterator[StoredFile]:
        files = self._walk(self._root, "", prefix)
        while page := await self._run(lambda: list(islice(files, _PAGE))):
            for file in page:
                yield file

    async def check(self) -> None:
        try:
            await self._run(self._try_out)
        except OSError as error:
            raise StorageUnavailable(f"The storage folder cannot be written to: {error.strerror}.") from error

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    async def _run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.wrap_future(self._threads.submit(work, *args, **kwargs))

    # --- on the threads

    def _write(self, path: Path, data: bytes) -> None:
        beside = path.with_name(f"{_HIDDEN}{path.name}.{secrets.token_hex(4)}")
        try:
            self._make_folders(path.parent)
            try:
                descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    beside.unlink(missing_ok=True)
                raise
            _sync_folder(path.parent)
        except OSError as error:
            if error.errno in _FULL:
                raise StorageQuotaExceeded("The disk that holds the files is full.") from error
            raise StorageFailed(f"A file could not be stored: {error.strerror}.") from error

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

    def _walk(self, folder: Path, under: str, prefix: str) -> Iterator[StoredFile]:
        try:
            entries = sorted(os.scandir(folder), key=_in_order_of_keys)
        except FileNotFoundError:
            return
        for entry in entries:
            key = f"{under}{entry.name}"
            if entry.name.startswith(_HIDDEN) or entry.is_symlink():
                continue
            if entry.is_dir():
                whole = f"{key}/"
                if whole.startswith(prefix) or prefix.startswith(whole):
                    yield from self._walk(folder / entry.name, whole, prefix)
            elif key.startswith(prefix):
                with contextlib.suppress(FileNotFoundError):  # removed while we were listing
                    facts = entry.stat()
                    yield StoredFile(key, facts.st_size, facts.st_mtime_ns // 1_000_000)

    def _try_out(self) -> None:
        self._make_folders(self._root)
        probe = self._root / f"{_HIDDEN}probe-{secrets.token_hex(4)}"
        probe.write_bytes(b"")
        probe.unlink()


def _in_order_of_keys(entry: os.DirEntry[str]) -> str:
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _unlink_all(paths: dict[str, Path]) -> frozenset[str]:
    gone: set[str] = set()
    for key, path in paths.items():
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise StorageUnavailable(f"A file could not be removed: {error.strerror}.") from error
        gone.add(key)
    return frozenset(gone)


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder; its renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(error: OSError) -> Exception:
    if isinstance(error, (FileNotFoundError, NotADirectoryError, IsADirectoryError)):
        return FileMissing()
    return StorageUnavailable(f"A file could not be read: {error.strerror}.")
