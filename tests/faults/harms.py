"""What can be done to a Redis, or to the way there, and how it is undone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.cluster import Cluster
    from tests.servers.redis import RedisServer

_SECRET: Final = "not-the-one-they-know"


class Harm(NamedTuple):
    """`begin` makes Redis useless to every process of a cluster, `end` undoes that."""

    begin: Callable[[Cluster], Awaitable[None]]
    end: Callable[[Cluster], Awaitable[None]]


def _to_server(begin: Callable[[RedisServer], object], end: Callable[[RedisServer], object]) -> Harm:
    """Done in a thread: what waits for Redis must not hold up the loop, in which the proxy runs."""

    async def do(cluster: Cluster) -> None:
        await asyncio.to_thread(begin, cluster.redis)

    async def undo(cluster: Cluster) -> None:
        await asyncio.to_thread(end, cluster.redis)

    return Harm(do, undo)


def _to_network(begin: Callable[[Cluster], None]) -> Harm:
    async def do(cluster: Cluster) -> None:
        begin(cluster)

    async def undo(cluster: Cluster) -> None:
        cluster.proxy.let_through()

    return Harm(do, undo)


HARMS: Final[dict[str, Harm]] = {
    "killed": _to_server(lambda redis: redis.kill(), lambda redis: redis.start()),
    "frozen": _to_server(lambda redis: redis.freeze(), lambda redis: redis.thaw()),
    "black hole": _to_network(lambda cluster: cluster.proxy.swallow()),
    "half open": _to_network(lambda cluster: cluster.proxy.swallow_answers()),
    "reset": _to_network(lambda cluster: cluster.proxy.refuse()),
    "full": _to_server(lambda redis: redis.fill(), lambda redis: redis.empty()),
    "replica": _to_server(lambda redis: redis.follow_nobody(), lambda redis: redis.lead()),
    "failover that lost writes": _to_server(
        lambda redis: redis.follow_nobody(), lambda redis: (redis.lead(), redis.command("FLUSHALL"))
    ),
    "another password": _to_server(
        lambda redis: redis.change_password(_SECRET), lambda redis: redis.change_password(None)
    ),
}
