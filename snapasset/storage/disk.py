"""What a folder of this host is asked for: files opened, read, removed, made durable; what goes wrong, by its name."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final

from snapasset.errors import FileMissing, StorageFailed, StorageQuotaExceeded, StorageUnavailable

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FILE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})

_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""Not through a symlink that has just been put there, and not waiting for the other end of a pipe."""


def open_file(path: Path) -> BinaryIO:
    """The file at `path`, to be read. Raises `FileMissing`, also for what is no plain file, or `StorageUnavailable`."""
    try:
        descriptor = os.open(path, _READ)
    except OSError as error:
        raise unreadable(error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileMissing
    return os.fdopen(descriptor, "rb")


def read_some(file: BinaryIO, size: int) -> bytes:
    """The next bytes of a file, all of them for a size of -1."""
    try:
        return file.read(size)
    except OSError as error:
        raise unreadable(error) from error


def unlink_file(path: Path) -> bool:
    """Remove the file at `path`; whether there was one. Raises `StorageUnavailable` when it is there and stays."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        path.unlink()
    except OSError as error:
        if error.errno in _NO_FILE:
            return False
        raise StorageUnavailable(f"A file could not be removed: {error.strerror}.") from error
    return True


def sync_folder(folder: Path) -> None:
    """Make what was made, renamed or removed in a folder outlive a power cut."""
    if os.name == "nt":  # Windows cannot open a folder; its renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unreadable(error: OSError) -> FileMissing | StorageUnavailable:
    """Why a file could not be read."""
    if error.errno in _NO_FILE:
        return FileMissing()
    return StorageUnavailable(f"A file could not be read: {error.strerror}.")


def unwritable(error: OSError) -> StorageFailed:
    """Why a file could not be written."""
    if is_full(error):
        return StorageQuotaExceeded("The disk that holds the files is full.")
    return StorageFailed(f"A file could not be stored: {error.strerror}.")


def is_full(error: OSError) -> bool:
    """Whether what failed wanted more room than there is, or than this user may have."""
    return error.errno in _FULL
