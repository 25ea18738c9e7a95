"""What is in a bucket: files by key, page by page.

`list_v2` takes a prefix and goes on from a cursor, in the order of bytes, which is that of keys. What it answers is not
taken on trust: older servers match prefixes without regard to case and take `_` in them for any letter.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from snapasset.errors import InvalidInput
from snapasset.storage import StoredFile
from snapasset.storage.safe_path import check_key, is_safe_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage3.types import SearchV2Object, SearchV2Options

PAGE: Final = 1000
"""The most that the server lists, or removes, at a time."""

_LETTERS: Final = re.compile(r"[A-Za-z0-9_/!.'()&$@=;+, -]*")
"""What the server takes in a key, less what the keys of every storage leave out."""


def check_remote_key(key: str) -> str:
    """The key. Raises `InvalidInput` for one that the server would refuse, or the SDK would read as another."""
    check_key(key)
    if not _LETTERS.fullmatch(key):
        raise InvalidInput("A key of this storage is made of ASCII letters, digits and _/!-.'()&$@=;+, only.")
    return key


def question(prefix: str, after: str, cursor: str | None) -> SearchV2Options:
    """The question for one page: from `cursor` on, or else from the key `after` on."""
    options: SearchV2Options = {"limit": PAGE, "with_delimiter": False, "sortBy": {"column": "name", "order": "asc"}}
    if prefix:
        options["prefix"] = prefix
    if cursor or after:
        options["cursor"] = cursor or cursor_after(after)
    return options


def cursor_after(key: str) -> str:
    """The cursor that the server itself would hand out after this key.

    The server says nothing of its form, so nothing depends on it: a listing that begins too early is cut to what was asked
    for, and one whose cursor is refused begins at the beginning.
    """
    return base64.b64encode(f"l:{key}".encode(errors="replace")).decode()


def files_of(objects: Iterable[SearchV2Object], prefix: str, after: str) -> list[StoredFile]:
    """The files among what was listed: under safe keys, whole, with `prefix` and after `after`."""
    return [
        StoredFile(entry.name, size, _milliseconds(entry.updated_at))
        for entry in objects
        if entry.name > after
        and entry.name.startswith(prefix)
        and all(map(is_safe_name, entry.name.split("/")))
        and isinstance(size := (entry.metadata or {}).get("size"), int)  # none while it is being written
    ]


def file_of(key: str, info: dict[str, Any]) -> StoredFile:
    """The file that `info` tells of. Raises `ValueError` when it tells of none."""
    at = cast("object", info.get("last_modified") or info.get("updated_at") or info.get("created_at"))
    size = cast("object", info.get("size"))
    if not isinstance(at, str) or not isinstance(size, int):
        raise ValueError("no size, or no time")  # noqa: TRY004  it is an answer that is none
    return StoredFile(key, size, _milliseconds(datetime.fromisoformat(at)))


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
