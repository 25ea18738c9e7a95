"""The keys that an issuer of users' tokens signs with (RFC 7517), asked for seldom and kept through its outages.

Whoever sends a request can name any key. So an unknown name leads to one look in a minute at most, however many ask, and
everybody who waits for a look waits for the same one. A key is only ever used for the one algorithm that fits it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import httpx
from jwt import PyJWK, PyJWTError

from snapasset.errors import Unavailable
from snapasset.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

_MEMBERS: Final = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e")}
"""What is taken over from a key, so that nothing private and no opinion of its own comes along."""

_ALGORITHMS: Final = {"EC": "ES256", "RSA": "RS256"}
_RSA_BITS: Final = range(2048, 8193)

_BODY_BYTES: Final = 65_536
_KEYS: Final = 32
_KID_LENGTH: Final = 200
"""More than any issuer has need of: what is kept is bounded, whatever is sent."""


class Pauses(NamedTuple):
    """In seconds.

    Attributes:
        fresh: for so long keys are used without another look.
        unknown: between looks for a key that is not known.
        failed: after a look that failed.
        kept: for so long keys are used though nobody can be asked whether they still hold.
        answer: how long an answer may take.
    """

    fresh: float = 600.0
    unknown: float = 60.0
    failed: float = 5.0
    kept: float = 86_400.0
    answer: float = 3.0


class SigningKeys:
    """The keys that stand at one address. `clock` counts seconds; `close` ends it."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        address: str,
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._address = address
        self._pauses = pauses or Pauses()
        self._clock = clock
        self._keys: dict[str, PyJWK] = {}
        self._asked_at = self._answered_at = -math.inf
        self._trouble: Standing | None = None
        self._told = False
        self._look: asyncio.Task[None] | None = None

    async def find(self, kid: str, algorithm: str) -> PyJWK | None:
        """The key of this name, None when the issuer has none for this algorithm.

        Raises `Unavailable` when the key is not known and the issuer cannot be asked.
        """
        known = kid in self._kept()
        self._look_if_due(self._pauses.fresh if known else self._pauses.unknown)
        # Known keys are used while an outage lasts, and while somebody else's unknown key is looked for.
        current = self._clock() - self._answered_at < self._pauses.fresh or self._trouble is not None
        if self._look is not None and not (known and current):
            await asyncio.wait((self._look,))  # whoever leaves meanwhile takes nobody's look along
        key = self._kept().get(kid)
        if key is None and (self._trouble is not None or self._answered_at == -math.inf):
            raise Unavailable("Signed-in users cannot be checked just now; try again.")
        return key if key is not None and key.algorithm_name == algorithm else None

    def look_again(self) -> None:
        """Ask in the background, if no key is known and it is time to."""
        if not self._kept():
            self._look_if_due(self._pauses.unknown)

    def standing(self) -> Standing:
        """ok: there are keys to check by; unknown: nobody was asked yet, or there are none; down: none can be had."""
        if self._kept():
            return Standing("ok")
        return self._trouble or Standing("unknown")

    async def close(self) -> None:
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait((self._look,))

    def _kept(self) -> dict[str, PyJWK]:
        if self._clock() - self._answered_at > self._pauses.kept:
            self._keys = {}
        return self._keys

    def _look_if_due(self, pause: float) -> None:
        if self._trouble is not None:
            pause = self._pauses.failed
        if self._look is None and self._clock() - self._asked_at >= pause:
            self._asked_at = self._clock()
            self._look = asyncio.create_task(self._ask())

    async def _ask(self) -> None:
        """Look once. Raises nothing: what went wrong is kept, and told when it begins and ends."""
        try:
            async with asyncio.timeout(self._pauses.answer):
                keys = _keys_of(await self._body())
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, _NoKeySet) as error:
            self._keep(_trouble(error))
        else:
            if self._told:
                log.info("the keys of users' tokens can be fetched again")
            self._keys, self._trouble, self._told, self._answered_at = keys, None, False, self._clock()
        finally:
            self._look = None

    def _keep(self, trouble: Standing) -> None:
        self._trouble = trouble
        # A project that has never had such keys, as one that signs with the older secret, is in no trouble.
        if not self._told and (trouble.status == "down" or self._kept()):
            self._told = True
            log.warning("the keys of users' tokens cannot be fetched", extra={"why": trouble.why})

    async def _body(self) -> bytes:
        async with self._http.stream("GET", self._address, headers={"accept": "application/json"}) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise _NoKeySet(f"answered {answer.status_code}")
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _BODY_BYTES:
                    raise _NoKeySet("answered more than keys take")
            return body


class _NoKeySet(Exception):
    """What came is no set of keys; its text goes on where SUPABASE_URL stands before it."""


class _NoKeys(_NoKeySet):
    """A set, and nothing in it: whoever checks users by keys would sign all of them out."""


def _trouble(error: Exception) -> Standing:
    if isinstance(error, _NoKeys):
        return Standing("unknown", "SUPABASE_URL publishes no signing keys.")
    said = str(error) if isinstance(error, _NoKeySet) else "did not answer"
    return Standing("down", f"SUPABASE_URL {said} when it was asked for the keys of its users' tokens.")


def _keys_of(body: bytes) -> dict[str, PyJWK]:
    """The usable keys of a set, by their names. Those of other kinds than ours are none of our business.

    Raises `_NoKeySet`, also for a set without any that is usable: an issuer takes the last of its keys back by publishing
    another, so that is a mishap on its side.
    """
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    listed = cast("dict[str, Any]", told).get("keys") if isinstance(told, dict) else None
    if not isinstance(listed, list):
        raise _NoKeySet("answered something else")
    found: dict[str, PyJWK] = {}
    for one in cast("list[Any]", listed)[:_KEYS]:
        key = _key_of(one)
        if key is not None:
            found.setdefault(*key)
    if not found:
        raise _NoKeys
    return found


def _key_of(told: Any) -> tuple[str, PyJWK] | None:  # noqa: ANN401  whatever was sent
    if not isinstance(told, dict):
        return None
    jwk = cast("dict[str, Any]", told)
    kid, kind = jwk.get("kid"), jwk.get("kty")
    if not isinstance(kid, str) or not 0 < len(kid) <= _KID_LENGTH:
        return None
    if not isinstance(kind, str) or kind not in _ALGORITHMS:
        return None
    algorithm = _ALGORITHMS[kind]
    if jwk.get("alg", algorithm) != algorithm or jwk.get("use", "sig") != "sig" or not _verifies(jwk):
        return None
    if kind == "EC" and jwk.get("crv") != "P-256":
        return None
    try:
        key = PyJWK({member: jwk.get(member) for member in _MEMBERS[kind]}, algorithm)
    except (PyJWTError, ValueError, TypeError, ArithmeticError):
        return None
    return None if kind == "RSA" and key.key.key_size not in _RSA_BITS else (kid, key)


def _verifies(jwk: dict[str, Any]) -> bool:
    uses = jwk.get("key_ops", ["verify"])
    return isinstance(uses, list) and "verify" in uses
