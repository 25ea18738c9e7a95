"""Supabase's sign-in as a server beside it meets it: the address where its keys stand, and tokens as it signs them.

`FakeSupabase.auth` is one. Keys are made, published and taken back by hand; `mood` is what happens to whoever asks for them.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

ANN: Final = "0f8fad5b-d9cb-469f-a165-70867728950e"
BEN: Final = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
LEGACY_SECRET: Final = "the older secret of the fake, and of nothing else"

Mood = Literal["well", "down", "page", "broken", "wrong", "huge", "nested", "moved", "slow", "empty", "others"]
"""empty: a set without a key. others: a set of keys that are of no use here. page: HTML with status 200. broken: half of the JSON. wrong: JSON of another form. moved: redirected to a good answer."""

_BODIES: Final[dict[str, str]] = {
    "page": "<html>It works!</html>",
    "broken": '{"keys": [{"kid": "a',
    "wrong": '{"keys": {"kid": "a"}}',
    "nested": "[" * 30_000,
    "empty": '{"keys": []}',
    "others": '{"keys": [{"kid": "first", "kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}',
}


class Key(NamedTuple):
    """A pair of keys; `jwk` is how the public one is published."""

    kid: str
    algorithm: str
    private: Any
    jwk: dict[str, Any]


def ec_key(kid: str, curve: ec.EllipticCurve | None = None) -> Key:
    private = ec.generate_private_key(curve or ec.SECP256R1())
    jwk = ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return Key(kid, "ES256", private, {**jwk, "kid": kid, "alg": "ES256", "use": "sig", "key_ops": ["verify"]})


def rsa_key(kid: str, bits: int = 2048) -> Key:
    private = rsa.generate_private_key(65_537, bits)
    jwk = RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return Key(kid, "RS256", private, {**jwk, "kid": kid, "alg": "RS256", "use": "sig", "key_ops": ["verify"]})


class FakeAuth:
    """The sign-in of one project. `asked` counts the looks at its keys; `keys` are those that it publishes."""

    def __init__(self, url: Callable[[], str]) -> None:
        self.keys = [ec_key("first")]
        self.asked = 0
        self._url = url
        self._mood: Mood = "well"
        self._quick = threading.Event()

    @property
    def mood(self) -> Mood:
        return self._mood

    @mood.setter
    def mood(self, mood: Mood) -> None:
        self._mood = mood
        if mood == "slow":
            self._quick.clear()
        else:
            self._quick.set()

    @property
    def issuer(self) -> str:
        return f"{self._url()}/auth/v1"

    def claims(self, user_id: str = ANN, **changes: Any) -> dict[str, Any]:
        """What Supabase says of a user; a change to None leaves the claim out."""
        now = int(time.time())
        told = {
            "iss": self.issuer,
            "sub": user_id,
            "aud": "authenticated",
            "exp": now + 3600,
            "iat": now,
            "email": "ann@example.com",
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"role": "admin"},
            "role": "authenticated",
            "aal": "aal1",
            "amr": [{"method": "password", "timestamp": now}],
            "session_id": "e3b0c442-98fc-4c14-9afb-f4c8996fb924",
            "is_anonymous": False,
        }
        return {name: value for name, value in {**told, **changes}.items() if value is not None}

    def token(self, user_id: str = ANN, key: Key | None = None, **changes: Any) -> str:
        """A good token, but for the changes of its claims."""
        signing = key or self.keys[-1]
        claims = self.claims(user_id, **changes)
        return jwt.encode(claims, signing.private, signing.algorithm, headers={"kid": signing.kid})

    def legacy_token(self, secret: str = LEGACY_SECRET, **changes: Any) -> str:
        return jwt.encode(self.claims(**changes), secret, "HS256")

    def bearer(self, user_id: str = ANN, key: Key | None = None, **changes: Any) -> dict[str, str]:
        """The header of who has signed in."""
        return {"authorization": f"Bearer {self.token(user_id, key, **changes)}"}

    def routes(self) -> list[Route]:
        return [
            Route("/auth/v1/.well-known/jwks.json", self._jwks),
            Route("/moved", self._elsewhere),
        ]

    async def _jwks(self, _request: Request) -> Response:
        self.asked += 1
        if self.mood == "slow":
            await asyncio.to_thread(self._quick.wait, 20)
        match self.mood:
            case "down":
                return JSONResponse({"message": "upstream"}, 503)
            case "moved":
                return RedirectResponse("/moved")
            case "huge":
                padding = [{"kid": "x" * 1000, "kty": "oct"}] * 100
                return JSONResponse({"keys": [key.jwk for key in self.keys] + padding})
            case "well":
                return self._good()
            case _:
                return Response(_BODIES[self.mood])

    async def _elsewhere(self, _request: Request) -> Response:
        return self._good()

    def _good(self) -> Response:
        body = json.dumps({"keys": [key.jwk for key in self.keys]})
        return Response(body, media_type="application/json", headers={"cache-control": "public, max-age=600"})
