"""The record that these tests stand on is the one of the contract suites; over it, a switch and a reconciler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from snapasset.switch import Switch
from tests.contracts.record_backends import clock, database, record
from tests.contracts.record_jobs import QUEUE
from tests.snapasset.upkeep import SETTINGS, Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from snapasset.database import Database

__all__ = ["clock", "database", "record"]


@pytest.fixture
async def switch() -> AsyncIterator[Switch]:
    opened = Switch((QUEUE, "chores"), SETTINGS, ring_timeout=60)
    await opened.open("record-1")
    yield opened
    await opened.close()


@pytest.fixture
def upkeep(database: Database, switch: Switch) -> Upkeep:
    return Upkeep(database, switch)
