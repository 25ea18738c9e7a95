"""The one connection of a process on which Redis tells it news: kept up, and made anew whenever it breaks.

Invariant: of each channel that is wanted, either it is subscribed to on the connection that is open now, or `on_gap` will
be called for it once it is. A connection that stays silent, even when asked, counts as broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import TimeoutError as RedisTimeout

from snapasset.queue.redis_address import FAILURES, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from redis.asyncio.connection import Connection

    from snapasset.queue.redis_address import RedisAddress

log = logging.getLogger(__name__)

_SILENCE_SECONDS: Final = 2.0
_CONFIRM_SECONDS: Final = 1.0
_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_CHANNELS_AT_ONCE: Final = 500


class Listener:
    """Subscriptions of one process. `run` does the work, as long as it runs."""

    def __init__(
        self, address: RedisAddress, on_message: Callable[[str, bytes], None], on_gap: Callable[[str], None]
    ) -> None:
        """`on_gap` is told each channel that was wanted for a while without being heard."""
        self._address = address
        self._on_message = on_message
        self._on_gap = on_gap
        self._wanted: set[str] = set()
        self._heard: set[str] = set()
        self._left: set[str] = set()
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._connection: Connection | None = None
        self._sending = asyncio.Lock()
        self._told = False

    async def want(self, channel: str) -> None:
        """Hear a channel. When this returns it is heard, or Redis is away and there will be a gap."""
        self._wanted.add(channel)
        self._left.discard(channel)
        if self._connection is None or channel in self._heard:
            return
        with contextlib.suppress(*FAILURES):
            async with asyncio.timeout(_CONFIRM_SECONDS):
                confirmed = self._asked.get(channel)
                if confirmed is None:
                    confirmed = self._asked[channel] = asyncio.get_running_loop().create_future()
                    await self._send(self._connection, "SUBSCRIBE", [channel])
                await asyncio.shield(confirmed)

    def leave(self, channel: str) -> None:
        """Hear it no more; Redis is told a little later."""
        self._wanted.discard(channel)
        self._left.add(channel)

    async def run(self) -> None:
        """Listen for ever."""
        pause = _SHORTEST_PAUSE
        while True:
            try:
                async with self._address.connection() as connection:
                    await self._resume(connection)
                    pause = _SHORTEST_PAUSE
                    await self._listen(connection)
            except FAILURES as error:
                self._tell(f"no news comes from Redis for now: {reason(error)}")
            finally:
                self._forget()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  spreads the processes
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def _resume(self, connection: Connection) -> None:
        self._connection = connection
        self._left.clear()
        channels = sorted(self._wanted)
        for start in range(0, len(channels), _CHANNELS_AT_ONCE):
            await self._send(connection, "SUBSCRIBE", channels[start : start + _CHANNELS_AT_ONCE])

    async def _listen(self, connection: Connection) -> None:
        asked = False
        while True:
            answer: object = await cast("Any", connection).read_response(
                timeout=_SILENCE_SECONDS, disconnect_on_error=False
            )
            if answer is None and asked:
                raise RedisTimeout
            if answer is None:
                await self._send(connection, "PING", [])
            asked = answer is None
            if isinstance(answer, list):
                self._take(cast("list[Any]", answer))
            if self._told:
                self._told = False
                log.debug("news comes from Redis again")
            if self._left:
                left, self._left = self._left, set()
                self._heard -= left
                await self._send(connection, "UNSUBSCRIBE", sorted(left))

    def _take(self, answer: list[Any]) -> None:
        match answer:
            case [b"message", bytes(channel), bytes(data)]:
                self._on_message(channel.decode(), data)
            case [b"subscribe", bytes(name), _]:
                channel = name.decode()
                self._heard.add(channel)
                confirmed = self._asked.pop(channel, None)
                if confirmed is None:
                    self._on_gap(channel)
                elif not confirmed.done():
                    confirmed.set_result(None)
            case _:
                pass

    async def _send(self, connection: Connection, word: str, channels: Sequence[str]) -> None:
        async with self._sending:
            await connection.send_command(word, *channels, check_health=False)

    def _forget(self) -> None:
        self._connection = None
        self._heard.clear()
        for confirmed in self._asked.values():
            if not confirmed.done():
                confirmed.set_result(None)  # cancelled, it would cancel those who wait: streams and jobs
        self._asked.clear()

    def _tell(self, words: str) -> None:
        if not self._told:
            self._told = True
            log.debug(words)
