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

_FORBIDDEN: Final = re.compile(r'[\x00-\x1f\x7f-\x9f\\:*?"<>|\u2028\u2029\ud800-\udfff]')
"""Controls and line ends, what Windows gives a meaning to, and halves of characters that are no valid Unicode."""

_RESERVED: Final = re.compile(
    r"(con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(\..*)?", re.IGNORECASE
)
"""Names that Windows takes for devices, with any suffix."""


def check_key(key: str) -> tuple[str, ...]:
    """The names of a key, without touching the disk. Raises `InvalidInput` when one of them is not safe."""
    if not key or _size(key) > KEY_MAX_BYTES:
        raise InvalidInput(f"A storage key has 1 to {KEY_MAX_BYTES} bytes.")
    names = tuple(key.split("/"))
    if not all(map(is_safe_name, names)):
        raise InvalidInput("A storage key must stay under its root and be a plain name on every system.")
    return names


def is_safe_name(name: str) -> bool:
    """Whether `name` means one and the same entry of its folder on every system, and no hidden one."""
    return bool(
        name
        and not name.startswith(".")
        and name[-1] not in " ."
        and not _FORBIDDEN.search(name)
        and not _RESERVED.fullmatch(name)
        and _size(name) <= NAME_MAX_BYTES
    )


def _size(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def safe_path(root: Path, key: str) -> Path:
    """The path of `key` under `root`, looking at the disk. Raises `InvalidInput`, also for a symlink on the way.

    `root` itself may be reached through symlinks: it is the operator's choice, a key is not.
    """
    path = root
    for name in check_key(key):
        path = path / name
        if path.is_symlink():
            raise InvalidInput("A storage key must not lead through a symbolic link.")
    return path
