"""What is in a folder of files by key: the files, in the order of keys, and what dead writers have left there."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapasset.storage import StoredFile
from snapasset.storage.safe_path import is_safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

HIDDEN: Final = "."
"""No key begins so: files that are being written, or were when the process died, are no files of the storage."""
PART: Final = ".part"
"""Files that are being written end so."""


def files_under(folder: Path, prefix: str, after: str, *, under: str = "") -> Iterator[StoredFile]:
    """The files whose keys begin with `prefix` and come after `after`; what comes before is not even looked at.

    `under` is how the keys of the files in `folder` begin. May raise `OSError`.
    """
    try:
        with os.scandir(folder) as scan:
            found = {_in_order_of_keys(entry): entry for entry in scan}
    except FileNotFoundError:
        return
    beyond = [name for name in found if under + name > after or after.startswith(under + name)]
    for entry in map(found.__getitem__, sorted(beyond)):
        key = f"{under}{entry.name}"
        if not is_safe_name(entry.name):
            continue
        if entry.is_dir(follow_symlinks=False):
            whole = f"{key}/"
            if whole.startswith(prefix) or prefix.startswith(whole):
                yield from files_under(folder / entry.name, prefix, after, under=whole)
        elif key > after and key.startswith(prefix) and entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):  # removed while we were listing
                facts = entry.stat(follow_symlinks=False)
                yield StoredFile(key, facts.st_size, facts.st_mtime_ns // 1_000_000)


def leftovers(root: Path, before: float) -> Iterator[Path]:
    """Half-written files, and empty folders in which a file was to be, unchanged since `before` (s since the epoch)."""
    for place, folders, names in os.walk(root):
        folder = Path(place)
        for name in names:
            path = folder / name
            if name.startswith(HIDDEN) and name.endswith(PART) and _unchanged_since(path, before):
                yield path
        # The folders in the root itself may be the file system's own, as lost+found is.
        if not folders and not names and folder != root != folder.parent and _unchanged_since(folder, before):
            yield folder


def _in_order_of_keys(entry: os.DirEntry[str]) -> str:
    return f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name


def _unchanged_since(path: Path, before: float) -> bool:
    try:
        return path.lstat().st_mtime <= before
    except FileNotFoundError:
        return False
