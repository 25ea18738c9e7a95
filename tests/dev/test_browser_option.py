"""Of the tests that drive a browser the core runs unasked, and `--browser` runs all. Real pytest runs of a small suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(120)

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

SUITE = """
import pytest

@pytest.mark.thorough
@pytest.mark.parametrize("n", range(3))
def test_a_visit(n): pass

def test_the_core(): pass
"""
DESELECTED = "browser tests: 3 deselected, --browser runs all"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    shutil.copy(CONFTEST, tmp_path)
    (tmp_path / "test_visits.py").write_text(SUITE)
    return tmp_path


def run(suite: Path, *words: str) -> tuple[set[str], str]:
    """The tests that were run, and the whole output."""
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={suite}"]
    done = subprocess.run([*command, *words, str(suite)], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stdout
    return set(re.findall(r"::(test_\w+(?:\[\d+\])?)", done.stdout)), done.stdout


@pytest.mark.parametrize("processes", ["0", "2"])
def test_the_core_runs_and_it_is_said_how_many_do_not(suite: Path, processes: str) -> None:
    ran, said = run(suite, f"-n{processes}")
    assert ran == {"test_the_core"}
    assert said.count(DESELECTED) == 1
    assert "skipped" not in said.splitlines()[-1], "what nobody asked for is not skipped: strict mode does not mind"


def test_all_can_be_asked_for(suite: Path) -> None:
    ran, said = run(suite, "--browser")
    assert len(ran) == 4
    assert "deselected" not in said
