"""Where Redis is, how it is talked to, and what is said when it cannot be used."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import BadConfiguration, QueueUnavailable
from snapasset.queue.redis import RedisRings
from snapasset.queue.redis_address import RedisAddress
from snapasset.queue.redis_probe import OWNER_KEY, OtherRecord, RedisProbe
from snapasset.settings import Settings
from tests.servers.free_port import free_port
from tests.servers.proxy import proxied
from tests.servers.redis import running_redis

if TYPE_CHECKING:
    from pathlib import Path

    from tests.servers.redis import RedisServer

SECRET = "correct-horse"


class TestUrl:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("redis://here", RedisAddress("here")),
            ("redis://here:7000/3", RedisAddress("here", 7000, database=3)),
            ("redis://:p%40ss@here/", RedisAddress("here", password="p@ss")),
            ("rediss://user:pass@here:6380", RedisAddress("here", 6380, username="user", password="pass", tls=True)),
            ("redis://[::1]:7000", RedisAddress("::1", 7000)),
            ("unix:///run/redis.sock", RedisAddress(socket="/run/redis.sock")),
            ("unix:///run/redis.sock?db=3", RedisAddress(socket="/run/redis.sock", database=3)),
        ],
    )
    def test_it_is_read(self, url: str, address: RedisAddress) -> None:
        assert RedisAddress.from_url(url) == address

    @pytest.mark.parametrize(
        "url",
        ["", "here:6379", "http://:{}@here", "redis://:{}@", "redis://:{}@here:port", "redis://:{}@here:70000",
         "redis://:{}@here/one", "redis://:{}@here/-1", "redis://:{}@[::1", "unix://",
         "unix:///path?db=x", "unix:///path?db=-1", "unix:///path?tls=1", "rediss://:{}@here?ssl_cert_reqs=none"],
    )  # fmt: skip
    def test_another_is_refused_by_the_name_of_the_variable_and_never_shown(self, url: str) -> None:
        with pytest.raises(BadConfiguration, match="REDIS_URL") as refused:
            RedisAddress.from_url(url.format(SECRET))
        assert SECRET not in str(refused.value)
        assert refused.value.__suppress_context__

    def test_no_password_is_shown(self) -> None:
        assert SECRET not in repr(RedisAddress.from_url(f"redis://:{SECRET}@here"))


class TestProbe:
    async def test_one_that_takes_writes_is_fine_and_is_left_as_it_was(self, redis_server: RedisServer) -> None:
        asked = RedisProbe(redis_server.address, "r")
        await asked.ask(2)
        assert 0 < redis_server.command("TTL", OWNER_KEY) <= 30
        await asked.leave()

    async def test_one_that_is_full_is_not(self) -> None:
        with running_redis() as server:
            server.fill()
            await refused(server.address, "out of memory")
            server.empty()
            await probe(server.address)

    async def test_one_that_follows_another_is_not(self) -> None:
        with running_redis() as server:
            server.follow_nobody()
            await refused(server.address, "read-only")
            server.lead()
            await probe(server.address)

    @pytest.mark.parametrize("password", [None, "wrong"])
    async def test_the_wrong_password_is_named_and_not_shown(self, password: str | None) -> None:
        with running_redis(password=SECRET) as server:
            await probe(server.address)
            address = RedisAddress("127.0.0.1", server.port, password=password)
            await refused(address, "REDIS_PASSWORD" if password else "Redis refuses")

    async def test_a_number_that_it_does_not_have_is_named(self, redis_server: RedisServer) -> None:
        await refused(RedisAddress("127.0.0.1", redis_server.port, database=999), "REDIS_DB")

    async def test_nobody_there_is_not(self) -> None:
        await refused(RedisAddress("127.0.0.1", free_port()), "cannot be reached")

    async def test_silence_ends_within_the_time_that_was_given(self, redis_server: RedisServer) -> None:
        async with proxied(redis_server.port) as proxy, asyncio.timeout(5):
            proxy.swallow()
            await refused(RedisAddress("127.0.0.1", proxy.port), "in time", seconds=0.1)

    async def test_what_is_no_redis_is_not(self) -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            await refused(RedisAddress("127.0.0.1", server.sockets[0].getsockname()[1]), "Redis")


class TestOwner:
    async def test_while_one_record_uses_it_no_other_does(self) -> None:
        with running_redis() as server:
            first, second = RedisProbe(server.address, "r-1"), RedisProbe(server.address, "r-1")
            other = RedisProbe(server.address, "r-2")
            await first.ask(2)
            await second.ask(2)
            for _ in range(2):
                with pytest.raises(OtherRecord, match="REDIS_URL"):
                    await other.ask(2)
            await first.leave()
            with pytest.raises(OtherRecord):
                await other.ask(2)  # in the moment before the second says so again
            await second.ask(2)
            assert server.command("TTL", OWNER_KEY) > 2
            await second.leave()
            assert server.command("TTL", OWNER_KEY) <= 2
            server.command("PEXPIRE", OWNER_KEY, "1")
            await asyncio.sleep(0.01)
            await other.ask(2)
            await other.leave()

    async def test_it_is_forgotten_by_itself_when_all_have_died(self) -> None:
        with running_redis() as server:
            dead = RedisProbe(server.address, "r-1")
            await dead.ask(2)
            server.command("PEXPIRE", OWNER_KEY, "1")
            await asyncio.sleep(0.01)
            await probe(server.address, record_id="r-2")
            await dead.leave()

    async def test_after_it_was_emptied_whoever_comes_first_has_it(self) -> None:
        with running_redis() as server:
            mine = RedisProbe(server.address, "r-1")
            await mine.ask(2)
            server.command("FLUSHALL")
            await mine.ask(2)
            assert server.command("GET", OWNER_KEY) == b"r-1"
            await mine.leave()


class TestSettings:
    def test_without_any_there_is_no_redis(self) -> None:
        assert RedisAddress.from_settings(Settings()) is None

    def test_an_address_counts_before_a_host(self) -> None:
        settings = settings_of(redis_url="redis://here", redis_host="elsewhere")
        assert RedisAddress.from_settings(settings) == RedisAddress("here")

    def test_a_host_and_its_kin(self) -> None:
        settings = settings_of(
            redis_host="here", redis_port=7000, redis_username="u", redis_password=SECRET, redis_db=2, redis_tls=True
        )
        wanted = RedisAddress("here", 7000, username="u", password=SECRET, database=2, tls=True)
        assert RedisAddress.from_settings(settings) == wanted

    @pytest.mark.parametrize("lonely", [{"redis_password": SECRET}, {"redis_port": 7000}, {"redis_tls": True}])
    def test_what_goes_with_a_host_is_nothing_without_one(self, lonely: dict[str, object]) -> None:
        with pytest.raises(BadConfiguration, match="REDIS_HOST is missing") as refused:
            RedisAddress.from_settings(settings_of(**lonely))
        assert SECRET not in str(refused.value)

    def test_certificates_that_are_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(BadConfiguration, match="REDIS_CA_FILE"):
            RedisAddress.from_settings(settings_of(redis_url="rediss://here", redis_ca_file=tmp_path / "none"))


def settings_of(**given: object) -> Settings:
    return Settings.model_validate(given)


class TestTls:
    async def test_certificates_are_verified(self, redis_server: RedisServer, tmp_path: Path) -> None:
        pem = certificate(tmp_path, "IP:127.0.0.1")
        async with proxied(redis_server.port, pem) as proxy:
            url = f"rediss://127.0.0.1:{proxy.port}"
            await probe(RedisAddress.from_url(url, ca_file=pem))
            await refused(RedisAddress.from_url(url), "REDIS_CA_FILE")
            await refused(RedisAddress.from_url(url.replace("rediss", "redis")), "Redis")

    async def test_and_so_is_the_name(self, redis_server: RedisServer, tmp_path: Path) -> None:
        pem = certificate(tmp_path, "DNS:elsewhere.example")
        async with proxied(redis_server.port, pem) as proxy:
            await refused(RedisAddress.from_url(f"rediss://127.0.0.1:{proxy.port}", ca_file=pem), "certificate")


class TestHasty:
    async def test_the_api_fails_fast(self, redis_server: RedisServer) -> None:
        async with proxied(redis_server.port) as proxy:
            queue = RedisRings.for_api("default", "r", RedisAddress("127.0.0.1", proxy.port))
            assert await queue.count("queued") == 0
            proxy.swallow()
            async with asyncio.timeout(5):
                with pytest.raises(Exception, match="Timeout"):
                    await queue.enqueue("ring")
            proxy.let_through()
            assert await queue.enqueue("ring") is not None
            await queue.disconnect()

    async def test_a_connection_that_was_reset_is_made_anew(self, redis_server: RedisServer) -> None:
        async with proxied(redis_server.port) as proxy:
            queue = RedisRings.for_api("other", "r", RedisAddress("127.0.0.1", proxy.port))
            await queue.count("queued")
            proxy.reset()
            assert await queue.enqueue("ring") is not None
            await queue.disconnect()


async def test_whoever_is_told_to_stop_stops_at_whatever_moment(redis_server: RedisServer) -> None:
    client: Any = redis_server.address.idle()
    for moments in range(60):
        waiting = asyncio.create_task(client.blmove("nothing", "nowhere", 0, "LEFT", "RIGHT"))
        for _ in range(moments):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=5)
        assert waiting.cancelled(), f"not after {moments} turns of the loop"
    await client.aclose()


async def probe(address: RedisAddress, seconds: float = 2.0, record_id: str = "r") -> None:
    asked = RedisProbe(address, record_id)
    try:
        await asked.ask(seconds)
    finally:
        await asked.leave()


async def refused(address: RedisAddress, words: str, seconds: float = 2.0) -> None:
    with pytest.raises(QueueUnavailable, match=words) as error:
        await probe(address, seconds)
    assert SECRET not in str(error.value)


def certificate(folder: Path, name: str) -> Path:
    """A key and a certificate of its own, in one file."""
    pem, key = folder / "redis.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=redis"]
    subprocess.run(
        [*words, "-addext", f"subjectAltName={name}", "-keyout", key, "-out", pem], check=True, capture_output=True
    )
    pem.write_text(key.read_text("utf-8") + pem.read_text("utf-8"), "utf-8")
    return pem
