"""The header `Idempotency-Key`: the same request sent again makes no second job."""

from __future__ import annotations

import hashlib
import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from server.problems import refusal
from snapasset.errors import InvalidInput
from snapasset.records.idempotency import Once

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.auth import Identity
    from server.state import State

HEADER: Final = "idempotency-key"
REPLAYED: Final = "idempotent-replayed"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def read_once(request: Request[State], identity: Identity, kind: str, body: dict[str, Any]) -> Once | None:
    """What makes a submission one of its kind, None without a key.

    Raises `InvalidInput` for a malformed key, and the refusal 400 for one without an identity: keys belong to whoever
    asks, and a session that is minted by the very request could not ask again.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidInput(fields={HEADER: "must be 1 to 255 visible ASCII characters"})
    if identity.fresh_session is not None:
        raise refusal(
            HTTPStatus.BAD_REQUEST, "An Idempotency-Key needs a session: send its cookie, or your own x-session-id."
        )
    # The order of names, and the spaces between them, ask for nothing.
    asked = json.dumps([kind, body], sort_keys=True, separators=(",", ":"))
    return Once(key, hashlib.sha256(asked.encode()).hexdigest())
