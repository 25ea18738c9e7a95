"""Whether Redis can be used, asked again and again: by a small write, which also says whose Redis it is.

A ping would be answered by a server that is full, or by a replica, and neither takes a ring. Nor would that write show what
else its user may do: so Redis 7 and newer, and Valkey, are asked whether each command that carries rings and news would be
refused. What is written is the id of the record, under a name that all systems share. It is forgotten half a minute after the last of its processes has gone;
until then no process of another record uses this Redis: it would ring for workers that have none of its jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from snapasset.errors import BadConfiguration, QueueUnavailable
from snapasset.queue.redis_address import FAILURES, REFUSED, reason

if TYPE_CHECKING:
    from snapasset.queue.redis_address import RedisAddress

OWNER_KEY: Final = "snapasset:record"
OWNER_SECONDS: Final = 30

_PATIENCE_SECONDS: Final = 3.0
"""How long a question goes on though nobody waits for its answer any more: far away, over TLS, a connection takes six trips."""

_CLAIM: Final = """
if redis.acl_check_cmd then
    local refused = {}
    for _, words in ipairs(cjson.decode(ARGV[3])) do
        local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
        if not (known and allowed) then refused[#refused + 1] = words[1] end
    end
    if #refused > 0 then return refused end
end
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""
_LEAVE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end"
_LEFT_SECONDS: Final = 2
"""Longer than other processes of the record are silent: while one of them lives no other record can come in between."""


def _needed(record_id: str) -> str:
    """What rings and news are carried by, each with a key or a channel such as are used, as JSON."""
    key, channel = f"snapasset:{record_id}:any:job:any", f"snapasset:{record_id}:news:any"
    commands = [
        *([word, key] for word in ("del", "exists", "get", "llen", "mget")),
        *([word, channel] for word in ("subscribe", "unsubscribe")),
        *([word] for word in ("exec", "multi", "time")),
        ["blmove", key, key, "LEFT", "RIGHT", "1"],
        ["evalsha", "script", "1", key],
        ["expire", key, "1"],
        ["lrange", key, "0", "-1"],
        ["lrem", key, "0", "any"],
        ["publish", channel, "any"],
        ["rpush", key, "any"],
        ["script", "load", "script"],
        ["set", key, "any"],
        ["zadd", key, "0", "any"],
        ["zrange", key, "0", "-1"],
        ["zrem", key, "any"],
        ["zscore", key, "any"],
    ]
    return json.dumps(commands)


class OtherRecord(BadConfiguration, QueueUnavailable):
    """Redis serves another record."""

    sentence = (
        "REDIS_URL (or REDIS_HOST) names a Redis that serves another record: either this process is to use the same "
        "DATABASE_URL or DATA_DIR as the others there, or it needs a Redis, or a number of a database, of its own."
    )


class RedisProbe:
    """Asks one question at a time, on one connection, made anew after each failure. Close it after use."""

    def __init__(self, address: RedisAddress, record_id: str) -> None:
        self._address = address
        self._record_id = record_id
        self._needed = _needed(record_id)
        self._client: Any = None
        self._asking: asyncio.Task[bytes | list[bytes]] | None = None

    async def ask(self, seconds: float) -> None:
        """Return when Redis took a write, `seconds` from now at the latest.

        Raises `QueueUnavailable` with the reason; as `OtherRecord` when it is used for another record. A question that is
        late is not broken off, which would break off the connection as well: the next call waits for its answer.
        """
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="redis-question")
            self._asking.add_done_callback(_overhear)
        await asyncio.wait({self._asking}, timeout=seconds)
        if not self._asking.done():
            raise QueueUnavailable(f"{reason(TimeoutError())}.")
        asked, self._asking = self._asking, None
        try:
            owner = asked.result()
        except FAILURES as error:
            await self._drop()
            raise QueueUnavailable(f"{reason(error)}.") from error
        if isinstance(owner, list):
            refused = b", ".join(owner).decode()
            raise QueueUnavailable(f"{REFUSED}: {refused} (REDIS_URL or REDIS_USERNAME).")
        if owner != self._record_id.encode():
            raise OtherRecord

    async def _ask(self) -> bytes | list[bytes]:
        if self._client is None:
            self._client = self._address.strict(_PATIENCE_SECONDS)
        async with asyncio.timeout(2 * _PATIENCE_SECONDS):
            return await self._client.eval(_CLAIM, 1, OWNER_KEY, self._record_id, OWNER_SECONDS, self._needed)

    async def leave(self) -> None:
        """Let go of Redis: if no other process of this record is there, another record may use it in a moment."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
        if self._client is not None:
            with contextlib.suppress(*FAILURES):
                async with asyncio.timeout(1):
                    await self._client.eval(_LEAVE, 1, OWNER_KEY, self._record_id, _LEFT_SECONDS)
        await self._drop()

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(*FAILURES):
                await client.aclose()


def _overhear(task: asyncio.Task[bytes | list[bytes]]) -> None:
    """Take note of how a question ended that nobody may ask about: asyncio would complain."""
    if not task.cancelled():
        task.exception()
