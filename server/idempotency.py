"""The header `Idempotency-Key`: the same request sent again makes no second job."""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from server.auth import read_single
from server.problems import refusal
from snapasset.errors import InvalidInput
from snapasset.job_type import Wire
from snapasset.records.idempotency import Once

if TYPE_CHECKING:
    from starlette.requests import Request

    from server.auth import Identity
    from server.state import State

HEADER: Final = "idempotency-key"
REPLAYED: Final = "idempotent-replayed"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def read_once(request: Request[State], identity: Identity, *asked: object) -> Once | None:
    """What makes a submission one of its kind, None without a key; `asked` is all that is asked, as it was understood.

    Requests ask the same when they are understood the same: spaces, the order of names and spelt-out defaults ask nothing.

    Raises `InvalidInput` for a malformed key, and the refusal 400 for two of them and for one without an identity: keys belong to whoever
    asks, and a session that is minted by the very request could not ask again.
    """
    key = read_single(request, HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidInput(fields={HEADER: "must be 1 to 255 visible ASCII characters"})
    if identity.fresh_session is not None:
        raise refusal(
            HTTPStatus.BAD_REQUEST, "An Idempotency-Key needs a session: send its cookie, or your own x-session-id."
        )
    spelt = "\0".join(one.model_dump_json() if isinstance(one, Wire) else str(one) for one in asked)
    return Once(key, hashlib.sha256(spelt.encode()).hexdigest())
