"""A deployment of real processes: APIs and workers over one record, with a Redis of its own behind a proxy.

Whatever a test does to it, at the end every promise is checked from outside; see `tests.faults.invariants`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import httpx

from tests.faults.invariants import assert_promises
from tests.faults.kinds import Ledger
from tests.faults.records import SqliteRecord, made_postgres
from tests.faults.vitals import Holding
from tests.faults.witness import Witness
from tests.flows.person import Person
from tests.flows.process import Host, Process, Server, Worker
from tests.servers.proxy import proxied
from tests.servers.redis import RedisServer, running_redis

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from pathlib import Path

    from tests.faults.records import Record
    from tests.servers.proxy import Proxy

P = TypeVar("P", bound=Process)

SERVE: Final = "tests.faults.serve"
WORK: Final = "tests.faults.work"

_SETTINGS: Final[dict[str, object]] = {
    "beat_seconds": 0.5,
    "lease_seconds": 5,
    "retry_base_seconds": 0.2,
    "drain_seconds": 5,
}
"""Shorter than the defaults, so that tests need not wait; each test may set others."""

_BATCH: Final = 100


class Caller(Person):
    """A session whose accepted jobs the cluster keeps in mind: each has to end."""

    def __init__(self, http: httpx.AsyncClient, server: Server, cluster: Cluster) -> None:
        super().__init__(http, server)
        self._cluster = cluster

    def at(self, server: Server) -> Caller:
        twin = Caller(self.http, server, self._cluster)
        twin.headers = self.headers
        return twin

    async def submit(self, kind: str, data: dict[str, Any] | None = None, **options: Any) -> str:
        job_id = await super().submit(kind, data, **options)
        self._cluster.accepted.append(job_id)
        return job_id

    async def many(self, count: int, kind: str, data: dict[str, Any]) -> list[str]:
        """So many jobs, a hundred a request."""
        made: list[str] = []
        while len(made) < count:
            batch = [{"kind": kind, "data": data}] * min(_BATCH, count - len(made))
            answer = await self.ask("POST", "/api/jobs/batch", json={"jobs": batch})
            assert answer.status_code == 202, answer.text
            made += [job["jobId"] for job in answer.json()["jobs"]]
        self._cluster.accepted += made
        return made

    def errand(self, **data: Any) -> dict[str, Any]:
        """The data of an errand, or of a wreck, that writes into this cluster's ledger."""
        return {"ledger": str(self._cluster.ledger.path), **data}


class Cluster:
    """See the module. Its processes are started one after the other or, with `gather`, at once."""

    def __init__(
        self,
        folder: Path,
        record: Record,
        http: httpx.AsyncClient,
        settings: dict[str, object],
        *,
        redis: RedisServer | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.record = record
        self.http = http
        self.ledger = Ledger(folder / "ledger")
        self.accepted: list[str] = []
        self.witnesses: list[Witness] = []
        self.host = Host(folder, **{**_SETTINGS, **record.settings, **settings})
        self.begun: dict[Process, Holding] = {}
        """What each process had when it was ready."""
        self._redis = redis
        self._proxy = proxy
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = itertools.count()
        self._closing = False

    # Who is there

    @property
    def redis(self) -> RedisServer:
        assert self._redis is not None
        return self._redis

    @property
    def proxy(self) -> Proxy:
        """What stands between Redis and all processes."""
        assert self._proxy is not None
        return self._proxy

    @property
    def redis_url(self) -> str:
        """Where the processes find Redis, by way of the proxy."""
        return f"redis://127.0.0.1:{self.proxy.port}"

    @property
    def expected(self) -> set[str]:
        """Messages of the level error that the test provokes."""
        return self.host.expected

    def servers(self) -> list[Server]:
        """The APIs that live."""
        return [server for server in self.host.servers if server.alive]

    def workers(self) -> list[Worker]:
        """The workers that live."""
        return [worker for worker in self.host.workers if worker.alive]

    def processes(self) -> list[Process]:
        """All that live."""
        return [*self.servers(), *self.workers()]

    # What can be done

    async def api(self, module: str = SERVE, **settings: object) -> Server:
        """One more API process, ready. The loop goes on meanwhile: the proxy runs in it."""
        return self._noted(await asyncio.to_thread(lambda: self.host.start(module, **self._with_redis(settings))))

    async def worker(self, module: str = WORK, **settings: object) -> Worker:
        """One more worker process, ready."""
        return self._noted(await asyncio.to_thread(lambda: self.host.work(module, **self._with_redis(settings))))

    async def started(self, apis: int = 1, workers: int = 1, **settings: object) -> tuple[list[Server], list[Worker]]:
        """So many of each, ready. One process comes first: it makes the record."""
        servers = [await self.api(SERVE, **settings)]
        others = (self.api(SERVE, **settings) for _ in range(apis - 1))
        hands = (self.worker(WORK, **settings) for _ in range(workers))
        made = await asyncio.gather(*others, *hands)
        return [*servers, *(p for p in made if isinstance(p, Server))], [p for p in made if isinstance(p, Worker)]

    def person(self, server: Server | None = None) -> Caller:
        """A new session, at this server or at the first that lives."""
        return Caller(self.http, self.servers()[0] if server is None else server, self)

    def follow(self, person: Person, *job_ids: str) -> list[Witness]:
        """Have each of these jobs followed to its end; the readers are spread over the APIs."""
        made = [Witness(self.http, person.headers, job_id) for job_id in job_ids]
        self.witnesses += made
        for witness in made:
            self._hold(witness.follow(self.servers, next(self._turns)))
        return made

    def supervise(self, worker: Worker, **settings: object) -> None:
        """Start another worker whenever this one, or one that took its place, has died."""
        self._hold(self._restarting(worker, settings))

    async def gone(self, process: Process) -> int:
        """Wait until a process has ended by itself; its exit status."""
        return await asyncio.to_thread(process.wait)

    # Its end

    async def told_all(self) -> None:
        """Wait until every reader has seen the end of its job."""
        followers = [task for task in self._tasks if task.get_name() == "Witness.follow"]
        await asyncio.gather(*followers)

    async def close(self) -> None:
        self._closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.host.close)

    async def _restarting(self, worker: Worker, settings: dict[str, object]) -> None:
        while not self._closing:
            await asyncio.to_thread(worker.process.wait)
            worker = await self.worker(WORK, **settings)

    def _with_redis(self, settings: dict[str, object]) -> dict[str, object]:
        """These settings, and where Redis is unless they say otherwise; None takes a setting away."""
        ours = {"redis_url": self.redis_url} if self._proxy is not None else {}
        return {name: value for name, value in {**ours, **settings}.items() if value is not None}

    def _noted(self, process: P) -> P:
        self.begun[process] = Holding.of(process)
        return process

    def _hold(self, work: Any) -> None:
        task = asyncio.create_task(work, name=work.__qualname__)
        self._tasks.add(task)


@asynccontextmanager
async def clustering(
    folder: Path,
    *,
    record: Literal["postgres", "sqlite"] = "postgres",
    redis: Literal["plain", "aof"] | None = "plain",
    serving: Callable[[RedisServer], None] | None = None,
    certificate: Path | None = None,
    **settings: object,
) -> AsyncGenerator[Cluster]:
    """A cluster with nothing started yet; at the end, if the test has not failed before, its promises are checked.

    `serving` does something to Redis before anybody talks to it. `certificate`: the proxy speaks TLS.
    """
    async with AsyncExitStack() as stack:
        made = SqliteRecord(folder / "data") if record == "sqlite" else await made_postgres()
        limits = httpx.Limits(max_connections=None)
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False, limits=limits, timeout=25))
        server, proxy = None, None
        if redis is not None:
            server = stack.enter_context(running_redis(aof=redis == "aof"))
            proxy = await stack.enter_async_context(proxied(server.port, certificate))
            if serving is not None:
                serving(server)
        cluster = Cluster(folder, made, http, settings, redis=server, proxy=proxy)
        try:
            yield cluster
            await assert_promises(cluster)
        except BaseException:
            with contextlib.suppress(AssertionError):  # what has failed already is to be seen
                await cluster.close()
            raise
        await cluster.close()
