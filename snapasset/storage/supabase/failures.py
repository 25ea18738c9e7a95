"""What goes wrong with Supabase Storage, by its name.

Three families of errors come out of one call: `StorageApiError` for what the server answered, bare httpx errors for what
never got there or back, and `ValueError` and its like for answers that are no answers. The server says nearly everything
with HTTP 400; what it means stands in the body, as `statusCode` (a string) and `error`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import httpx
from storage3.exceptions import StorageApiError

from snapasset.errors import (
    FileMissing,
    SnapAssetError,
    StorageFailed,
    StorageQuotaExceeded,
    StorageUnavailable,
    StorageUnusable,
)

FAMILIES: Final = (
    StorageApiError,
    httpx.HTTPError,
    httpx.InvalidURL,
    httpx.StreamError,
    ValueError,
    TypeError,
    KeyError,
)
"""All that a call may raise besides what is named already. What no answer explains is a fault of ours, and goes through."""

_NO_OBJECT: Final = frozenset({"not_found", "NoSuchKey"})
_NO_BUCKET: Final = frozenset({"Bucket not found", "NoSuchBucket"})
_REFUSED: Final = frozenset({401, 403})
_LATER: Final = frozenset({408, 409, 423, 425, 429})
"""Somebody else is at it, or too many are: the same asked again may go well."""

_FULL: Final = frozenset({402, 507})
"""A project over its quota is closed as a whole: to readers, and to whoever wants to remove something, as well."""

_FULL_WORDS: Final = ("no space left on device", "exceed_storage_size_quota")


class Passing(StorageUnavailable):
    """Of the kind that may be over in a moment, so it is worth asking once more before anybody hears of it."""


class BucketMissing(StorageUnusable):
    """The server knows no such bucket, or does not show it to this key."""


class KeyRefused(StorageUnusable):
    """The server does not let this key in."""


def status_of(error: StorageApiError) -> int:
    """What the server means, which the body says better than the status line."""
    said = str(error.status)
    if len(said) == 3 and said.isdecimal():
        return int(said)
    cause = error.__cause__
    return cause.response.status_code if isinstance(cause, httpx.HTTPStatusError) else 0


def why(error: Exception) -> SnapAssetError:
    """What has happened, for a call that changes nothing or can be made again."""
    if isinstance(error, StorageApiError):
        return _answered(error)
    if isinstance(error, httpx.TimeoutException):
        return Passing("The file storage did not answer in time (SUPABASE_URL).")
    if isinstance(error, httpx.TransportError):
        return Passing("The file storage cannot be reached (SUPABASE_URL).")
    return Passing("The file storage answered something that is no answer of Supabase Storage (SUPABASE_URL).")


def why_not_stored(error: Exception) -> SnapAssetError:
    """What has happened, for a call that was to store something."""
    named = why(error)
    if isinstance(named, Passing | BucketMissing | KeyRefused | StorageQuotaExceeded):
        return named
    return StorageFailed(f"A file could not be stored: {_word(error)}.")


def _answered(error: StorageApiError) -> SnapAssetError:
    status, code, text = status_of(error), error.code, str(error.message).lower()
    if status == HTTPStatus.NOT_FOUND and code in _NO_OBJECT:
        return FileMissing()
    if code in _NO_BUCKET:
        return BucketMissing(
            "The bucket is not there, or is not shown to the key (SUPABASE_BUCKET, SUPABASE_SERVICE_KEY)."
        )
    if status in _FULL or any(words in text for words in _FULL_WORDS):
        return StorageQuotaExceeded("The Supabase project is over its quota.")
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return StorageQuotaExceeded("The file is larger than the bucket, or its project, takes (SUPABASE_BUCKET).")
    if status in _REFUSED:
        return KeyRefused("The file storage refuses the key (SUPABASE_SERVICE_KEY).")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER or status == 0:
        return Passing(f"The file storage failed ({status or 'no status'}, {_word(error)}).")
    return StorageUnavailable(f"The file storage refused a request ({status}, {_word(error)}).")


def _word(error: Exception) -> str:
    """The server's one word for it; never its sentence, which may repeat what it was sent."""
    code = error.code if isinstance(error, StorageApiError) else type(error).__name__
    return "".join(letter if letter.isalnum() or letter in "_ " else "-" for letter in str(code))[:40]
