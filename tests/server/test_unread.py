"""Whoever takes nothing is cut, whatever waits for it; whoever takes slowly is not."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, cast

import pytest

from server.unread import Watch
from tests.server.service import Service, opened, serving, settings_for, wait_until
from tests.server.test_stream_sockets import HEAD, big_events, small_socket

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from server.protocol import GuardedProtocol
    from tests.server.service import Serving

NEXT = f"GET /openapi.json HTTP/1.1\r\n{HEAD}\r\n"


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncGenerator[tuple[Service, Serving]]:
    async with opened(settings_for(tmp_path, stream_frozen_seconds=0.3)) as service, serving(service) as server:
        yield service, server


def connections(server: Serving) -> list[GuardedProtocol]:
    return [cast("GuardedProtocol", connection) for connection in server.server_state.connections]


def unread(server: Serving) -> list[GuardedProtocol]:
    """Those for which something waits."""
    return [it for it in connections(server) if it.transport.get_write_buffer_size()]


@pytest.mark.parametrize(
    "last",
    [NEXT, NEXT[:-2] + "connection: close\r\n\r\n", NEXT.replace("1.1", "1.0")],
    ids=["kept alive", "to be closed", "of an old client"],
)
async def test_answers_that_nobody_reads(quick: tuple[Service, Serving], last: str) -> None:
    _, server = quick
    async with small_socket(server.port, NEXT * 4 + last):
        await wait_until(lambda: bool(unread(server)))
        await wait_until(lambda: not connections(server))


@pytest.mark.parametrize("behind", ["", NEXT], ids=["nothing behind", "a request behind"])
async def test_the_rest_of_a_stream_that_has_ended(quick: tuple[Service, Serving], behind: str) -> None:
    service, server = quick
    job_id = await service.submit()
    job = await service.claim()
    await big_events(service, job, 30)
    await service.complete(job)
    rests: set[int] = set()

    def ended() -> bool:
        left = unread(server)
        rests.update(it.transport.get_write_buffer_size() for it in left if it.listener is None and not behind)
        return service.state["hub"].readers == 0 and not left

    # What the system takes is not known exactly: of these readers some need a little more than that.
    path = f"/api/jobs/{job_id}/events?after="
    frozen = [small_socket(server.port, f"GET {path}{seq} HTTP/1.1\r\n{HEAD}\r\n{behind}") for seq in range(2, 62, 2)]
    for one in frozen:
        await one.__aenter__()
    await wait_until(lambda: bool(unread(server)))
    await wait_until(ended)
    assert behind or any(rest < 65_536 for rest in rests), "no stream ended with a rest that does not fill a socket"
    for one in frozen:
        await one.__aexit__(None, None, None)


async def test_a_socket_takes_little_more_than_it_can_send(quick: tuple[Service, Serving]) -> None:
    _, server = quick
    async with small_socket(server.port, ""):
        await wait_until(lambda: bool(connections(server)))
        accepted = connections(server)[0].transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 131_072


class Hand:
    """A connection of a test's, and its transport and socket in one."""

    def __init__(self) -> None:
        self.transport: Any = self
        self.acked, self.step, self.size, self.looks, self.cuts = 1, 0, 100, 0, 0

    def get_write_buffer_size(self) -> int:
        return self.size

    def get_extra_info(self, _name: str) -> Hand:
        return self

    def getsockopt(self, *_which: int) -> bytes:
        self.looks += 1
        self.acked += self.step
        return bytes(120) + struct.pack("=Q", self.acked)

    def cut(self) -> None:
        self.cuts += 1


@pytest.mark.skipif(sys.platform != "linux", reason="nobody counts there what has been taken")
async def test_a_byte_now_and_then_is_enough() -> None:
    hand, others = Hand(), [Hand() for _ in range(1_200)]
    hand.step, hand.size = 1, 1_000_000
    watch = Watch([hand, *others], 0.004)
    watch.begin()
    await wait_until(lambda: hand.looks > 20)
    assert hand.cuts == 0
    assert all(other.cuts for other in others), "who takes nothing is cut beside who takes a little"
    hand.step = 0
    await wait_until(lambda: hand.cuts > 0)


async def test_where_nobody_counts_what_has_left_counts() -> None:
    hand = Hand()
    hand.getsockopt = lambda *_which: b""  # type: ignore[method-assign]
    watch = Watch([hand], 0.004)
    watch.begin()
    for size in range(99, 79, -1):
        hand.size = size
        await asyncio.sleep(0)
    assert hand.cuts == 0
    await wait_until(lambda: hand.cuts > 0)


async def test_who_has_nothing_waiting_is_left_alone_and_the_watch_ends_with_the_last() -> None:
    hand, there = Hand(), set[Any]()
    hand.size = 0
    there.add(hand)
    watch = Watch(there, 0.004)
    watch.begin()
    asked = 0

    def count() -> int:
        nonlocal asked
        asked += 1
        return 0

    hand.get_write_buffer_size = count  # type: ignore[method-assign]
    await wait_until(lambda: asked > 10)
    assert hand.cuts == 0
    there.clear()
    hand.size = 5
    watch.forget(hand)
    watch.begin()
    await wait_until(lambda: not watch._running)  # pyright: ignore[reportPrivateUsage]
