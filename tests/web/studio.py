"""The studio of this checkout for tests: built once, by what `dev.py run` builds it with, and a Node with its packages."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from tests.servers.used import SAID
from web.node import WEB, Failed, NoNode
from web.packages import ready_node

if TYPE_CHECKING:
    from pathlib import Path

    from web.node import Node

BUILD_SECONDS: Final = 400
"""Longer than npm and Vite may take together: a test that asks first needs `@pytest.mark.timeout` of more than that."""


@cache
def node() -> Node:
    """The Node that this run uses; a test that needs it is skipped, with the reason, where there is none."""
    try:
        found = ready_node()
    except (NoNode, Failed) as reason:
        pytest.skip(str(reason))
    SAID.add(f"Node: {found.program}, {found.version}")
    return found


@cache
def built() -> Path:
    """The folder of the studio, built from the sources as they are; fails when they cannot be built."""
    node()
    command = [sys.executable, "-m", "web.build"]
    done = subprocess.run(command, cwd=WEB.parent, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
    assert done.returncode == 0, done.stderr
    return WEB / "dist"
