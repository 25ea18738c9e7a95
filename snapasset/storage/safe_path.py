"""Keys → paths that stay under their root, on every system, whatever is in the key.

A key is relative, of one or more names parted by `/`. It is refused, before anything is touched, when a name could
mean something else than itself to some file system.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from snapasset.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

KEY_MAX_BYTES: Final = 512
NAME_MAX_BYTES: Final = 200
"""Most file systems stop at 255 bytes a name; the rest is left for the suffix of a file that is being written."""

_FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\u2028\u2029]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names that Windows takes for devices, with any suffix."""


def check_key(key: str) -> tuple[str, ...]:
    """The names of a key. Raises `InvalidInput` when one of them is not safe."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidInput("A storage key is not valid Unicode.") from None
    if not key or size > KEY_MAX_BYTES:
        raise InvalidInput(f"A storage key has 1 to {KEY_MAX_BYTES} bytes.")
    names = tuple(key.split("/"))
    for name in names:
        if (
            name in ("", ".", "..")
            or len(name.encode()) > NAME_MAX_BYTES
            or _FORBIDDEN.search(name)
            or _RESERVED.fullmatch(name)
            or name[-1] in " ."
            or name.startswith(".")
        ):
            raise InvalidInput("A storage key must stay under its root and be a plain name on every system.")
    return names


def safe_path(root: Path, key: str) -> Path:
    """The path of `key` under `root`. Raises `InvalidInput`, also when a symlink lies on the way.

    `root` itself may be reached through symlinks: it is the operator's choice, a key is not.
    """
    path = root
    for name in check_key(key):
        path = path / name
        if path.is_symlink():
            raise InvalidInput("A storage key must not lead through a symbolic link.")
    return path
