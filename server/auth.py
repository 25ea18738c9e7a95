"""Who asks. The one place that reads credentials; everything else sees an `Identity`.

The owner written into the record is a hash of the session's secret: who reads the record cannot act as anybody. A
session is compared by looking that hash up, so nothing here compares secrets. Whoever asks from another site (a form
or script of a page that is not ours, riding on the browser's cookie) is refused before anything is done.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

from server.problems import refusal
from snapasset.errors import InvalidInput, MissingUser
from snapasset.job_type import Access

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.requests import Request
    from starlette.responses import Response

    from server.state import State

COOKIE: Final = "snapasset_session"
HEADER: Final = "x-session-id"
YEAR_SECONDS: Final = 365 * 86_400

_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{22,128}")
"""22 characters of this alphabet can hold 128 random bits: fewer could be guessed."""

_SESSION_BYTES: Final = 24
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Identity(NamedTuple):
    """Who asks, and what they may ask for. `fresh_session` is the secret to hand out when it was made just now."""

    owner: str
    access: Access
    fresh_session: str | None = None


NOBODY: Final = Identity("nobody", Access.SESSION)


def identify(request: Request[State]) -> Identity | None:
    """The identity a request brings, None without one.

    Raises `InvalidInput` for a malformed `x-session-id`, `MissingUser` for a token that is not valid, and the refusal 403
    when another site sent it.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":  # another scheme is meant for a proxy in front of us
        return _by_token(request.state["settings"].admin_token, token.strip())
    session = request.headers.get(HEADER)
    if session is not None:
        if not _SESSION.fullmatch(session):
            raise InvalidInput(
                "The session id is not usable.",
                fields={HEADER: "must be 22 to 128 characters of A-Z, a-z, 0-9, _ and -, and hard to guess"},
            )
        return _of(session)
    if request.method not in _SAFE_METHODS:
        _refuse_other_sites(request)
    session = request.cookies.get(COOKIE)
    # A cookie that is no session of ours is like none: a browser cannot mend it, and gets a new one.
    return _of(session) if session is not None and _SESSION.fullmatch(session) else None


def identify_or_mint(request: Request[State]) -> Identity:
    """The identity a request brings, or a new anonymous session, to be handed out by `hand_out`."""
    identity = identify(request)
    if identity is not None:
        return identity
    session = secrets.token_urlsafe(_SESSION_BYTES)
    return _of(session)._replace(fresh_session=session)


def identify_or_nobody(request: Request[State]) -> Identity:
    """The identity a request brings, or one that owns nothing.

    So a request without one takes the same way, and the same time, as one for a stranger's thing or a missing one.
    """
    return identify(request) or NOBODY


def hand_out(identity: Identity, request: Request[State], response: Response) -> None:
    """Set the cookie of a session that was made for this request."""
    if identity.fresh_session is not None:
        response.set_cookie(
            COOKIE,
            identity.fresh_session,
            max_age=YEAR_SECONDS,
            path="/",
            secure=request.scope["scheme"] == "https",
            httponly=True,
            samesite="lax",
        )


def _by_token(admin_token: SecretStr | None, token: str) -> Identity:
    expected = admin_token.get_secret_value() if admin_token is not None else ""
    if not hmac.compare_digest(token.encode(), expected.encode()) or not expected:
        raise MissingUser("The token is not valid.")
    return Identity("admin", Access.ADMIN)


def _of(session: str) -> Identity:
    return Identity(f"session:{hashlib.sha256(session.encode()).hexdigest()}", Access.SESSION)


def _refuse_other_sites(request: Request[State]) -> None:
    # Browsers that send Sec-Fetch-Site know best; Origin is compared for those that do not (plain http, old ones).
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")
    if foreign:
        raise refusal(HTTPStatus.FORBIDDEN)
