"""Addresses of files that open them for anybody, for a while: an `<img>` on another site sends no cookie of ours.

The address is signed with its expiry, and made anew whenever a job, an event or a generation is read. Within an hour it
stays the same, so that browsers may keep what they have loaded.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import time
from typing import TYPE_CHECKING, Final

from snapasset.errors import LinkExpired
from snapasset.event import iso

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.datastructures import QueryParams

_STEADY_SECONDS: Final = 3_600
"""Expiries are rounded up to this, so that an address changes no more often."""

# Sound on any valid JSON text: a quotation mark without a backslash before it begins or ends a string, so only the name of
# a field can be met here, never a part of a longer string.
_FILE_ID: Final = re.compile(r'(?<!\\)"fileId":\s*"([A-Za-z0-9-]{1,64})"')
_EXPIRES: Final = re.compile(r"[0-9]{1,12}")


class FileUrls:
    """Makes the addresses of files and checks them; processes that share the secret accept each other's.

    `lifetime`: seconds that an address is good for at least. `clock` is the wall clock in seconds.
    """

    def __init__(self, secret: bytes, lifetime: int, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._lifetime = lifetime
        self._clock = clock

    def sign(self, text: str) -> str:
        """A JSON text with `url` and `urlExpiresAt` (RFC 3339) added beside each `fileId`."""
        if '"fileId"' not in text:
            return text
        expires = self._expiry()
        until = iso(expires * 1000)

        def addressed(match: re.Match[str]) -> str:
            file_id = match[1]
            url = f"/api/files/{file_id}?expires={expires}&signature={self._signature(file_id, expires)}"
            return f'"fileId":"{file_id}","url":"{url}","urlExpiresAt":"{until}"'

        return _FILE_ID.sub(addressed, text)

    def opens(self, file_id: str, query: QueryParams) -> bool:
        """Whether an address carries a good signature. Raises `LinkExpired` when it did until its time was over."""
        expires, signature = query.get("expires", ""), query.get("signature", "")
        if not _EXPIRES.fullmatch(expires):
            return False
        expected = self._signature(file_id, int(expires))
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            return False
        if int(expires) <= self._clock():
            raise LinkExpired
        return True

    def seconds_left(self, query: QueryParams) -> int:
        """How long a good address goes on opening its file."""
        return max(0, int(int(query["expires"]) - self._clock()))

    def _expiry(self) -> int:
        earliest = int(self._clock()) + self._lifetime
        return -(-earliest // _STEADY_SECONDS) * _STEADY_SECONDS

    def _signature(self, file_id: str, expires: int) -> str:
        digest = hmac.digest(self._secret, f"file\0{file_id}\0{expires}".encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest[:18]).decode()
