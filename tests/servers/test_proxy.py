"""The proxy of the tests ends as quietly as it works: what it would log hides what the tests are about."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from tests.servers.proxy import Proxy, proxied

if TYPE_CHECKING:
    from collections.abc import Callable


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionResetError):
        while chunk := await reader.read(100):
            writer.write(chunk)
    writer.close()


@pytest.mark.parametrize("harm", [Proxy.let_through, Proxy.swallow, Proxy.reset, Proxy.refuse])
async def test_it_closes_without_a_word_whatever_it_did_to_its_links(
    caplog: pytest.LogCaptureFixture, harm: Callable[[Proxy], None]
) -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with asyncio.timeout(10), server, proxied(port) as proxy:
        ways = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(3)]
        for reader, writer in ways:
            writer.write(b"there")
            assert await reader.readexactly(5) == b"there"
        harm(proxy)
    for _reader, writer in ways:
        writer.transport.abort()
    await asyncio.sleep(0)
    assert [line.getMessage() for line in caplog.records] == []
