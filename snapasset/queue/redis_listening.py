"""SAQ's news of jobs in Redis, for whoever listens to a queue: nothing of ours does, and who does shall do no harm."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from saq.queue.redis import PubSubMultiplexer

from snapasset.queue.redis_address import FAILURES

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LISTEN_SECONDS: Final = 5.0
_AFTER_FAILURE_SECONDS: Final = 1.0


class CalmMultiplexer(PubSubMultiplexer):
    """SAQ's own, when Redis fails, asks again without a pause: a whole core, and thousands of lines of log a second.

    It also lets two readers use one connection for a moment, and connects once more in order to be closed.
    """

    def __init__(self, client: Redis, prefix: str) -> None:
        self._listening: Any = client
        super().__init__(self._listening.pubsub(), prefix)

    async def _start(self) -> None:
        while True:
            try:
                async with self._listening.pubsub() as pubsub:
                    await pubsub.psubscribe(f"{self.prefix}*")
                    while True:
                        message = await pubsub.get_message(timeout=_LISTEN_SECONDS)
                        if message and message["type"] == "pmessage":
                            message["channel"] = message["channel"].decode()
                            self.publish(message["channel"], message)
            except FAILURES:
                await asyncio.sleep(_AFTER_FAILURE_SECONDS)

    async def close(self) -> None:
        daemon = cast("asyncio.Task[None] | None", self._daemon_task)  # pyright: ignore[reportUnknownMemberType]
        await super().close()
        if daemon is not None:
            await asyncio.wait([daemon])

    async def _close(self) -> None:
        """Nothing is left: what listened has closed its connection."""
