"""The one connection of a process on which Redis tells it news: kept up, and made anew whenever it breaks.

Invariant: of each channel that is wanted, either it is subscribed to on the connection that is open now, or `on_gap` will
be called for it once it is. A connection that stays silent, even when asked, counts as broken.

Nobody but `tell` and `run` sends: redis-py closes a connection when whoever sends on it is cancelled, and those who
want a channel come and go.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout

from snapasset.queue.redis_address import FAILURES, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from redis.asyncio.connection import Connection

    from snapasset.queue.redis_address import RedisAddress

log = logging.getLogger(__name__)

_SILENCE_SECONDS: Final = 2.0
_CONFIRM_SECONDS: Final = 1.0
_SHORTEST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 1.0
_CHANNELS_AT_ONCE: Final = 500


class Listener:
    """Subscriptions of one process. `run` and `tell` do the work, as long as they run."""

    def __init__(
        self, address: RedisAddress, on_message: Callable[[str, bytes], None], on_gap: Callable[[str], None]
    ) -> None:
        """`on_gap` is told each channel that was wanted for a while without being heard."""
        self._address = address
        self._on_message = on_message
        self._on_gap = on_gap
        self._wanted: set[str] = set()
        self._asked: dict[str, asyncio.Future[None]] = {}
        """Who waits to hear a channel."""
        self._changed: set[str] = set()
        self._change = asyncio.Event()
        self._connection: Connection | None = None
        self._subscribed: set[str] = set()
        """What Redis was told last on this connection; whether it has done so is another matter."""
        self._unanswered: Counter[str] = Counter()
        self._heard: set[str] = set()
        self._sending = asyncio.Lock()
        self._told = False
        self._answers = False

    async def want(self, channel: str) -> None:
        """Hear a channel. When this returns it is heard, or Redis is away and there will be a gap."""
        self._wanted.add(channel)
        if self._connection is None or channel in self._heard:
            return
        confirmed = self._asked.get(channel)
        if confirmed is None:
            confirmed = self._asked[channel] = asyncio.get_running_loop().create_future()
            self._note((channel,))
        try:
            async with asyncio.timeout(_CONFIRM_SECONDS):
                await asyncio.shield(confirmed)
        except TimeoutError:
            self._asked.pop(channel, None)  # once it is heard after all, that was a gap

    def leave(self, channel: str) -> None:
        """Hear it no more; Redis is told a little later."""
        self._wanted.discard(channel)
        self._confirm(channel)
        self._note((channel,))

    async def run(self) -> None:
        """Listen for ever."""
        pause = _SHORTEST_PAUSE
        while True:
            self._answers = False
            try:
                async with self._address.connection() as connection:
                    await self._use(connection)
            except FAILURES as error:
                self._complain(f"no news comes from Redis for now: {reason(error)}")
            if self._answers:  # to be connected proves nothing
                pause = _SHORTEST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  spreads the processes
            pause = min(_LONGEST_PAUSE, pause * 2)

    async def tell(self) -> None:
        """Tell Redis what is wanted, for ever."""
        while True:
            await self._change.wait()
            self._change.clear()
            changed, self._changed = self._changed, set()
            connection = self._connection
            if connection is not None:
                with suppress(*FAILURES):  # then `run` finds it broken
                    await self._ask(connection, changed)

    async def _ask(self, connection: Connection, changed: set[str]) -> None:
        came = (changed & self._wanted) - self._subscribed
        left = (changed & self._subscribed) - self._wanted
        self._subscribed |= came
        self._subscribed -= left
        self._heard -= left
        self._unanswered.update((*came, *left))
        for word, channels in (("SUBSCRIBE", sorted(came)), ("UNSUBSCRIBE", sorted(left))):
            for start in range(0, len(channels), _CHANNELS_AT_ONCE):
                await self._send(connection, word, channels[start : start + _CHANNELS_AT_ONCE])

    async def _use(self, connection: Connection) -> None:
        self._connection = connection
        self._note(self._wanted)
        try:
            await self._listen(connection)
        finally:
            self._forget()

    async def _listen(self, connection: Connection) -> None:
        asked = False
        while True:
            answer: object = await cast("Any", connection).read_response(
                timeout=_SILENCE_SECONDS, disconnect_on_error=False
            )
            if answer is None and asked:
                raise RedisTimeout
            if answer is None:
                await self._send(connection, "PING")
            asked = answer is None
            self._answers |= not asked
            if isinstance(answer, list):
                self._take(cast("list[Any]", answer))
            if self._told:
                self._told = False
                log.debug("news comes from Redis again")

    def _take(self, answer: list[Any]) -> None:
        match answer:
            case [b"message", bytes(channel), bytes(data)]:
                self._on_message(channel.decode(), data)
            case [b"subscribe" | b"unsubscribe", bytes(name), _]:
                self._answered(name.decode())
            case _:
                pass

    def _answered(self, channel: str) -> None:
        """Redis has done as it was told; what it was told last counts."""
        self._unanswered[channel] -= 1
        if self._unanswered[channel] > 0:
            return
        del self._unanswered[channel]
        if channel in self._subscribed:
            self._heard.add(channel)
            if not self._confirm(channel):
                self._on_gap(channel)

    def _confirm(self, channel: str) -> bool:
        """Have nobody wait for a channel any more; whether anybody did."""
        confirmed = self._asked.pop(channel, None)
        if confirmed is not None and not confirmed.done():
            confirmed.set_result(None)
        return confirmed is not None

    async def _send(self, connection: Connection, word: str, channels: Sequence[str] = ()) -> None:
        async with self._sending:
            if connection is not self._connection or not connection.is_connected:
                raise RedisConnectionError("the connection has gone")  # redis-py would open another, which nobody reads
            await connection.send_command(word, *channels, check_health=False)

    def _note(self, channels: Iterable[str]) -> None:
        """Have Redis told what is wanted of these."""
        self._changed.update(channels)
        self._change.set()

    def _forget(self) -> None:
        self._connection = None
        self._subscribed.clear()
        self._unanswered.clear()
        self._heard.clear()
        for channel in tuple(self._asked):
            self._confirm(channel)

    def _complain(self, words: str) -> None:
        if not self._told:
            self._told = True
            log.debug(words)
