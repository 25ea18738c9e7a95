"""Where Redis is, how it is talked to, and what is said when it cannot be used."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from snapasset.errors import BadConfiguration, QueueUnavailable
from snapasset.queue.redis import RedisRings
from snapasset.queue.redis_address import RedisAddress
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
        ],
    )
    def test_it_is_read(self, url: str, address: RedisAddress) -> None:
        assert RedisAddress.from_url(url) == address

    @pytest.mark.parametrize(
        "url",
        ["", "here:6379", "http://:{}@here", "redis://:{}@", "redis://:{}@here:port", "redis://:{}@here:70000",
         "redis://:{}@here/one", "redis://:{}@here/-1", "redis://:{}@[::1", "unix://"],
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
        await redis_server.address.probe("t")
        assert redis_server.command("TTL", "t:probe") > 0

    async def test_one_that_is_full_is_not(self) -> None:
        with running_redis() as server:
            server.fill()
            await refused(server.address, "out of memory")
            server.empty()
            await server.address.probe("t")

    async def test_one_that_follows_another_is_not(self) -> None:
        with running_redis() as server:
            server.follow_nobody()
            await refused(server.address, "read-only")
            server.lead()
            await server.address.probe("t")

    @pytest.mark.parametrize("password", [None, "wrong"])
    async def test_the_wrong_password_is_named_and_not_shown(self, password: str | None) -> None:
        with running_redis(password=SECRET) as server:
            await server.address.probe("t")
            address = RedisAddress("127.0.0.1", server.port, password=password)
            await refused(address, "REDIS_PASSWORD" if password else "Redis refuses")

    async def test_nobody_there_is_not(self) -> None:
        await refused(RedisAddress("127.0.0.1", free_port()), "cannot be reached")

    async def test_silence_ends_within_the_time_that_was_given(self, redis_server: RedisServer) -> None:
        async with proxied(redis_server.port) as proxy, asyncio.timeout(5):
            proxy.swallow()
            await refused(RedisAddress("127.0.0.1", proxy.port), "in time", seconds=0.3)

    async def test_what_is_no_redis_is_not(self) -> None:
        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            await refused(RedisAddress("127.0.0.1", server.sockets[0].getsockname()[1]), "Redis")


class TestTls:
    async def test_certificates_are_verified(self, redis_server: RedisServer, tmp_path: Path) -> None:
        pem = certificate(tmp_path, "IP:127.0.0.1")
        async with proxied(redis_server.port, pem) as proxy:
            url = f"rediss://127.0.0.1:{proxy.port}"
            await RedisAddress.from_url(url, ca_file=pem).probe("t")
            await refused(RedisAddress.from_url(url), "cannot be reached")
            await refused(RedisAddress.from_url(url.replace("rediss", "redis")), "Redis")

    async def test_and_so_is_the_name(self, redis_server: RedisServer, tmp_path: Path) -> None:
        pem = certificate(tmp_path, "DNS:elsewhere.example")
        async with proxied(redis_server.port, pem) as proxy:
            await refused(RedisAddress.from_url(f"rediss://127.0.0.1:{proxy.port}", ca_file=pem), "cannot be reached")


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


async def refused(address: RedisAddress, words: str, seconds: float = 2.0) -> None:
    with pytest.raises(QueueUnavailable, match=words) as error:
        await address.probe("t", seconds)
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
