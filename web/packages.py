"""`web/node_modules`, kept true to `package-lock.json`.

npm writes down what it has installed when it is done, in `node_modules/.package-lock.json`. That file is taken away before
anything changes: so whatever interrupts npm, the next call sees it and starts anew. Who has called `npm ci` by hand is believed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from dev import only_one
from web.node import WEB, Failed, find_node, run

if TYPE_CHECKING:
    from pathlib import Path

    from web.node import Node

INSTALL: Final = (
    "ci",
    "--include=dev",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-progress",
    "--loglevel=error",
)
"""Nothing that a package brings is run: none of ours needs it."""

_PATIENT: Final = (
    "--fetch-retries=2",
    "--fetch-retry-mintimeout=1000",
    "--fetch-retry-maxtimeout=5000",
    "--fetch-timeout=60000",
)
_SECONDS: Final = 300


def are_current(web: Path) -> bool:
    """Whether npm has installed all that the lock file names for this machine, and in these versions."""
    wanted, there = _packages(web / "package-lock.json"), _packages(_installed(web))
    return (
        bool(there)
        and all(wanted.get(name) == told for name, told in there.items())
        and all(name in there or told.get("optional") for name, told in wanted.items())
    )


def install(node: Node, web: Path, lock: int | None = None) -> None:
    """Have npm install what the lock file names, unless it is there. Raises `Failed`. One process at a time may call."""
    if are_current(web):
        return
    if not node.npm:
        raise Failed(f"there is no npm beside {node.program}")
    _installed(web).unlink(missing_ok=True)
    run([*node.npm, *INSTALL, *_PATIENT], node, web, _SECONDS, lock)
    if not are_current(web):
        raise Failed("npm has not installed what package-lock.json names")


def ready_node() -> Node:
    """A Node whose packages are there, installed if need be. Raises `NoNode` or `Failed`."""
    node = find_node()
    with only_one(WEB.parent / ".venv.lock") as lock:
        install(node, WEB, lock)
    return node


def _installed(web: Path) -> Path:
    return web / "node_modules" / ".package-lock.json"


def _packages(path: Path) -> dict[str, dict[str, Any]]:
    """The packages of a lock file but for the project itself; none of a file that is not there, or none."""
    try:
        told = json.loads(path.read_text("utf-8"))["packages"]
        return {name: described for name, described in told.items() if name}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
