"""Who asks. The one place that reads credentials; everything else sees an `Identity`.

A user is known by his token (`user_tokens`), an admin by his, anybody else by a session. The owner written into the record
is a user's id or a hash of the session's secret: who reads the record cannot act as anybody. A session is compared by
looking that hash up, so no secret of a session is compared here. Whoever asks from another site (a form or script of a
page that is not ours, riding on the browser's cookie) is refused before anything is done, unless `CORS_ORIGINS` lists it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
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
    from snapasset.settings import Settings

log = logging.getLogger(__name__)

COOKIE: Final = "snapasset_session"
HEADER: Final = "x-session-id"
YEAR_SECONDS: Final = 365 * 86_400

_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{22,128}")
"""22 characters of this alphabet can hold 128 random bits: fewer could be guessed."""

_SESSION_BYTES: Final = 24
_ADMIN: Final = "admin"
"""The owner of what is made with ADMIN_TOKEN, whoever has that."""

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BEARER: Final = "bearer"


class Identity(NamedTuple):
    """Who asks, and what they may ask for. `fresh_session` is the secret to hand out when it was made just now."""

    owner: str
    access: Access
    fresh_session: str | None = None


_SIGN_IN: Final = "Anonymous sessions are not taken here: sign in, and send your token."

_CROSS_SITE: Final = "cross-site"
_NO_COOKIES: Final = "The cookie of a session does not reach a page of another site: send x-session-id, or a token."

NOBODY: Final = Identity("nobody", Access.SESSION)


async def identify(request: Request[State]) -> Identity | None:
    """The identity a request brings, None without one. A token counts before a session.

    Raises `InvalidInput` for a malformed `x-session-id`, `MissingUser` for a token that is not valid and for a session
    where none are taken, `Unavailable` when a user's token cannot be checked just now, and the refusal 400 when either came
    more than once, 403 when another site sent the request.
    """
    token = _bearer_token(request)
    if token is not None:
        return await _by_token(request.state, token)
    sessions = takes_sessions(request.state["settings"])
    session = read_single(request, HEADER)
    if session is not None:
        if not sessions:
            raise MissingUser(_SIGN_IN)
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
    return _of(session) if sessions and session is not None and _SESSION.fullmatch(session) else None


async def identify_or_mint(request: Request[State]) -> Identity:
    """The identity a request brings, or a new anonymous session, to be handed out by `hand_out`.

    Raises `MissingUser` where no sessions are taken, and the refusal 403 when another site sent the request.
    """
    identity = await identify(request)
    if identity is not None:
        return identity
    if not takes_sessions(request.state["settings"]):
        raise MissingUser(_SIGN_IN)
    # A browser sends no cookie with what another site has it ask for, and a fresh one would take the place of its own.
    _refuse_other_sites(request)
    if request.headers.get("sec-fetch-site") == _CROSS_SITE:
        raise MissingUser(_NO_COOKIES)
    session = secrets.token_urlsafe(_SESSION_BYTES)
    return _of(session)._replace(fresh_session=session)


async def identify_or_nobody(request: Request[State]) -> Identity:
    """The identity a request brings, or one that owns nothing.

    So a request without one takes the same way, and the same time, as one for a stranger's thing or a missing one.
    """
    return await identify(request) or NOBODY


async def identify_admin(request: Request[State]) -> Identity:
    """The identity of an admin who is about to do what only admins may; that is logged. Raises `MissingUser` for anybody else."""
    identity = await identify(request)
    if identity is None or identity.access < Access.ADMIN:
        raise MissingUser
    who = "ADMIN_TOKEN" if identity.owner == _ADMIN else identity.owner
    log.info("an admin acts", extra={"admin": who, "method": request.method, "path": request.url.path})
    return identity


def takes_sessions(settings: Settings) -> bool:
    """Whether who has not signed in may work here: where nobody can, on this machine, or where that is said."""
    return settings.supabase_url is None or settings.allow_anonymous or settings.loopback


def read_single(request: Request[State], name: str) -> str | None:
    """The value of a header that says who asks, or for what. Sent twice, it is refused with 400: each reader may see another."""
    values = request.headers.getlist(name)
    if len(values) > 1:
        raise refusal(HTTPStatus.BAD_REQUEST, f"The header {name} was sent more than once.")
    return values[0] if values else None


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


def _bearer_token(request: Request[State]) -> str | None:
    scheme, _, token = (read_single(request, "authorization") or "").partition(" ")
    return token.strip() if scheme.lower() == _BEARER else None  # another scheme is meant for a proxy in front of us


async def _by_token(state: State, token: str) -> Identity:
    if _is_admin_token(state["settings"].admin_token, token):
        return Identity(_ADMIN, Access.ADMIN)
    users = state["users"]
    if users is None:
        raise MissingUser("The token is not valid.")
    user = await users.check(token)
    return Identity(f"user:{user.id}", user.access)


def _is_admin_token(admin_token: SecretStr | None, token: str) -> bool:
    expected = admin_token.get_secret_value() if admin_token is not None else ""
    return hmac.compare_digest(token.encode(), expected.encode()) and expected != ""


def _of(session: str) -> Identity:
    return Identity(f"session:{hashlib.sha256(session.encode()).hexdigest()}", Access.SESSION)


def _refuse_other_sites(request: Request[State]) -> None:
    # Browsers that send Sec-Fetch-Site know best; Origin is compared for those that do not (plain http, old ones).
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if origin in request.state["settings"].cors_origins:
        return
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.partition("://")[2] != request.headers.get("host")
    if foreign:
        raise refusal(HTTPStatus.FORBIDDEN)
