"""Fixtures of the flows: servers shared by the tests of a module where that costs them nothing, and a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.flows.process import Host, hosting

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path


@pytest.fixture
def host(tmp_path: Path) -> Generator[Host]:
    """A deployment of the test's own, with nothing started yet."""
    with hosting(tmp_path) as host:
        yield host


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=None)) as http:
        yield http
