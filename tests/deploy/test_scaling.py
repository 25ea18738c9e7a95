"""KEDA's question, put to a real database: as many as wait and run, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from snapasset.database.postgres import PostgresDatabase
from snapasset.records.endings import Cancel
from tests.contracts.record_jobs import held, submitted
from tests.contracts.record_postgres import fresh_database
from tests.deploy.manifests import manifest, pod

if TYPE_CHECKING:
    from snapasset.job import Job


def query() -> str:
    [trigger] = manifest("scaling")["spec"]["triggers"]
    return trigger["metadata"]["query"]


async def counted(url: str) -> int:
    """What the query answers to somebody who knows nothing of our schema's name or settings."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "pg_catalog"})
    try:
        answer = await connection.fetchval(query())
    finally:
        await connection.close()
    assert isinstance(answer, int)
    return answer


async def test_the_query_counts_what_waits_and_what_runs() -> None:
    url = fresh_database()
    database = PostgresDatabase(url)
    await database.open()
    try:
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
    finally:
        await database.close()


def test_it_scales_the_workers_with_the_secret_that_they_have() -> None:
    scaled = manifest("scaling")["spec"]
    assert scaled["scaleTargetRef"]["name"] == manifest("worker")["metadata"]["name"]
    assert "replicas" not in manifest("worker")["spec"]
    access = manifest("scaling-access")
    assert scaled["triggers"][0]["authenticationRef"]["name"] == access["metadata"]["name"]
    [reference] = access["spec"]["secretTargetRef"]
    secret = manifest("secret.example")
    assert (reference["parameter"], reference["name"]) == ("connection", secret["metadata"]["name"])
    assert reference["key"] in secret["stringData"]


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
