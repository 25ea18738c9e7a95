"""A real Chromium without a window, driven by playwright: what a browser makes of our streams, no library of ours says.

The program is what is on the PATH, else Debian's when root; playwright's own download is not used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import async_playwright

from tests.servers.used import SAID
from tests.servers.wheels import NoServer, call, only_one

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from playwright.async_api import Browser

NAMES: Final = ("chromium", "chromium-browser", "google-chrome")

QUIET: Final = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")
"""It talks to nobody but the servers of the tests."""


def on_path() -> Path:
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    raise NoServer(f"neither {' nor '.join(NAMES)} is on the PATH")


def from_debian() -> Path:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NoServer("not root on Debian")
    with only_one():
        if not shutil.which(NAMES[0]):
            quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            call(["apt-get", "install", "--quiet", "--yes", "--no-install-recommends", NAMES[0]], quiet)
    return on_path()


@cache
def program() -> Path:
    """The program to start; a test that needs it is skipped, with the reason, where there is none."""
    tried: list[str] = []
    for way in (on_path, from_debian):
        try:
            found = way()
        except NoServer as reason:
            tried.append(str(reason))
            continue
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        SAID.add(f"browser: {found}, {said.strip()}")
        return found
    pytest.skip(f"no Chromium: {'; '.join(tried)}")


@asynccontextmanager
async def launched() -> AsyncGenerator[Browser]:
    """A browser as long as the block runs; it and all its children are gone afterwards."""
    path = program()
    flags = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield browser
        finally:
            await browser.close()
