"""KEDA's question, put to a real database: as many as wait and run, and no others."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

from snapasset.database.postgres import PostgresDatabase
from snapasset.records.endings import Cancel
from snapasset.records.queues import LimitQueue, PauseQueue, ResumeQueue
from tests.contracts.record_jobs import QUEUE, held, submitted
from tests.contracts.record_postgres import fresh_database
from tests.deploy.manifests import KUBERNETES, manifest, pod

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from snapasset.job import Job


def query() -> str:
    [trigger] = manifest("scaling")["spec"]["triggers"]
    return trigger["metadata"]["query"]


def grants() -> list[str]:
    """What the file advises to let KEDA's role do."""
    text = (KUBERNETES / "scaling-access.yaml").read_text("utf-8")
    return re.findall(r"^#   (GRANT .+ TO keda;)$", text, re.MULTILINE)


async def counted(url: str) -> int:
    """What the query answers to a role that may do just what is advised, and knows nothing of our schema's settings."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "pg_catalog"})
    change = connection.transaction()
    await change.start()
    try:
        await connection.execute("CREATE ROLE keda")
        for grant in grants():
            await connection.execute(grant)
        await connection.execute("SET LOCAL ROLE keda")
        answer = await connection.fetchval(query())
    finally:
        await change.rollback()
        await connection.close()
    assert isinstance(answer, int)
    return answer


@asynccontextmanager
async def record(url: str) -> AsyncGenerator[PostgresDatabase]:
    database = PostgresDatabase(url)
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def test_the_query_counts_what_waits_and_what_runs() -> None:
    url = fresh_database()
    async with record(url) as database:
        assert await counted(url) == 0
        running: Job = await held(database)
        assert await counted(url) == 1
        waiting = [await submitted(database) for _ in range(3)]
        assert await counted(url) == 4
        await submitted(database, delay_ms=3_600_000)
        await submitted(database, depends_on=(running.id,))
        assert await counted(url) == 4
        await database.write(Cancel(waiting[0].id, waiting[0].owner))
        assert await counted(url) == 3


async def test_what_waits_in_a_paused_queue_calls_for_no_worker() -> None:
    url = fresh_database()
    async with record(url) as database:
        await held(database)
        for queue in (QUEUE, QUEUE, "others"):
            await submitted(database, queue=queue)
        assert await counted(url) == 4
        await database.write(PauseQueue(QUEUE))
        assert await counted(url) == 2  # what runs there, and the other queue's
        await database.write(LimitQueue("others", 1, None, None))
        assert await counted(url) == 2  # a limit is no pause
        await database.write(ResumeQueue(QUEUE))
        assert await counted(url) == 4


def test_it_scales_the_workers_and_asks_the_database_at_an_address_of_its_own() -> None:
    scaled = manifest("scaling")["spec"]
    assert scaled["scaleTargetRef"]["name"] == manifest("worker")["metadata"]["name"]
    assert "replicas" not in manifest("worker")["spec"]
    access = manifest("scaling-access")
    assert scaled["triggers"][0]["authenticationRef"]["name"] == access["metadata"]["name"]
    [reference] = access["spec"]["secretTargetRef"]
    secret = manifest("secret.example")
    assert (reference["parameter"], reference["name"]) == ("connection", secret["metadata"]["name"])
    assert reference["key"] in secret["stringData"]
    # A pooler may stand before the workers' database, and does not do for KEDA's prepared statements.
    assert reference["key"] != "DATABASE_URL"


def test_names_that_point_at_each_other_agree() -> None:
    service, budget, api = manifest("api-service"), manifest("api-disruption"), manifest("api")
    labels = api["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == labels
    assert labels == api["spec"]["selector"]["matchLabels"]
    worker = manifest("worker")
    assert worker["spec"]["template"]["metadata"]["labels"] == worker["spec"]["selector"]["matchLabels"] != labels
    ports = [port["name"] for port in pod("api")["containers"][0]["ports"]]
    assert service["spec"]["ports"][0]["targetPort"] in ports
    assert manifest("files")["spec"]["accessModes"] == ["ReadWriteMany"]
    assert [image["name"] for image in manifest("kustomization")["images"]] == [pod("api")["containers"][0]["image"]]
    assert pod("worker")["containers"][0]["image"] == pod("api")["containers"][0]["image"]
