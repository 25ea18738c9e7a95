"""Conditional requests (RFC 9110, 13): what the client has already is not sent again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.state import State


def etag_of(body: bytes) -> str:
    """A strong entity tag: another body has another."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def not_modified(request: Request[State], etag: str) -> bool:
    """Whether `If-None-Match` says that the client has this; compared weakly, as the RFC asks (13.1.2)."""
    condition = request.headers.get("if-none-match")
    if condition is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in condition.split(",")}
    return etag.removeprefix("W/") in tags or "*" in tags
