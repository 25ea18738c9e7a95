"""Users by the tokens that Supabase's sign-in gives them: JWTs (RFC 7519), checked here, without asking anybody each time.

A token says by which key and algorithm it wants to be checked, and is believed in neither: the key is looked up among the
issuer's, the algorithm is the key's own. HS256 is known only where the older secret is set, and with nothing but that
secret. What a user may change himself, `user_metadata`, is never looked at.
"""

from __future__ import annotations

import logging
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import httpx
import jwt

from server.signing_keys import SigningKeys
from snapasset.errors import BadConfiguration, MissingUser
from snapasset.job_type import Access
from snapasset.proxies import by_proxy
from snapasset.standing import Standing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from snapasset.settings import Settings

log = logging.getLogger(__name__)

AUDIENCE: Final = "authenticated"
LEEWAY_SECONDS: Final = 10
"""By how much the issuer's clock may differ from ours."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]+")
_TOKEN_LENGTH: Final = 8_192
_USER_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PUBLISHED: Final = ("ES256", "RS256")
_LEGACY: Final = "HS256"
_REQUIRED: Final = ("iss", "aud", "exp", "iat", "sub")
_ADMIN: Final = "admin"
_CONNECTIONS: Final = httpx.Limits(max_connections=1, max_keepalive_connections=0)


class User(NamedTuple):
    """Who has signed in, and what they may ask for."""

    id: str
    access: Access


class UserTokens:
    """Checks tokens of one issuer. `admin_claim` is the claim, with dots between, that is `admin` in an admin's token."""

    def __init__(self, issuer: str, keys: SigningKeys, legacy_secret: str | None, admin_claim: str) -> None:
        self._issuer = issuer
        self._keys = keys
        self._legacy_secret = legacy_secret
        self._admin_claim = admin_claim.split(".")

    async def check(self, token: str) -> User:
        """Whose token it is. Raises `MissingUser`, or `Unavailable` when there is nothing to check it by."""
        if len(token) > _TOKEN_LENGTH or not _TOKEN.fullmatch(token):
            raise _not_valid()
        try:
            key, algorithm = await self._key(jwt.get_unverified_header(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": list(_REQUIRED)},
            )
        except jwt.ExpiredSignatureError:
            raise MissingUser("The token has expired.") from None
        except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError):
            raise _not_valid() from None
        user_id: str = claims["sub"]
        if not _USER_ID.fullmatch(user_id):
            raise _not_valid()
        return User(user_id, self._access(claims))

    def standing(self) -> Standing:
        """Whether users can be checked. Asks for keys in the background while there are none."""
        self._keys.look_again()
        found = self._keys.standing()
        return found if self._legacy_secret is None else Standing("ok")

    async def _key(self, header: dict[str, Any]) -> tuple[jwt.PyJWK | str, str]:
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm == _LEGACY and self._legacy_secret is not None:
            return self._legacy_secret, _LEGACY
        if algorithm not in _PUBLISHED or not isinstance(kid, str):
            raise _not_valid()
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise _not_valid()
        return key, algorithm

    def _access(self, claims: dict[str, Any]) -> Access:
        # Whoever signed in without a name may come again under another one: such a user is as good as a session.
        if claims.get("is_anonymous", False) is not False:
            return Access.SESSION
        told: object = claims
        for name in self._admin_claim:
            told = cast("dict[str, object]", told).get(name) if isinstance(told, dict) else None
        return Access.ADMIN if told == _ADMIN else Access.USER


@asynccontextmanager
async def opened_user_tokens(settings: Settings) -> AsyncGenerator[UserTokens | None]:
    """What checks the users of the project at SUPABASE_URL; None without one. Raises `BadConfiguration`.

    Its keys are asked for at once, and nobody waits for them.
    """
    if settings.supabase_url is None:
        if settings.supabase_jwt_secret is not None:
            raise BadConfiguration("SUPABASE_JWT_SECRET needs SUPABASE_URL, the project whose users it is to check.")
        yield None
        return
    issuer = f"{settings.supabase_url.rstrip('/')}/auth/v1"
    secret = settings.supabase_jwt_secret
    if by_proxy(issuer):
        log.info("the keys of users' tokens are fetched through the proxy that the environment names")
    async with httpx.AsyncClient(limits=_CONNECTIONS) as http:
        keys = SigningKeys(http, f"{issuer}/.well-known/jwks.json")
        users = UserTokens(issuer, keys, None if secret is None else secret.get_secret_value(), settings.admin_claim)
        users.standing()
        try:
            yield users
        finally:
            await keys.close()


def _not_valid() -> MissingUser:
    return MissingUser("The token is not valid.")
