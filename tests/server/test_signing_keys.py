"""The keys of users' tokens: asked for seldom, by one request however many wait, and kept through every outage."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, Final, get_args

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from server.signing_keys import Pauses, SigningKeys
from snapasset.errors import Unavailable
from tests.fakes.supabase import running_supabase
from tests.fakes.supabase_auth import Mood, ec_key, rsa_key
from tests.server.service import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from tests.fakes.supabase_auth import FakeAuth

ILL: Final = [mood for mood in get_args(Mood) if mood not in ("well", "slow")]
EMPTY: Final = ("empty", "others")
"""What a project that signs with its older secret publishes, and one that has lost its keys."""


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def project() -> Generator[Any]:
    with running_supabase() as project:
        yield project


@pytest.fixture
def auth(project: Any) -> Generator[FakeAuth]:
    auth: FakeAuth = project.auth
    auth.keys, auth.mood, auth.asked = [ec_key("first")], "well", 0
    yield auth
    auth.mood = "well"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def keys(auth: FakeAuth, clock: Clock) -> AsyncGenerator[SigningKeys]:
    async with httpx.AsyncClient() as http:
        keys = SigningKeys(http, f"{auth.issuer}/.well-known/jwks.json", Pauses(answer=0.5), clock)
        yield keys
        await keys.close()


async def test_a_key_is_asked_for_once_however_many_wait(auth: FakeAuth, keys: SigningKeys) -> None:
    found = await asyncio.gather(*(keys.find("first", "ES256") for _ in range(50)))
    assert all(key is not None and key is found[0] for key in found)
    await keys.find("first", "ES256")
    assert auth.asked == 1


async def test_there_is_never_more_than_one_look_at_a_time(auth: FakeAuth, clock: Clock) -> None:
    auth.mood = "slow"
    async with httpx.AsyncClient() as http:
        keys = SigningKeys(http, f"{auth.issuer}/.well-known/jwks.json", Pauses(fresh=0, unknown=0, failed=0), clock)
        asking = [asyncio.create_task(keys.find(f"any-{number}", "ES256")) for number in range(50)]
        await wait_until(lambda: auth.asked > 0)
        auth.mood = "well"
        assert await asyncio.gather(*asking) == [None] * 50
    assert auth.asked == 1


async def test_a_key_fits_its_own_algorithm_only(auth: FakeAuth, keys: SigningKeys) -> None:
    auth.keys.append(rsa_key("second"))
    assert await keys.find("second", "RS256") is not None
    for kid, algorithm in (("first", "RS256"), ("second", "ES256"), ("first", "HS256"), ("second", "RS512")):
        assert await keys.find(kid, algorithm) is None


async def test_who_leaves_takes_nobodys_look_along(auth: FakeAuth, keys: SigningKeys) -> None:
    auth.mood = "slow"
    leaving = asyncio.create_task(keys.find("first", "ES256"))
    staying = asyncio.create_task(keys.find("first", "ES256"))
    await wait_until(lambda: auth.asked == 1)
    leaving.cancel()
    auth.mood = "well"
    assert await staying is not None
    assert auth.asked == 1


async def test_forged_names_lead_to_one_look_a_minute(auth: FakeAuth, keys: SigningKeys, clock: Clock) -> None:
    await keys.find("first", "ES256")
    for kid in ("../../admin", "http://evil.example/jwks.json", "", "\0", "x" * 5_000):
        assert await keys.find(kid, "ES256") is None
    assert auth.asked == 1
    clock.now += 60
    assert await asyncio.gather(*(keys.find(f"forged-{n}", "ES256") for n in range(50))) == [None] * 50
    assert auth.asked == 2
    clock.now += 59
    await keys.find("forged", "ES256")
    assert auth.asked == 2


async def test_a_new_key_is_found_and_an_old_one_is_let_go(auth: FakeAuth, keys: SigningKeys, clock: Clock) -> None:
    await keys.find("first", "ES256")
    auth.keys.append(ec_key("second"))
    clock.now += 60
    assert await keys.find("second", "ES256") is not None
    auth.keys = auth.keys[1:]
    clock.now += 599
    assert await keys.find("first", "ES256") is not None, "they are believed for ten minutes"
    clock.now += 1
    assert await keys.find("first", "ES256") is None
    assert await keys.find("second", "ES256") is not None
    assert auth.asked == 3


@pytest.mark.parametrize("mood", ILL)
async def test_without_any_key_nobody_is_let_in_until_there_is_one(
    auth: FakeAuth, keys: SigningKeys, clock: Clock, mood: Mood
) -> None:
    auth.mood = mood
    for _ in range(3):
        with pytest.raises(Unavailable):
            await keys.find("first", "ES256")
    assert auth.asked == 1, "it is left alone for a moment"
    status, why = keys.standing()
    assert (status, "SUPABASE_URL" in (why or "")) == ("unknown" if mood in EMPTY else "down", True)
    auth.mood = "well"
    clock.now += 5
    assert await keys.find("first", "ES256") is not None
    assert keys.standing() == ("ok", None)


@pytest.mark.parametrize("mood", ILL)
async def test_known_keys_outlive_an_outage_of_a_day_and_no_more(
    auth: FakeAuth, keys: SigningKeys, clock: Clock, mood: Mood
) -> None:
    await keys.find("first", "ES256")
    auth.mood = mood
    for hours in (1, 12, 24):
        clock.now = 1000 + 3600 * hours
        assert await keys.find("first", "ES256") is not None
        with pytest.raises(Unavailable):  # it may be good: nobody can tell
            await keys.find("unknown", "ES256")
    clock.now += 1
    with pytest.raises(Unavailable):
        await keys.find("first", "ES256")


async def test_a_slow_issuer_is_waited_for_once_and_not_for_long(
    auth: FakeAuth, keys: SigningKeys, clock: Clock
) -> None:
    await keys.find("first", "ES256")
    auth.mood = "slow"
    clock.now += 600
    assert await keys.find("first", "ES256") is not None
    assert auth.asked == 2
    clock.now += 5
    slow = asyncio.create_task(keys.find("unknown", "ES256"))
    await wait_until(lambda: auth.asked == 3)
    assert await keys.find("first", "ES256") is not None
    assert not slow.done(), "who has a known key does not wait for another's"
    with pytest.raises(Unavailable):
        await slow


async def test_an_issuer_that_is_not_there(keys: SigningKeys, clock: Clock) -> None:
    async with httpx.AsyncClient() as http:
        for address in ("http://127.0.0.1:1/jwks.json", "http://[", "gopher://x", "https://no-such-host.invalid/"):
            nowhere = SigningKeys(http, address, Pauses(answer=2), clock)
            with pytest.raises(Unavailable):
                await nowhere.find("first", "ES256")


async def test_what_is_no_key_for_us_is_passed_over(auth: FakeAuth, keys: SigningKeys) -> None:
    good, other = auth.keys[0], ec_key("other")
    jwks: list[Any] = [
        None,
        17,
        {**other.jwk, "kid": 17},
        {**other.jwk, "kid": ""},
        {**other.jwk, "kid": "k" * 201},
        {**other.jwk, "kid": "encrypts", "use": "enc"},
        {**other.jwk, "kid": "signs", "key_ops": ["sign"]},
        {**other.jwk, "kid": "ops", "key_ops": "verify"},
        {**other.jwk, "kid": "alg", "alg": "RS256"},
        {**other.jwk, "kid": "none", "alg": "none"},
        {**other.jwk, "kid": "kind", "kty": ["EC"]},
        {**other.jwk, "kid": "point", "x": other.jwk["y"]},
        {**other.jwk, "kid": "text", "x": 5},
        {"kid": "empty", "kty": "EC", "crv": "P-256"},
        {"kid": "secret", "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "alg": "HS256"},
        {**ec_key("curve", ec.SECP384R1()).jwk, "alg": "ES256"},
        rsa_key("short", 1024).jwk,
        {**other.jwk, "kid": "first"},
        {**other.jwk, "d": "AAAA"},
    ]
    auth.keys += [good._replace(jwk=jwk) for jwk in jwks]
    assert await keys.find("first", "ES256") is not None
    for kid in (
        "encrypts",
        "signs",
        "ops",
        "alg",
        "none",
        "kind",
        "point",
        "text",
        "empty",
        "secret",
        "curve",
        "short",
    ):
        for algorithm in ("ES256", "RS256", "HS256"):
            assert await keys.find(kid, algorithm) is None, kid
    found = await keys.find("other", "ES256")
    assert found is not None
    assert not hasattr(found.key, "private_numbers")


async def test_of_many_keys_the_first_are_kept(auth: FakeAuth, keys: SigningKeys) -> None:
    jwk = auth.keys[0].jwk
    auth.keys = [auth.keys[0]._replace(jwk={**jwk, "kid": f"k{number}"}) for number in range(100)]
    assert await keys.find("k31", "ES256") is not None
    assert await keys.find("k32", "ES256") is None


async def test_a_project_without_such_keys_is_told_from_one_that_is_away(
    auth: FakeAuth, keys: SigningKeys, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert keys.standing() == ("unknown", None)
    auth.mood = "empty"
    with pytest.raises(Unavailable):
        await keys.find("first", "ES256")
    assert keys.standing() == ("unknown", "SUPABASE_URL publishes no signing keys.")
    assert not caplog.records, "which is as it should be where the older secret is used"
    auth.mood = "well"
    clock.now += 5
    assert await keys.find("first", "ES256") is not None


async def test_an_outage_is_told_once(
    auth: FakeAuth, keys: SigningKeys, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="server.signing_keys")
    for mood in ("well", "empty", "down", "page", "wrong", "others", "well", "well"):
        auth.mood = mood
        clock.now += 60
        with contextlib.suppress(Unavailable):
            await keys.find("another", "ES256")
    assert [record.getMessage() for record in caplog.records] == [
        "the keys of users' tokens cannot be fetched",
        "the keys of users' tokens can be fetched again",
    ]
