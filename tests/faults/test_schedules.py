"""Every process looks for schedules that are due. However many look, a time fires once; times that were missed, as one."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

from tests.faults.cluster import clustering
from tests.faults.patience import ENDS, HEALS, within

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.cluster import Cluster

pytestmark = pytest.mark.timeout(120)

Where = Literal["postgres", "sqlite"]

DAY_MS: Final = 86_400_000
ROUND: Final = 0.05
"""Seconds between two looks: so short that several processes look at the same time."""

TIMES: Final = 12


@pytest.mark.fault(seconds=6)
@pytest.mark.parametrize("record", ["postgres", "sqlite"])
async def test_each_time_fires_once(tmp_path: Path, record: Where) -> None:
    async with clustering(tmp_path, record=record, cleanup_cron=far_off(), reconcile_seconds=ROUND) as cluster:
        await cluster.started(apis=2, workers=2)
        for number in range(1, TIMES + 1):
            await cluster.record.change(f"UPDATE schedules SET next_run = {now_ms()}")
            await within(HEALS, lambda number=number: firings(cluster, number), f"{number} times have fired")
        await settled(cluster, TIMES)
        fired = [sum("a schedule has fired" in line["message"] for line in p.log()) for p in cluster.processes()]
        print(f"measured: fired by each process: {fired}")
        assert sum(fired) == TIMES, fired


@pytest.mark.fault(seconds=6)
@pytest.mark.parametrize("record", ["postgres", "sqlite"])
async def test_three_times_missed_fire_as_one(tmp_path: Path, record: Where) -> None:
    async with clustering(tmp_path, record=record, cleanup_cron=far_off(), reconcile_seconds=ROUND) as cluster:
        await cluster.started()
        for process in cluster.processes():
            process.kill()
        next_run = (await schedule(cluster))["next_run"]
        await cluster.record.change(f"UPDATE schedules SET next_run = {next_run - 3 * DAY_MS}")
        await asyncio.gather(cluster.api(), cluster.api(), cluster.worker(), cluster.worker())
        await within(HEALS, lambda: firings(cluster, 1), "the schedule has fired")
        await settled(cluster, 1)
        now = await schedule(cluster)
        assert (now["last_run"], now["next_run"]) == (next_run - 3 * DAY_MS, next_run)
        assert next_run > now_ms()


def far_off() -> str:
    """When the daily clean-up has its time in twelve hours: not within a test."""
    return f"{time.gmtime().tm_min} {(time.gmtime().tm_hour + 12) % 24} * * *"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def schedule(cluster: Cluster) -> Any:
    """The only one: the daily clean-up."""
    (row,) = await cluster.record.rows("SELECT next_run, last_run FROM schedules")
    return row


async def firings(cluster: Cluster, number: int) -> bool:
    return len(await cluster.record.rows("SELECT 1 FROM schedule_firings")) == number


async def settled(cluster: Cluster, number: int) -> None:
    """Wait until all clean-ups are over; fail unless there are so many, now and after all processes have looked again."""

    async def over() -> bool:
        return {row["status"] for row in await clean_ups(cluster)} == {"completed"}

    await within(ENDS, over, "the clean-ups are over")
    await asyncio.sleep(20 * ROUND)
    assert len(await clean_ups(cluster)) == number
    assert await firings(cluster, number)


async def clean_ups(cluster: Cluster) -> list[Any]:
    return await cluster.record.rows("SELECT status FROM jobs WHERE kind = 'file-cleanup'")
