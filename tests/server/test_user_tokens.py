"""Users' tokens: a good one makes a user, and every other one is refused, whatever is wrong with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import TYPE_CHECKING, Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from server.user_tokens import User, UserTokens, opened_user_tokens
from snapasset.errors import BadConfiguration, MissingUser
from snapasset.job_type import Access
from tests.fakes.supabase import running_supabase
from tests.fakes.supabase_auth import ANN, LEGACY_SECRET, ec_key, rsa_key
from tests.flows.waiting import awaited
from tests.server.service import settings_for
from tests.servers.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from pathlib import Path

    from tests.fakes.supabase import FakeSupabase
    from tests.fakes.supabase_auth import FakeAuth

STRANGER: Final = ec_key("first")
RSA: Final = rsa_key("rsa")


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _raw(header: object, claims: object, secret: bytes = b"") -> str:
    """A token with any header, signed with HMAC, or with nothing."""
    text = f"{_b64(json.dumps(header).encode())}.{_b64(json.dumps(claims).encode())}"
    return f"{text}.{_b64(hmac.digest(secret, text.encode(), hashlib.sha256)) if secret else ''}"


def _header(auth: FakeAuth, **changes: Any) -> str:
    """A token that is good but for its header, which the signature covers."""
    key = auth.keys[0]
    return jwt.encode(auth.claims(), key.private, "ES256", headers={"kid": key.kid, **changes})


def _public(auth: FakeAuth, form: str) -> bytes:
    if form == "jwk":
        return json.dumps(auth.keys[0].jwk).encode()
    public = auth.keys[0].private.public_key()
    if form == "der":
        return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _with_part(auth: FakeAuth, part: int, text: str) -> str:
    parts = auth.token().split(".")
    parts[part] = text
    return ".".join(parts)


def _tampered(auth: FakeAuth) -> str:
    return _with_part(auth, 1, _b64(json.dumps(auth.claims(app_metadata={"role": "admin"})).encode()))


def _hs(auth: FakeAuth, form: str) -> str:
    return _raw({"alg": "HS256", "kid": "first", "typ": "JWT"}, auth.claims(), _public(auth, form))


def _in(seconds: float) -> int:
    return int(time.time() + seconds)


WRONG: Final[dict[str, Callable[[FakeAuth], str]]] = {
    "alg none": lambda auth: _raw({"alg": "none", "kid": "first"}, auth.claims()) + "AA",
    "alg none, unsigned": lambda auth: _raw({"alg": "none"}, auth.claims()),
    "alg NoNe": lambda auth: _raw({"alg": "NoNe", "kid": "first"}, auth.claims(), b"x"),
    "no alg": lambda auth: _raw({"kid": "first"}, auth.claims(), b"x"),
    "alg is a list": lambda auth: _raw({"alg": ["ES256"], "kid": "first"}, auth.claims(), b"x"),
    "HS256 by the public key, PEM": lambda auth: _hs(auth, "pem"),
    "HS256 by the public key, DER": lambda auth: _hs(auth, "der"),
    "HS256 by the public key, JWK": lambda auth: _hs(auth, "jwk"),
    "HS256 by no secret": lambda auth: _raw({"alg": "HS256"}, auth.claims(), b"\0"),
    "HS256 by another secret": lambda auth: auth.legacy_token("x" * 40),
    "HS512 by the secret": lambda auth: jwt.encode(auth.claims(), LEGACY_SECRET * 2, "HS512"),
    "ES256 said of an RSA key": lambda auth: _header(auth, kid="rsa"),
    "RS256 said of an EC key": lambda auth: auth.token(key=RSA._replace(kid="first")),
    "PS256": lambda auth: jwt.encode(auth.claims(), RSA.private, "PS256", headers={"kid": "rsa"}),
    "RS512": lambda auth: jwt.encode(auth.claims(), RSA.private, "RS512", headers={"kid": "rsa"}),
    "another's key by a known name": lambda auth: auth.token(key=STRANGER),
    "unknown kid": lambda auth: auth.token(key=STRANGER._replace(kid="unknown")),
    "no kid": lambda auth: jwt.encode(auth.claims(), auth.keys[0].private, "ES256"),
    "kid is a number": lambda auth: _raw({"alg": "ES256", "kid": 1}, auth.claims(), b"x"),
    "kid is null": lambda auth: _raw({"alg": "ES256", "kid": None}, auth.claims(), b"x"),
    "kid is a path": lambda auth: _header(auth, kid="../../../../dev/null"),
    "kid is an address": lambda auth: _header(auth, kid="https://evil.example/.well-known/jwks.json"),
    "kid ends the line": lambda auth: _header(auth, kid="first\r\nx-evil: 1\0"),
    "kid is long": lambda auth: _header(auth, kid="k" * 3_000),
    "brings its own key": lambda auth: jwt.encode(
        auth.claims(), STRANGER.private, "ES256", headers={"kid": "mine", "jwk": STRANGER.jwk, "jku": "http://x"}
    ),
    "crit": lambda auth: _header(auth, crit=["exp"], exp=1),
    "b64": lambda auth: _raw({"alg": "ES256", "kid": "first", "b64": False, "crit": ["b64"]}, {}, b"x"),
    "wrong issuer": lambda auth: auth.token(iss="https://evil.supabase.co/auth/v1"),
    "issuer with more": lambda auth: auth.token(iss=f"{auth.issuer}/"),
    "issuer of old keys": lambda auth: auth.token(iss="supabase"),
    "issuer is a list": lambda auth: _signed(auth, auth.claims() | {"iss": [auth.issuer]}),
    "no issuer": lambda auth: auth.token(iss=None),
    "wrong audience": lambda auth: auth.token(aud="anon"),
    "no audience": lambda auth: auth.token(aud=None),
    "empty audience": lambda auth: auth.token(aud=[]),
    "expired": lambda auth: auth.token(exp=_in(-11)),
    "no expiry": lambda auth: auth.token(exp=None),
    "expiry is a word": lambda auth: auth.token(exp="never"),
    "expiry without end": lambda auth: _signed(auth, auth.claims() | {"exp": float("inf")}),
    "not yet valid": lambda auth: auth.token(nbf=_in(60)),
    "issued tomorrow": lambda auth: auth.token(iat=_in(86_400)),
    "no time of issue": lambda auth: auth.token(iat=None),
    "no sub": lambda auth: auth.token(sub=None),
    "empty sub": lambda auth: auth.token(sub=""),
    "sub is a number": lambda auth: auth.token(sub=17),
    "sub is no uuid": lambda auth: auth.token("admin"),
    "sub is somebody's session": lambda auth: auth.token("session:" + "0" * 64),
    "sub with more": lambda auth: auth.token(f"{ANN}\n"),
    "claims are a list": lambda auth: _signed(auth, []),
    "claims are deep": lambda auth: _raw_signed(auth, b"[" * 3_000),
    "claims are no JSON": lambda auth: _raw_signed(auth, b"\xff\xfe{}"),
    "tampered": _tampered,
    "header is a list": lambda auth: _with_part(auth, 0, _b64(b"[]")),
    "header is deep": lambda auth: _with_part(auth, 0, _b64(b"[" * 3_000)),
    "header is no JSON": lambda auth: _with_part(auth, 0, _b64(b"\xff")),
    "signature cut": lambda auth: auth.token()[:-2],
    "signature of zeros": lambda auth: _with_part(auth, 2, _b64(b"\0" * 64)),
    "signature empty": lambda auth: _with_part(auth, 2, ""),
    "four parts": lambda auth: f"{auth.token()}.x",
    "two parts": lambda auth: auth.token().rpartition(".")[0],
    "blank within": lambda auth: auth.token().replace(".", ". "),
    "not ASCII": lambda auth: auth.token().replace(".", "ä."),
    "padded": lambda auth: f"{auth.token()}==",
    "huge": lambda auth: auth.token(user_metadata={"x": "x" * 8_192}),
}


def _signed(auth: FakeAuth, claims: object) -> str:
    return _raw_signed(auth, json.dumps(claims).encode())


def _raw_signed(auth: FakeAuth, claims: bytes) -> str:
    key = auth.keys[0]
    return jwt.PyJWS().encode(claims, key.private, "ES256", headers={"kid": key.kid})


@pytest.fixture(scope="module")
def project() -> Generator[FakeSupabase]:
    with running_supabase() as project:
        project.auth.keys.append(RSA)
        yield project


@pytest.fixture
async def users(project: FakeSupabase, tmp_path: Path) -> AsyncGenerator[UserTokens]:
    settings = settings_for(tmp_path, supabase_url=project.url)
    async with opened_user_tokens(settings) as users:
        assert users is not None
        yield users


def _named(tokens: dict[str, Callable[[FakeAuth], str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", tokens.values(), ids=tokens)


@_named(WRONG)
async def test_a_wrong_token_is_refused(
    users: UserTokens, project: FakeSupabase, make: Callable[[FakeAuth], str]
) -> None:
    with pytest.raises(MissingUser):
        await users.check(make(project.auth))


GOOD: Final[dict[str, Callable[[FakeAuth], str]]] = {
    "ES256": lambda auth: auth.token(key=auth.keys[0]),
    "RS256": lambda auth: auth.token(key=RSA),
    "several audiences": lambda auth: auth.token(aud=["authenticated", "other"]),
    "just expired, by another clock": lambda auth: auth.token(exp=_in(-5)),
    "just issued, by another clock": lambda auth: auth.token(iat=_in(5), nbf=_in(5)),
}


@_named(GOOD)
async def test_a_good_token_makes_a_user(
    users: UserTokens, project: FakeSupabase, make: Callable[[FakeAuth], str]
) -> None:
    assert await users.check(make(project.auth)) == User(ANN, Access.USER)


ACCESS: Final = [
    ({"app_metadata": {"role": "admin"}}, Access.ADMIN, Access.USER),
    ({"role": "admin"}, Access.USER, Access.ADMIN),
    ({"user_metadata": {"role": "admin", "app_metadata": {"role": "admin"}}}, Access.USER, Access.USER),
    ({"app_metadata": {"role": "Admin"}}, Access.USER, Access.USER),
    ({"app_metadata": {"role": ["admin"]}}, Access.USER, Access.USER),
    ({"app_metadata": "admin"}, Access.USER, Access.USER),
    ({"app_metadata.role": "admin"}, Access.USER, Access.USER),
    ({"is_anonymous": True}, Access.SESSION, Access.SESSION),
    ({"is_anonymous": "no", "app_metadata": {"role": "admin"}, "role": "admin"}, Access.SESSION, Access.SESSION),
]


@pytest.mark.parametrize(("changes", "by_metadata", "by_role"), ACCESS, ids=str)
async def test_an_admin_is_who_the_verified_claim_says(
    users: UserTokens, project: FakeSupabase, tmp_path: Path, changes: Any, by_metadata: Access, by_role: Access
) -> None:
    token = project.auth.token(key=RSA, **changes)
    assert (await users.check(token)).access is by_metadata
    async with opened_user_tokens(settings_for(tmp_path, supabase_url=project.url, admin_claim="role")) as other:
        assert other is not None
        assert (await other.check(token)).access is by_role


@pytest.mark.parametrize(("spared", "asked"), [("", True), ("127.0.0.1", False)])
async def test_a_proxy_of_the_environment_is_not_used_in_silence(
    project: FakeSupabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    spared: str,
    *,
    asked: bool,
) -> None:
    caplog.set_level("INFO")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, spared)
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, project.url.replace("//", "//somebody:canary@"))
    before = project.auth.asked
    settings = settings_for(tmp_path, supabase_url=f"http://127.0.0.1:{free_port()}")  # whoever answers is the proxy
    async with opened_user_tokens(settings) as users:
        assert users is not None

        async def is_known() -> bool:
            return users.standing().status == ("ok" if asked else "down")

        await awaited(is_known, "the keys were asked for")
    assert (project.auth.asked > before) == asked
    assert ("through the proxy" in caplog.text) == asked
    assert "canary" not in caplog.text


OF_THE_SECRET: Final[dict[str, Callable[[FakeAuth], str]]] = {
    "a service_role key": lambda auth: auth.legacy_token(iss="supabase", sub=None, aud=None, role="service_role"),
    "its role alone": lambda auth: auth.legacy_token(sub=None, role="service_role"),
    "expired": lambda auth: auth.legacy_token(exp=_in(-11)),
    "another issuer": lambda auth: auth.legacy_token(iss="https://evil.example/auth/v1"),
    "signed otherwise": lambda auth: auth.legacy_token("x" * 40),
    "HS384": lambda auth: jwt.encode(auth.claims(), LEGACY_SECRET, "HS384"),
    "the public key": lambda auth: _hs(auth, "pem"),
}


@pytest.fixture
async def users_by_secret(project: FakeSupabase, tmp_path: Path) -> AsyncGenerator[UserTokens]:
    settings = settings_for(tmp_path, supabase_url=f"{project.url}/", supabase_jwt_secret=f"{LEGACY_SECRET}\n")
    async with opened_user_tokens(settings) as users:
        assert users is not None
        yield users


async def test_the_older_secret_counts_where_it_is_set(users_by_secret: UserTokens, project: FakeSupabase) -> None:
    assert users_by_secret.standing() == ("ok", None)
    for token in (project.auth.legacy_token(), project.auth.token(key=RSA)):
        assert await users_by_secret.check(token) == User(ANN, Access.USER)


@_named(OF_THE_SECRET)
async def test_it_makes_no_wrong_token_good(
    users_by_secret: UserTokens, project: FakeSupabase, make: Callable[[FakeAuth], str]
) -> None:
    with pytest.raises(MissingUser):
        await users_by_secret.check(make(project.auth))


async def test_without_it_hs256_is_not_known(users: UserTokens, project: FakeSupabase) -> None:
    with pytest.raises(MissingUser):
        await users.check(project.auth.legacy_token())


async def test_a_secret_without_a_project_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="SUPABASE_JWT_SECRET needs SUPABASE_URL"):
        async with opened_user_tokens(settings_for(tmp_path, supabase_jwt_secret=LEGACY_SECRET)):
            pass
